/*
 * --filter and --exclude: shell globs on module, file or function.
 *
 * A pattern must match the whole of one of: function, linkage name, file path and its base name, module path and its
 * base name. A stack is kept if some frame matches some --filter (or there is none), and no frame matches any
 * --exclude.
 */
#ifndef MUDLARK_FILTER_H
#define MUDLARK_FILTER_H

#include "report/analysis/names.h"

struct filter {
	const char **wanted, **unwanted; /* patterns; the strings are the caller's (argv) */
	size_t wanted_count, wanted_capacity, unwanted_count, unwanted_capacity;
};

enum filter_match { FILTER_WANTED = 1, FILTER_UNWANTED = 2 };

/* Returns whether the pattern matches one of the location's names. */
bool filter_pattern_matches(const char *pattern, const struct location *location);
void filter_want(struct filter *filter, const char *pattern);
void filter_exclude(struct filter *filter, const char *pattern);
/* Which kinds of pattern the location matches, enum filter_match. */
unsigned filter_match(const struct filter *filter, const struct location *location);
/* Returns whether a stack whose frames matched `matches` in all is kept. */
bool filter_keeps(const struct filter *filter, unsigned matches);
/* Returns whether it has any pattern. */
bool is_filtered(const struct filter *filter);
void filter_free(struct filter *filter);

#endif
