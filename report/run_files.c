/* Finding the snapshots of a run; run_files.h. */
#include "report/run_files.h"

#include "report/host_options.h"
#include "report/memory.h"
#include "report/snapshot_brief.h"

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
	const struct run_file *a = left, *b = right;
	int order = compare_numbers(a->pid, b->pid);
	if (!order)
		order = compare_numbers(a->start_ns, b->start_ns);
	if (!order)
		order = compare_numbers(a->epoch, b->epoch);
	return order ? order : strverscmp(a->path, b->path);
}

static void add(struct run_files *files, const struct snapshot_brief *brief)
{
	must_grow(files->files, files->count, files->capacity);
	files->files[files->count++] = (struct run_file){
		.path = must_copy(brief->path),
		.program = must_copy(brief->program),
		.pid = brief->numbers[META_PID],
		.start_ns = brief->numbers[META_START_TIME_NS],
		.time_ns = brief->numbers[META_TIME_NS],
		.epoch = brief->numbers[META_EPOCH],
		.live_bytes = brief->live_bytes,
		.peak_bytes = brief->peak_bytes,
		.searched = brief->numbers[META_LEAKS] != 0,
		.declined = brief->numbers[META_LEAKS_OFF] != 0,
		.at_end = brief->numbers[META_TRIGGER] == TRIGGER_EXIT,
	};
}

/* What cannot be read belongs to nobody: a process whose own file it was has no other, and is missed. */
static void examine(struct run_files *files, const char *path, const char *token)
{
	struct stat status;
	struct error ignored;
	struct snapshot_briefs briefs = {0};
	if (lstat(path, &status) || !S_ISREG(status.st_mode) || status.st_uid != geteuid())
		return;
	if (snapshot_briefs_add(&briefs, path, &ignored) == EXIT_FINE && !strcmp(briefs.at[0].run, token))
		add(files, &briefs.at[0]);
	snapshot_briefs_free(&briefs);
}

static void find(struct run_files *files, const char *pattern, const char *token)
{
	char *text = host_output_glob(pattern, 0);
	glob_t matches;
	if (!glob(text, GLOB_NOSORT, NULL, &matches)) {
		for (size_t i = 0; i < matches.gl_pathc; i++)
			examine(files, matches.gl_pathv[i], token);
		globfree(&matches);
	}
	free(text);
}

void run_files_find(struct run_files *files, const char *pattern, const char *token)
{
	char *apart = host_output_apart(pattern);
	*files = (struct run_files){0};
	find(files, pattern, token);
	if (apart)
		find(files, apart, token);
	free(apart);
	if (files->count)
		qsort(files->files, files->count, sizeof *files->files, compare_files);
}

size_t run_files_first(const struct run_files *files, unsigned long pid)
{
	size_t low = 0, high = files->count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (files->files[middle].pid < pid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void run_files_free(struct run_files *files)
{
	for (size_t i = 0; i < files->count; i++) {
		free(files->files[i].path);
		free(files->files[i].program);
	}
	free(files->files);
	*files = (struct run_files){0};
}
