/*
 * The snapshots that the processes of a run have written: found by the output pattern, told apart by what is in them.
 */
#ifndef MUDLARK_RUN_FILES_H
#define MUDLARK_RUN_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct run_file {
	char *path; /* owned */
	struct timespec written;
	unsigned long pid, parent; /* 0: not known */
	/* Of those that were examined: */
	bool searched, declined; /* for leaks: it was done; the program did not want it */
	bool at_end;             /* the last one of a process that ended by itself */
};

struct run_files {
	struct run_file *files; /* the oldest first */
	size_t count, capacity;
};

/*
 * Files that match the pattern (host_options.h) and were written since then: those of the process, and those of its
 * descendants, of which at most `examined` files are looked into. The caller frees both.
 */
void run_files_find(struct run_files *own, struct run_files *children, const char *pattern, unsigned long pid,
		    struct timespec since, size_t examined);
void run_files_free(struct run_files *files);

/* Reads what the file says of its process. */
void run_file_examine(struct run_file *file);

#endif
