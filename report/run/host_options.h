/*
 * MUDLARK_OPTIONS: what `mudlark run` tells the library, and what `mudlark snap` reads back from a process.
 *
 *   key=value separated by ':' or white space. Quotes, single or double, may enclose any part of a value; inside
 *   double quotes a backslash takes the next character as it is. The last setting of a key counts.
 */
#ifndef MUDLARK_HOST_OPTIONS_H
#define MUDLARK_HOST_OPTIONS_H

#include "report/base/buffer.h"

#include <stdbool.h>
#include <stddef.h>

#define DEFAULT_OUTPUT_PATTERN "mudlark.%e.%p.%n.mud"

struct host_option {
	char *key, *value; /* owned */
};

struct host_options {
	struct host_option *options; /* in the order of first setting */
	size_t count, capacity;
};

/* Adds what text holds; anything without '=' is kept as a key with an empty value. text may be NULL. */
void host_options_parse(struct host_options *options, const char *text);
void host_options_set(struct host_options *options, const char *key, const char *value);
/* NULL when the key was not set. */
const char *host_options_get(const struct host_options *options, const char *key);
/* The text that parses back to the same options. */
void host_options_format(const struct host_options *options, struct buffer *out);
void host_options_free(struct host_options *options);

/*
 * Makes an output pattern absolute: a directory gets the default name behind it, a relative one `directory` in front
 * (its '%' doubled, so that they stay what they are). pattern may be NULL: the default. The caller frees.
 */
char *host_output_pattern(const char *pattern, const char *directory);

/*
 * The pattern of the snapshots of a run that do not have the name of a pattern without %n (preload/base/output.h), or
 * NULL when it has %n. The caller frees.
 */
char *host_output_apart(const char *pattern);

/* The glob(3) pattern that finds the snapshots of a process with this pid; 0: of any. The caller frees. */
char *host_output_glob(const char *pattern, unsigned long pid);

#endif
