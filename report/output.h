/*
 * Where a command's data goes: standard output, or a file that appears whole or not at all.
 *
 * Writing to a file goes to a temporary one beside it that is renamed at the end; a target that is not a regular
 * file (/dev/full, a pipe) is written directly. A reader that closes the pipe early (| head) has what it wanted: that
 * is not an error. A full disk is one: EXIT_INPUT.
 */
#ifndef MUDLARK_OUTPUT_H
#define MUDLARK_OUTPUT_H

#include "report/error.h"

#include <stdio.h>

struct output {
	FILE *stream;
	char *path;      /* what the user said; NULL: standard output */
	char *temporary; /* NULL: written directly */
};

/* path NULL or "-" is standard output. Returns false and fills error when it cannot be opened. */
bool output_open(struct output *output, const char *path, struct error *error);
/* Flushes and renames. Returns EXIT_FINE, or EXIT_INPUT with error filled; then no file was made or replaced. */
int output_close(struct output *output, struct error *error);
/* 0, or the errno with which this or an earlier write to the stream failed; the failure is reported once. */
int output_flush(FILE *stream);
/* Gives up: the temporary file is removed. */
void output_abandon(struct output *output);

#endif
