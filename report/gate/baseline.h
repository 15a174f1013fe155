/*
 * What is known and tolerated: a text file that is kept beside the source, one line a finding, sorted.
 *
 *   # mudlark baseline 2
 *   91c2a01b5e3f4d07 growth 1 96 2026-11-28 # forget_one < main
 *
 * fingerprint, kind, blocks, bytes, the day on which it came in, and behind '#' whatever people want to say; at first
 * the functions that it is about. The figures are the most that is tolerated, apart from the gate's tolerance.
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

struct baseline_entry {
	char fingerprint[FINGERPRINT_BYTES];
	char day[DAY_BYTES];
	unsigned kind; /* enum finding_kind */
	bool seen;     /* by this run */
	uint64_t blocks, bytes;
	const char *comment; /* behind the '#'; the baseline's */
	bool written;        /* likewise */
};

struct baseline {
	struct baseline_entry *entries;
	size_t count, capacity;
	struct arena texts;
};

/* Returns EXIT_FINE, or EXIT_INPUT with the line and the reason. */
int baseline_load(struct baseline *baseline, const char *path, struct error *error);
int baseline_parse(struct baseline *baseline, const char *name, const char *text, size_t length, struct error *error);
/* The entry of this fingerprint whose kind is of the same sort: leaks, growth, or sizes. NULL: none. */
struct baseline_entry *baseline_find(struct baseline *baseline, const char *fingerprint, unsigned kind);
struct baseline_entry *baseline_add(struct baseline *baseline);
void baseline_remove_unseen(struct baseline *baseline);
void baseline_write(struct baseline *baseline, FILE *stream);
void baseline_free(struct baseline *baseline);

/* Of a row whose stack is named. */
void fingerprint_of(const struct names *names, const struct row *row, char out[FINGERPRINT_BYTES]);

#endif
