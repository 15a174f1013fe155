/*
 * Small text files that people keep beside their source: suppressions, baselines.
 */
#ifndef MUDLARK_TEXT_FILE_H
#define MUDLARK_TEXT_FILE_H

#include "report/base/error.h"

#include <stddef.h>

/* A text of this size was not written by hand, nor by us. */
enum { TEXT_FILE_MOST = 64 << 20 };

/* The file's bytes with a NUL behind the last one, malloced. NULL and error (EXIT_INPUT) when it cannot be read. */
char *text_file_read(const char *path, size_t *size, struct error *error);

#endif
