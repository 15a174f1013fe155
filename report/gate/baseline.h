/*
 * What is known and tolerated: a text file that is kept beside the source, one line a finding, sorted.
 *
 *   # mudlark baseline 2
 *   91c2a01b5e3f4d07 growth 1 96 2026-11-28 # forget_one < main
 *
 * fingerprint, kind, blocks, bytes, the day on which it came in, and behind '#' whatever people want to say; at first
 * the functions that it is about. The figures are the most that is tolerated, apart from the gate's tolerance.
 *
 * With debug information there is a second fingerprint, of the functions that have a frame of their own:
 * "91c2a01b5e3f4d07/5be0f2a9c41d7e33". It is the one that the stack has without debug information. By it a finding is
 * known if the baseline or the run has none. If both have some, the first one decides: two leaks in functions that were
 * inlined into the same one are two.
 *
 * A fingerprint is made of what outlives the next commit: names of the functions and of the modules' files of the
 * first frames that may own a block (owner.h), without lines, offsets, paths, versions, and the suffixes that compilers
 * give to clones. The kind is no part of it: a leak that turns from definite to indirect is the same leak.
 */
#ifndef MUDLARK_GATE_BASELINE_H
#define MUDLARK_GATE_BASELINE_H

#include "report/analysis/aggregate.h"
#include "report/base/memory.h"

#include <stdio.h>

/* BASELINE_VERSION is part of each fingerprint: it grows when other frames become part of one. */
enum { FINGERPRINT_BYTES = 17, FINGERPRINT_FRAMES = 5, DAY_BYTES = 11, BASELINE_VERSION = 2 };

struct fingerprint {
	char whole[FINGERPRINT_BYTES];
	char frames[FINGERPRINT_BYTES]; /* without inlined functions */
	bool bare;                      /* no frame has a line, so that inlined functions are not known */
};

struct baseline_entry {
	struct fingerprint fingerprint;
	char day[DAY_BYTES];
	unsigned kind; /* enum finding_kind */
	bool seen;     /* by this run */
	uint64_t blocks, bytes;
	uint64_t used_blocks, used_bytes; /* by findings of this run */
	const char *comment;              /* behind the '#'; the baseline's */
	bool written;                     /* likewise */
};

struct baseline {
	struct baseline_entry *entries;
	size_t count, capacity;
	struct arena texts;
};

/* Returns EXIT_FINE, or EXIT_INPUT with the line and the reason. */
int baseline_load(struct baseline *baseline, const char *path, struct error *error);
int baseline_parse(struct baseline *baseline, const char *name, const char *text, size_t length, struct error *error);
/*
 * The next entry after `after` (NULL: from the first) of this fingerprint, and of a kind of the same sort: leaks, growth,
 * or sizes. NULL: none. Several entries fit a stack without debug information if it had some in the baseline.
 */
struct baseline_entry *baseline_next(struct baseline *baseline, const struct fingerprint *fingerprint, unsigned kind,
				     const struct baseline_entry *after);
struct baseline_entry *baseline_add(struct baseline *baseline);
void baseline_remove_unseen(struct baseline *baseline);
void baseline_write(struct baseline *baseline, FILE *stream);
void baseline_free(struct baseline *baseline);

/* Of a row whose stack is named. */
void fingerprint_of(const struct names *names, const struct row *row, struct fingerprint *out);

#endif
