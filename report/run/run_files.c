/* Finding the snapshots of a run; run_files.h. */
#include "report/run/run_files.h"

#include "report/base/memory.h"
#include "report/run/host_options.h"

#include <fnmatch.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_files(const void *left, const void *right)
{
	static const enum snapshot_meta keys[] = {META_PID, META_START_TIME_NS, META_EPOCH};
	const struct snapshot_brief *a = left, *b = right;
	int order = 0;
	for (size_t i = 0; i < sizeof keys / sizeof *keys && !order; i++)
		order = compare_numbers(a->numbers[keys[i]], b->numbers[keys[i]]);
	return order ? order : strverscmp(a->path, b->path);
}

/*
 * What cannot be read belongs to nobody: a process whose own file it was has no other, and is missed. named: by the
 * user, who may have named a link, and not found.
 */
static void examine(struct snapshot_briefs *files, const char *path, bool named, const char *token)
{
	struct stat status;
	struct error ignored;
	if ((named ? stat(path, &status) : lstat(path, &status)) || !S_ISREG(status.st_mode) ||
	    status.st_uid != geteuid())
		return;
	if (snapshot_briefs_add(files, path, &ignored) == EXIT_FINE &&
	    strcmp(files->at[files->count - 1].run, token) != 0)
		snapshot_briefs_drop(files);
}

/* Those of `pattern`, less those that the pattern `found` has given already: "x.%p.mud" matches "x.1.1.2.mud", too. */
static void find(struct snapshot_briefs *files, const char *pattern, const char *found, const char *token)
{
	char *known = found ? host_output_glob(found, 0) : NULL;
	char *text = host_output_glob(pattern, 0);
	glob_t matches;
	if (!glob(text, GLOB_NOSORT, NULL, &matches)) {
		for (size_t i = 0; i < matches.gl_pathc; i++)
			if (!known || fnmatch(known, matches.gl_pathv[i], FNM_PATHNAME | FNM_PERIOD) != 0)
				examine(files, matches.gl_pathv[i], !strchr(pattern, '%'), token);
		globfree(&matches);
	}
	free(text);
	free(known);
}

void run_files_find(struct snapshot_briefs *files, const char *pattern, const char *token)
{
	char *apart = host_output_apart(pattern);
	*files = (struct snapshot_briefs){0};
	find(files, pattern, NULL, token);
	if (apart)
		find(files, apart, pattern, token);
	free(apart);
	if (files->count)
		qsort(files->at, files->count, sizeof *files->at, compare_files);
}

size_t run_files_first(const struct snapshot_briefs *files, uint64_t pid)
{
	size_t low = 0, high = files->count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (files->at[middle].numbers[META_PID] < pid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

size_t run_files_image_end(const struct snapshot_briefs *files, size_t first)
{
	size_t end = first + 1;
	while (end < files->count && is_same_process(&files->at[first], &files->at[end]))
		end++;
	return end;
}
