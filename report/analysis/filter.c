/*
 * See filter.h. fnmatch without FNM_PATHNAME: '*' matches slashes, as users expect of patterns on module paths.
 */
#include "report/analysis/filter.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

void filter_want(struct filter *filter, const char *pattern)
{
	must_grow(filter->wanted, filter->wanted_count, filter->wanted_capacity);
	filter->wanted[filter->wanted_count++] = pattern;
}

void filter_exclude(struct filter *filter, const char *pattern)
{
	must_grow(filter->unwanted, filter->unwanted_count, filter->unwanted_capacity);
	filter->unwanted[filter->unwanted_count++] = pattern;
}

static bool matches(const char *pattern, const char *text)
{
	return text && text[0] && !fnmatch(pattern, text, 0);
}

static bool matches_path(const char *pattern, const char *path)
{
	if (matches(pattern, path))
		return true;
	const char *slash = path ? strrchr(path, '/') : NULL;
	return slash && matches(pattern, slash + 1);
}

bool filter_pattern_matches(const char *pattern, const struct location *location)
{
	return matches(pattern, location->function) || matches(pattern, location->linkage_name) ||
	       matches_path(pattern, location->file) || matches_path(pattern, location->module_path) ||
	       matches(pattern, location->module_name);
}

static bool matches_any(const char **patterns, size_t count, const struct location *location)
{
	for (size_t i = 0; i < count; i++)
		if (filter_pattern_matches(patterns[i], location))
			return true;
	return false;
}

unsigned filter_match(const struct filter *filter, const struct location *location)
{
	return (matches_any(filter->wanted, filter->wanted_count, location) ? FILTER_WANTED : 0u) |
	       (matches_any(filter->unwanted, filter->unwanted_count, location) ? FILTER_UNWANTED : 0u);
}

bool filter_keeps(const struct filter *filter, unsigned match)
{
	return !(match & FILTER_UNWANTED) && (!filter->wanted_count || (match & FILTER_WANTED));
}

bool is_filtered(const struct filter *filter)
{
	return filter->wanted_count || filter->unwanted_count;
}

void filter_free(struct filter *filter)
{
	free(filter->wanted);
	free(filter->unwanted);
	*filter = (struct filter){0};
}
