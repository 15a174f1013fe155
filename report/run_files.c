/*
 * Finding the snapshots of a run; run_files.h.
 */
#include "report/run_files.h"

#include "report/host_options.h"
#include "report/memory.h"
#include "report/snapshot_read.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int compare_files(const void *left, const void *right)
{
	const struct run_file *a = left, *b = right;
	if (a->written.tv_sec != b->written.tv_sec)
		return a->written.tv_sec < b->written.tv_sec ? -1 : 1;
	if (a->written.tv_nsec != b->written.tv_nsec)
		return a->written.tv_nsec < b->written.tv_nsec ? -1 : 1;
	return strverscmp(a->path, b->path);
}

/* Files of this pid (0: of any) that were written since the start, the oldest first. */
static struct run_files find_snapshots(const char *pattern, unsigned long pid, struct timespec since)
{
	struct run_files files = {0};
	char *text = host_output_glob(pattern, pid);
	glob_t matches;
	if (!glob(text, GLOB_NOSORT, NULL, &matches)) {
		for (size_t i = 0; i < matches.gl_pathc; i++) {
			struct stat status;
			if (stat(matches.gl_pathv[i], &status) || !S_ISREG(status.st_mode) ||
			    status.st_mtim.tv_sec < since.tv_sec)
				continue;
			must_grow(files.files, files.count, files.capacity);
			files.files[files.count++] = (struct run_file){
				.path = must_copy(matches.gl_pathv[i]), .pid = pid, .written = status.st_mtim};
		}
		globfree(&matches);
	}
	free(text);
	if (files.count)
		qsort(files.files, files.count, sizeof *files.files, compare_files);
	return files;
}

void run_files_free(struct run_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		free(files->files[i].path);
	free(files->files);
}

/* A file that cannot be read belongs to nobody. */
void run_file_examine(struct run_file *file)
{
	struct error ignored;
	struct snapshot *snapshot = snapshot_load(file->path, &ignored);
	if (!snapshot)
		return;
	file->pid = snapshot->numbers[META_PID];
	file->parent = snapshot->numbers[META_PARENT_PID];
	file->searched = snapshot->numbers[META_LEAKS] != 0;
	file->declined = snapshot->numbers[META_LEAKS_OFF] != 0;
	file->at_end = snapshot->numbers[META_TRIGGER] == TRIGGER_EXIT;
	snapshot_free(snapshot);
}

static void examine(struct run_files *files, size_t most)
{
	for (size_t i = 0; i < files->count && i < most; i++)
		run_file_examine(&files->files[i]);
}

/* Keeps the files of this process, which a pattern without %p does not tell from others. */
static void keep_process(struct run_files *files, unsigned long pid)
{
	size_t count = 0;
	for (size_t i = 0; i < files->count; i++) {
		if (files->files[i].pid == pid)
			files->files[count++] = files->files[i];
		else
			free(files->files[i].path);
	}
	files->count = count;
}

/* Keeps the files of descendants of root (not its own), the nearest generations first found. */
static void keep_descendants(struct run_files *files, unsigned long root)
{
	bool *kept = must_allocate(files->count, sizeof *kept);
	bool more = true;
	while (more) {
		more = false;
		for (size_t i = 0; i < files->count; i++) {
			const struct run_file *file = &files->files[i];
			if (kept[i] || !file->pid || file->pid == root)
				continue;
			bool belongs = file->parent == root;
			for (size_t j = 0; j < files->count && !belongs; j++)
				belongs = kept[j] &&
					  (files->files[j].pid == file->parent || files->files[j].pid == file->pid);
			if (belongs)
				kept[i] = more = true;
		}
	}
	size_t count = 0;
	for (size_t i = 0; i < files->count; i++) {
		if (kept[i])
			files->files[count++] = files->files[i];
		else
			free(files->files[i].path);
	}
	files->count = count;
	free(kept);
}

void run_files_find(struct run_files *own, struct run_files *children, const char *pattern, unsigned long pid,
		    struct timespec since, size_t examined)
{
	*own = find_snapshots(pattern, pid, since);
	*children = find_snapshots(pattern, 0, since);
	if (!strstr(pattern, "%p")) {
		examine(own, SIZE_MAX);
		keep_process(own, pid);
	}
	examine(children, examined);
	keep_descendants(children, pid);
}
