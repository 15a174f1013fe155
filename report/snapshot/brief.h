/*
 * The sections META and TOTALS of a snapshot, without reading the rest of the file.
 *
 * Briefs decide which of thousands of snapshots are judged, so that only the chosen ones are decoded. A brief takes
 * about 700 bytes and six small reads, whatever the size of the file.
 */
#ifndef MUDLARK_SNAPSHOT_BRIEF_H
#define MUDLARK_SNAPSHOT_BRIEF_H

#include "report/snapshot/read.h"

struct snapshot_brief {
	char *path;                  /* owned */
	char *program, *host;        /* owned; "" if not known */
	char *run;                   /* token of the `mudlark run` that it is of; owned; "": of none */
	uint64_t numbers[META_KEYS]; /* as in struct snapshot */
	uint64_t live_bytes, live_blocks, peak_bytes, misuses;
	struct snapshot *whole; /* of a pipe, which cannot be read twice; owned; NULL: read the file at path */
};

/* A list that grows. Zero-initialise it. */
struct snapshot_briefs {
	struct snapshot_brief *at;
	size_t count, capacity;
};

/*
 * Reads the brief of the file at path ("-": standard input) and adds it to the list. Returns EXIT_FINE, or fills error
 * with EXIT_INPUT if the file is no snapshot, is truncated, or if one of the two sections is damaged or missing. Damage
 * elsewhere is found when the file is loaded.
 */
int snapshot_briefs_add(struct snapshot_briefs *briefs, const char *path, struct error *error);
/* Takes the last one out. */
void snapshot_briefs_drop(struct snapshot_briefs *briefs);
void snapshot_briefs_free(struct snapshot_briefs *briefs);

/* Loads the snapshot of a brief, or hands over `whole`. The caller frees it. NULL: error is filled. */
struct snapshot *snapshot_of_brief(struct snapshot_brief *brief, struct error *error);

/* Returns whether both were written by the same process. */
bool is_same_process(const struct snapshot_brief *left, const struct snapshot_brief *right);

#endif
