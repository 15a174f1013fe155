/*
 * The text of a source file that a snapshot names, found on this machine.
 *
 * A name is looked for in this order: below each --source-dir, by as many of the last parts of its path as exist there
 * (the recorded /build/x/src/app.c is DIR/src/app.c or DIR/app.c); below --sysroot; unchanged, where a relative name
 * starts from the directory in which the program was started.
 */
#ifndef MUDLARK_SOURCE_TEXT_H
#define MUDLARK_SOURCE_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct source_places {
	const char *const *directories; /* ends with NULL; may be NULL */
	const char *sysroot;            /* NULL: none */
	const char *start_directory;    /* of the program; "" when not known */
};

struct source_text {
	char *path; /* NULL: not found */
	char *text; /* its lines, each with a NUL in place of its line break */
	const char **lines;
	uint32_t line_count;
	uint64_t mtime_ns;
};

/* Always finish with source_text_free(). Only regular files of at most 64 MiB are read. */
void source_text_read(struct source_text *source, const char *name, const struct source_places *places);
/* Line number, from 1; NULL: there is none. */
const char *source_text_line(const struct source_text *source, uint32_t number);
void source_text_free(struct source_text *source);

#endif
