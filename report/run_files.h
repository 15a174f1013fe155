/*
 * The snapshots that the processes of a run have written: found by the output pattern, and the run's by what is in
 * them. A file is the run's if it has its token (META_RUN) and belongs to this user; names, times and pids prove
 * nothing: others write into the same directory, and containers have the same pids.
 */
#ifndef MUDLARK_RUN_FILES_H
#define MUDLARK_RUN_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct run_file {
	char *path;    /* owned */
	char *program; /* owned */
	unsigned long pid;
	uint64_t start_ns;       /* META_START_TIME_NS: with the pid, of one image */
	uint64_t time_ns, epoch; /* of the snapshot */
	uint64_t live_bytes, peak_bytes;
	bool searched, declined; /* for leaks: it was done; the program did not want it */
	bool at_end;             /* the last one of an image that ended, or executed another one, by itself */
};

struct run_files {
	struct run_file *files; /* by pid, image and time */
	size_t count, capacity;
};

/* Files that match the pattern (host_options.h) and are of the run with this token. The caller frees. */
void run_files_find(struct run_files *files, const char *pattern, const char *token);
/* The position of the first file of this pid, or where it would be. */
size_t run_files_first(const struct run_files *files, unsigned long pid);
void run_files_free(struct run_files *files);

#endif
