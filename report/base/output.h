/*
 * The destination of a command's data: standard output, or a file that appears whole or not at all.
 *
 * A file is written under a temporary name beside it and renamed at the end; a target that is not a regular file
 * (/dev/full, a pipe) is written directly. If the path is a symbolic link, its target is replaced. A replaced file
 * keeps its mode, so that nobody who could not read it before can read it afterwards. A reader that closes the pipe
 * early (| head) is not an error. A full disk is one: EXIT_INPUT.
 */
#ifndef MUDLARK_OUTPUT_H
#define MUDLARK_OUTPUT_H

#include "report/base/error.h"

#include <stdio.h>

struct output {
	FILE *stream;
	char *path;      /* what the user said, links followed; NULL: standard output */
	char *temporary; /* NULL: written directly */
};

/*
 * What a new file may be: what the umask leaves, for reports, which are made to be passed on, as with the shell's '>';
 * or its owner's only, for snapshots, as the library makes them.
 */
enum output_privacy { OUTPUT_BY_UMASK, OUTPUT_PRIVATE };

/* path NULL or "-" is standard output. Returns false and fills error when it cannot be opened. */
bool output_open(struct output *output, const char *path, enum output_privacy privacy, struct error *error);
/* Flushes and renames. Returns EXIT_FINE, or EXIT_INPUT with error filled; then no file was made or replaced. */
int output_close(struct output *output, struct error *error);
/* 0, or the errno with which this or an earlier write to the stream failed; the failure is reported once. */
int output_flush(FILE *stream);
/* Gives up: the temporary file is removed. */
void output_abandon(struct output *output);

#endif
