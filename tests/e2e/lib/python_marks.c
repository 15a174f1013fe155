/* Expected stacks: see python_marks.h. */
#define _GNU_SOURCE
#include "tests/e2e/lib/python_marks.h"

#include "tests/e2e/lib/python_lines.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES_MAX = 12000, NATIVES_MAX = 4 };

/* One mark() of places.py. */
struct expected {
	uint64_t bytes;
	size_t count;
	struct python_frame *frame;
	struct {
		size_t frame;
		char module[64];
	} native[NATIVES_MAX];
	size_t natives;
};

struct expectations {
	struct expected *at;
	size_t count;
	char *text; /* of which the names and files are parts */
};

static char *read_file(const char *path)
{
	char *text = NULL;
	size_t room = 0;
	FILE *file = fopen(path, "rb");
	ck_assert_msg(file != NULL, "%s is not there", path);
	ssize_t got = getdelim(&text, &room, '\0', file);
	fclose(file);
	ck_assert_int_ge(got, 0);
	return text;
}

/* The next line, without its end; NULL: there is none. */
static char *take_line(char **rest)
{
	return strsep(rest, "\n");
}

static void read_frames(struct expected *expected, char **rest)
{
	expected->frame = calloc(expected->count + 1, sizeof(*expected->frame));
	for (size_t i = 0; i < expected->count; i++) {
		char *line = take_line(rest);
		expected->frame[i].file = strsep(&line, "\t");
		expected->frame[i].line = strtoull(strsep(&line, "\t"), NULL, 10);
		expected->frame[i].name = line;
	}
}

static void read_expectations(const char *path, struct expectations *all)
{
	memset(all, 0, sizeof(*all));
	all->text = read_file(path);
	all->at = calloc(strlen(all->text) / 4 + 1, sizeof(*all->at));
	char *rest = all->text, *line;
	while ((line = take_line(&rest)) != NULL && line[0]) {
		struct expected *last = all->count ? &all->at[all->count - 1] : NULL;
		if (line[0] == 'M') {
			struct expected *expected = &all->at[all->count++];
			ck_assert_int_eq(sscanf(line, "M %lu %zu", &expected->bytes, &expected->count), 2);
			read_frames(expected, &rest);
			continue;
		}
		ck_assert(last && last->natives < NATIVES_MAX);
		ck_assert_int_eq(sscanf(line, "N %zu %63s", &last->native[last->natives].frame,
					last->native[last->natives].module),
				 2);
		last->natives++;
	}
}

static void free_expectations(struct expectations *all)
{
	for (size_t i = 0; i < all->count; i++)
		free(all->at[i].frame);
	free(all->at);
	free(all->text);
}

static void print_frames(FILE *out, const struct python_frame *frame, size_t count)
{
	for (size_t i = 0; i < count && i < 40; i++)
		fprintf(out, "    %s:%lu %s\n", frame[i].file, frame[i].line, frame[i].name);
}

static void fail_expected(const char *what, const struct brief *brief, const struct expected *expected,
			  const struct python_frame *got, size_t got_count)
{
	static char text[16384];
	FILE *out = fmemopen(text, sizeof(text) - 1, "w");
	fprintf(out, "%s of %s, block of %lu bytes: expected\n", what, brief->name, expected->bytes);
	print_frames(out, expected->frame, expected->count);
	fprintf(out, "  and got\n");
	print_frames(out, got, got_count);
	fclose(out);
	ck_abort_msg("%s", text);
}

/* Where the stack's frames are what is expected: all of them, or the inner ones of a stack that was cut. */
static bool frames_are(const struct brief *brief, uint64_t stack, const struct expected *expected,
		       struct python_frame *got, size_t *count)
{
	*count = python_frames(brief, stack, got, FRAMES_MAX);
	if (*count > expected->count || (*count < expected->count && !brief->stack[stack].cut))
		return false;
	for (size_t i = 0; i < *count; i++)
		if (got[i].line != expected->frame[i].line || strcmp(got[i].name, expected->frame[i].name) != 0 ||
		    strcmp(got[i].file, expected->frame[i].file) != 0)
			return false;
	return true;
}

/* Exactly one site of blocks of this size, and its stack is what is expected. */
static void check_expected(const char *what, const struct brief *brief, const struct expected *expected)
{
	static struct python_frame got[FRAMES_MAX];
	size_t count = 0, sites = 0;
	for (uint64_t id = 1; id <= brief->sites; id++) {
		const struct brief_site *site = &brief->site[id];
		if (site->alloc_blocks == 0 || site->alloc_bytes != expected->bytes * site->alloc_blocks)
			continue;
		uint64_t stack = site->stack;
		if (!frames_are(brief, stack, expected, got, &count))
			continue;
		sites++;
		if (!python_frames_are_placed(brief, stack))
			fail_expected("no evaluation loop behind the frames", brief, expected, got, count);
		for (size_t i = 0; i < expected->natives; i++)
			if (!python_frame_follows(brief, stack, expected->native[i].frame, expected->native[i].module))
				fail_expected(expected->native[i].module, brief, expected, got, count);
	}
	if (sites)
		return;
	for (uint64_t id = 1; id <= brief->sites; id++)
		if (brief->site[id].alloc_bytes == expected->bytes && brief->site[id].alloc_blocks == 1)
			count = python_frames(brief, brief->site[id].stack, got, FRAMES_MAX);
	fail_expected(what, brief, expected, got, count < FRAMES_MAX ? count : FRAMES_MAX);
}

static const struct brief *last_of(const struct briefs *briefs, pid_t pid)
{
	const struct brief *last = NULL;
	for (size_t i = 0; i < briefs->count; i++)
		if (briefs->at[i].meta[META_PID] == (uint64_t)pid)
			last = &briefs->at[i];
	return last;
}

size_t python_marks_check(const char *what, const char *directory, const struct briefs *briefs)
{
	struct dirent **entries = NULL;
	size_t marks = 0;
	int count = scandir(directory, &entries, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		struct expectations all;
		char path[PATH_MAX + NAME_MAX + 2];
		if (strncmp(entries[i]->d_name, "expect.", 7) != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
		const struct brief *brief = last_of(briefs, atoi(entries[i]->d_name + 7));
		ck_assert_msg(brief != NULL, "%s: no snapshot of process %s", what, entries[i]->d_name + 7);
		read_expectations(path, &all);
		for (size_t k = 0; k < all.count; k++)
			check_expected(what, brief, &all.at[k]);
		marks += all.count;
		free_expectations(&all);
	}
	for (int i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
	return marks;
}
