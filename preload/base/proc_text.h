/*
 * The text files of /proc (proc(5)): lines, fields between blanks, numbers. Nothing here allocates; async-signal-safe.
 */
#ifndef MUDLARK_PROC_TEXT_H
#define MUDLARK_PROC_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads the digits that text begins with, of base 10 or 16 (in small letters). Returns what follows them; none: 0. */
const char *proc_number(const char *text, unsigned base, uint64_t *value);

/* Returns the text after this many fields and the blanks after each. */
const char *proc_skip(const char *text, int fields);

/*
 * Gives each line of the file to each(), without its newline, until that returns false. Whether all of the file was
 * read and given: a line that does not fit into the buffer is left out.
 */
bool proc_lines(int fd, char *buffer, size_t bytes, bool (*each)(char *line, void *context), void *context);

#endif
