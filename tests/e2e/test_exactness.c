/*
 * Every block and byte, by the place that asked for it: against what a program knows of itself, against valgrind's
 * dhat, and the bounds of memory and file size that many allocations must not break.
 *
 * MUDLARK_TEST_LONG=1 makes the bounds' run ten times as long (10^8 allocations).
 */
#define _GNU_SOURCE
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <glob.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PLACES_MAX = 32 };

struct figures {
	char name[40];
	uint64_t blocks, bytes, live_blocks, live_bytes, temporary, peak_bytes;
};

struct table {
	struct figures at[PLACES_MAX];
	size_t count;
	uint64_t peak; /* of the whole program */
};

static struct figures *place(struct table *table, const char *name)
{
	for (size_t i = 0; i < table->count; i++)
		if (strcmp(table->at[i].name, name) == 0)
			return &table->at[i];
	ck_assert_uint_lt(table->count, PLACES_MAX);
	struct figures *added = &table->at[table->count++];
	memset(added, 0, sizeof(*added));
	snprintf(added->name, sizeof(added->name), "%s", name);
	return added;
}

/* What exact_sites printed. */
static void read_truth(const char *text, struct table *table)
{
	memset(table, 0, sizeof(*table));
	char *copy = strdup(text), *rest = NULL;
	for (char *line = strtok_r(copy, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
		unsigned long number[5];
		char name[40];
		if (sscanf(line, "peak %lu", &number[0]) == 1) {
			table->peak = number[0];
			continue;
		}
		ck_assert_msg(sscanf(line, "%39s %lu %lu %lu %lu %lu", name, &number[0], &number[1], &number[2],
				     &number[3], &number[4]) == 6,
			      "the host printed: %s", line);
		struct figures *figures = place(table, name);
		figures->blocks = number[0];
		figures->bytes = number[1];
		figures->live_blocks = number[2];
		figures->live_bytes = number[3];
		figures->temporary = number[4];
	}
	free(copy);
	ck_assert_uint_gt(table->count, 0);
}

static uint64_t number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	ck_assert_msg(json_is_integer(value), "no number \"%s\"", key);
	return (uint64_t)json_integer_value(value);
}

static const char *the_snapshot(const struct outcome *outcome)
{
	static char path[PATH_MAX + 20];
	glob_t found;
	snprintf(path, sizeof(path), "%s/*.mud", outcome->directory);
	ck_assert_int_eq(glob(path, 0, NULL, &found), 0);
	ck_assert_uint_eq(found.gl_pathc, 1);
	snprintf(path, sizeof(path), "%s", found.gl_pathv[0]);
	globfree(&found);
	return path;
}

/* `mudlark ARGUMENT...` on the snapshot that the outcome's command left. */
static void run_tool(const struct outcome *of, struct outcome *outcome, const char *first, const char *second,
		     const char *third, const char *fourth)
{
	static char tool[PATH_MAX];
	snprintf(tool, sizeof(tool), "%s/../../mudlark", HOSTS_DIRECTORY);
	const char *snapshot = the_snapshot(of);
	struct command command = {.argv = {tool, first, second, third, fourth}, .timeout_s = 60};
	size_t count = 0;
	while (command.argv[count] != NULL)
		count++;
	command.argv[count] = snapshot;
	runner_run(&command, outcome);
	ck_assert_msg(outcome->status == 0, "%s: status %d: %s", runner_name(&command), outcome->status, outcome->err);
}

static json_t *show(const struct outcome *of)
{
	struct outcome outcome;
	json_error_t error;
	run_tool(of, &outcome, "show", "--json", "--all-frames", NULL);
	json_t *root = json_loads(outcome.out, 0, &error);
	ck_assert_msg(root != NULL, "show --json: line %d: %s", error.line, error.text);
	ck_assert_str_eq(json_string_value(json_object_get(root, "schema")), "mudlark.show/1");
	runner_done(&outcome);
	return root;
}

static const char *function_at(const json_t *frames, size_t index)
{
	const char *name = json_string_value(json_object_get(json_array_get(frames, index), "function"));
	return name != NULL ? name : "";
}

/* The innermost frame whose function is one of a host's places, or -1. */
static int place_index(const json_t *frames)
{
	for (size_t i = 0; i < json_array_size(frames); i++)
		if (strncmp(function_at(frames, i), "via_", 4) == 0)
			return (int)i;
	return -1;
}

static void read_rows(const json_t *root, struct table *table)
{
	size_t index;
	json_t *row;
	memset(table, 0, sizeof(*table));
	table->peak = number(json_object_get(root, "totals"), "peak_bytes");
	json_array_foreach(json_object_get(root, "rows"), index, row)
	{
		const json_t *frames = json_object_get(row, "frames");
		int at = place_index(frames);
		if (at < 0)
			continue;
		char name[40];
		snprintf(name, sizeof(name), "%s", function_at(frames, (size_t)at));
		name[strcspn(name, "(")] = '\0';
		struct figures *figures = place(table, name);
		figures->blocks += number(row, "alloc_blocks");
		figures->bytes += number(row, "alloc_bytes");
		figures->live_blocks += number(row, "live_blocks");
		figures->live_bytes += number(row, "live_bytes");
		figures->temporary += number(row, "temporary_blocks");
		figures->peak_bytes += number(row, "peak_bytes");
	}
}

static void compare(const char *what, struct table *expected, struct table *got, bool temporary)
{
	for (size_t i = 0; i < expected->count; i++) {
		const struct figures *truth = &expected->at[i], *ours = place(got, truth->name);
		ck_assert_msg(ours->blocks == truth->blocks && ours->bytes == truth->bytes,
			      "%s: %s: allocated %lu blocks, %lu bytes instead of %lu, %lu", what, truth->name,
			      ours->blocks, ours->bytes, truth->blocks, truth->bytes);
		ck_assert_msg(ours->live_blocks == truth->live_blocks && ours->live_bytes == truth->live_bytes,
			      "%s: %s: live %lu blocks, %lu bytes instead of %lu, %lu", what, truth->name,
			      ours->live_blocks, ours->live_bytes, truth->live_blocks, truth->live_bytes);
		ck_assert_msg(!temporary || ours->temporary == truth->temporary,
			      "%s: %s: %lu temporary blocks instead of %lu", what, truth->name, ours->temporary,
			      truth->temporary);
	}
}

/* Nothing was lost, and the rows add up to the totals. */
static void check_sums(const char *what, const json_t *root)
{
	static const char *const losses[] = {"stacks_cut",    "table_full", "unwind_failed", "unreadable",
					     "nested_blocks", "bad_frees",  "foreign_frees"};
	static const char *const sums[] = {"live_bytes", "live_blocks", "alloc_bytes", "alloc_blocks",
					   "temporary_blocks"};
	const json_t *totals = json_object_get(root, "totals");
	for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++)
		ck_assert_msg(number(json_object_get(root, "losses"), losses[i]) == 0, "%s: %s", what, losses[i]);
	for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
		uint64_t sum = 0;
		size_t index;
		json_t *row;
		json_array_foreach(json_object_get(root, "rows"), index, row) sum += number(row, sums[i]);
		ck_assert_msg(sum == number(totals, sums[i]), "%s: rows' %s are %lu, the total is %lu", what, sums[i],
			      sum, number(totals, sums[i]));
	}
}

static const struct {
	const char *line;
	bool temporary; /* compare these too: a realloc's are not defined */
	bool peak;
} scripts[] = {
	{"exact_sites 1 50000", true, true},           {"exact_sites 2 30000", true, false},
	{"exact_sites 8 10000", true, false},          {"exact_sites 1 30000 realloc", false, false},
	{"exact_sites 4 20000 realloc", false, false},
};

START_TEST(equal_to_the_truth)
{
	struct command command = {.line = scripts[_i].line, .preloaded = true, .timeout_s = 60};
	struct outcome outcome;
	static struct table truth, ours;
	if (!runner_expects_snapshots())
		return;
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0, "%s: status %d: %s", command.line, outcome.status, outcome.err);
	read_truth(outcome.out, &truth);
	json_t *root = show(&outcome);
	read_rows(root, &ours);
	check_sums(command.line, root);
	compare(command.line, &truth, &ours, scripts[_i].temporary);
	if (scripts[_i].peak) {
		/* With one thread the mark is exact, and its composition is of a moment within 1 % of it. */
		uint64_t composition = 0;
		ck_assert_uint_eq(ours.peak, truth.peak);
		for (size_t i = 0; i < ours.count; i++)
			composition += ours.at[i].peak_bytes;
		ck_assert_uint_eq(composition, number(json_object_get(root, "totals"), "peak_composition_bytes"));
		ck_assert_msg(composition <= truth.peak && composition >= truth.peak - truth.peak / 100,
			      "composition of %lu bytes, peak of %lu", composition, truth.peak);
	}
	json_decref(root);
	runner_done(&outcome);
}
END_TEST

/* "0x109171: a (a.c:3)": the name between the colon and the last parenthesis. */
static bool dhat_place(const char *frame, char name[40])
{
	const char *start = strstr(frame, ": via_");
	if (start == NULL)
		return false;
	snprintf(name, 40, "%s", start + 2);
	name[strcspn(name, " (")] = '\0';
	return true;
}

static void read_dhat(const char *directory, struct table *table)
{
	char path[PATH_MAX + 20];
	json_error_t error;
	snprintf(path, sizeof(path), "%s/dhat.json", directory);
	json_t *root = json_load_file(path, 0, &error);
	ck_assert_msg(root != NULL, "dhat.json: line %d: %s", error.line, error.text);
	const json_t *names = json_object_get(root, "ftbl");
	size_t index, depth;
	json_t *point, *frame;
	memset(table, 0, sizeof(*table));
	json_array_foreach(json_object_get(root, "pps"), index, point)
	{
		char name[40];
		table->peak += number(point, "gb");
		json_array_foreach(json_object_get(point, "fs"), depth, frame)
		{
			const char *text = json_string_value(json_array_get(names, (size_t)json_integer_value(frame)));
			if (text == NULL || !dhat_place(text, name))
				continue;
			struct figures *figures = place(table, name);
			figures->blocks += number(point, "tbk");
			figures->bytes += number(point, "tb");
			figures->live_blocks += number(point, "ebk");
			figures->live_bytes += number(point, "eb");
			figures->peak_bytes += number(point, "gb");
			break;
		}
	}
	json_decref(root);
}

static void sum_of(const struct table *table, struct table *sum)
{
	memset(sum, 0, sizeof(*sum));
	struct figures *all = place(sum, "all");
	for (size_t i = 0; i < table->count; i++) {
		all->blocks += table->at[i].blocks;
		all->bytes += table->at[i].bytes;
		all->live_blocks += table->at[i].live_blocks;
		all->live_bytes += table->at[i].live_bytes;
	}
}

/* An oracle that shares nothing with us. With threads it runs them one at a time, so only what is theirs alone is
 * equal. */
static const char *const under_dhat[] = {"exact_sites 1 6000", "exact_sites 1 6000 realloc", "exact_sites 3 3000"};

START_TEST(equal_to_dhat)
{
	struct command plain = {.line = under_dhat[_i], .preloaded = true};
	struct outcome outcome, dhat;
	static struct table theirs, ours;
	if (!runner_expects_snapshots())
		return;
	if (!runner_has_program("valgrind")) {
		runner_skip("valgrind is not installed");
		return;
	}
	char line[PATH_MAX];
	snprintf(line, sizeof(line), "/usr/bin/valgrind --tool=dhat --dhat-out-file=dhat.json %s/%s", HOSTS_DIRECTORY,
		 under_dhat[_i]);
	struct command checked = {.line = line, .timeout_s = 120};
	runner_run(&plain, &outcome);
	runner_run(&checked, &dhat);
	ck_assert_int_eq(outcome.status, 0);
	ck_assert_msg(dhat.status == 0, "%s: status %d: %s", line, dhat.status, dhat.err);
	json_t *root = show(&outcome);
	read_rows(root, &ours);
	read_dhat(dhat.directory, &theirs);
	if (strstr(under_dhat[_i], "realloc") != NULL) {
		/* dhat leaves a resized block where it was born; in sum it is the same. */
		static struct table our_sum, their_sum;
		sum_of(&ours, &our_sum);
		sum_of(&theirs, &their_sum);
		compare(under_dhat[_i], &their_sum, &our_sum, false);
	} else if (strncmp(under_dhat[_i], "exact_sites 1 ", 14) == 0) {
		compare(under_dhat[_i], &theirs, &ours, false);
		ck_assert_uint_eq(ours.peak, theirs.peak);
	} else {
		/* Who frees whose block depends on the order of the threads; who allocates what does not while they
		 * free alike. */
		struct table truth;
		read_truth(dhat.out, &truth);
		compare("dhat against the host", &truth, &theirs, false);
		read_truth(outcome.out, &truth);
		compare(under_dhat[_i], &truth, &ours, false);
	}
	json_decref(root);
	runner_done(&outcome);
	runner_done(&dhat);
}
END_TEST

/* PITFALLS 33: the first frame is the caller, whichever function it calls; no frame of ours is shown. */
static const struct {
	const char *place;
	const char *first; /* NULL: the place itself */
} callers[] = {
	{"via_malloc", NULL},
	{"via_calloc", NULL},
	{"via_realloc_of_null", NULL},
	{"via_posix_memalign", "aligned_by_posix"},
	{"via_aligned_alloc", NULL},
	{"via_memalign", NULL},
	{"via_strdup", "strdup"},
	{"via_strndup", "strndup"},
	{"via_large", NULL},
	{"via_growing", NULL},
	{"via_reallocarray", NULL},
	{"via_new", "operator new"},
	{"via_new_array", "operator new"},
	{"via_new_aligned", "operator new"},
	{"via_new_nothrow", "operator new"},
};

static void check_callers(const char *line)
{
	struct command command = {.line = line, .preloaded = true};
	struct outcome outcome;
	size_t index;
	json_t *row;
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0, "%s: status %d: %s", line, outcome.status, outcome.err);
	json_t *root = show(&outcome);
	json_array_foreach(json_object_get(root, "rows"), index, row)
	{
		const json_t *frames = json_object_get(row, "frames");
		int at = place_index(frames);
		for (size_t i = 0; i < json_array_size(frames); i++) {
			const char *module = json_string_value(json_object_get(json_array_get(frames, i), "module"));
			ck_assert_msg(module == NULL || strstr(module, "libmudlark") == NULL, "%s: a frame of ours: %s",
				      line, function_at(frames, i));
		}
		for (size_t i = 0; at >= 0 && i < sizeof(callers) / sizeof(callers[0]); i++) {
			const char *name = function_at(frames, (size_t)at);
			if (strncmp(name, callers[i].place, strlen(callers[i].place)) != 0 ||
			    (name[strlen(callers[i].place)] & 0xdf) > '(')
				continue;
			const char *first = callers[i].first != NULL ? callers[i].first : callers[i].place;
			ck_assert_msg(strstr(function_at(frames, 0), first) != NULL, "%s: the first frame is %s", name,
				      function_at(frames, 0));
			ck_assert_msg(at <= 2, "%s is frame %d", name, at);
		}
	}
	json_decref(root);
	runner_done(&outcome);
}

START_TEST(first_frame_is_the_caller)
{
	if (!runner_expects_snapshots())
		return;
	check_callers("exact_sites 1 3000 realloc");
	check_callers("exact_new");
}
END_TEST

START_TEST(operators_new)
{
	static const struct figures expected[] = {
		{"via_new", 100, 2400, 50, 1200, 0, 0},
		{"via_new_array", 100, 10000, 50, 5000, 0, 0},
		{"via_new_aligned", 100, 12800, 50, 6400, 0, 0},
		{"via_new_nothrow", 100, 3300, 50, 1650, 0, 0},
	};
	struct command command = {.line = "exact_new", .preloaded = true};
	struct outcome outcome;
	static struct table truth, ours;
	if (!runner_expects_snapshots())
		return;
	memset(&truth, 0, sizeof(truth));
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		*place(&truth, expected[i].name) = expected[i];
	runner_run(&command, &outcome);
	json_t *root = show(&outcome);
	read_rows(root, &ours);
	compare("exact_new", &truth, &ours, false);
	json_decref(root);
	runner_done(&outcome);
}
END_TEST

/*
 * 20,000 stacks: each of them exact, the snapshot small, Mudlark's own memory bounded, by its own account and by what
 * the kernel says of the process.
 */
static long resident_of(const char *line, const char *options)
{
	struct command command = {.line = line, .preloaded = true, .options = options, .timeout_s = 900};
	struct outcome outcome;
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0, "%s: status %d: %s", line, outcome.status, outcome.err);
	long kib = atol(outcome.out);
	runner_done(&outcome);
	return kib;
}

START_TEST(many_stacks_are_bounded)
{
	enum { STACKS = 20000, KEEP = 10 };
	unsigned long rounds = getenv("MUDLARK_TEST_LONG") != NULL ? 5000 : 500;
	char line[100];
	struct outcome outcome, folded;
	struct briefs briefs;
	if (!runner_expects_snapshots())
		return;
	snprintf(line, sizeof(line), "exact_stacks %d %lu %d", STACKS, rounds, KEEP);
	struct command command = {.line = line, .preloaded = true, .timeout_s = 900};
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0, "%s: status %d: %s", line, outcome.status, outcome.err);
	runner_briefs(outcome.directory, line, &briefs);
	ck_assert_uint_eq(briefs.count, 1);
	const struct brief *brief = &briefs.at[0];
	uint64_t live = STACKS * KEEP, own = brief->totals[TOTAL_OWN_BYTES];
	ck_assert_msg(brief->totals[TOTAL_LIVE_BLOCKS] >= live && brief->totals[TOTAL_LIVE_BLOCKS] <= live + 10,
		      "%lu blocks live", brief->totals[TOTAL_LIVE_BLOCKS]);
	ck_assert_msg(brief->file_bytes < 5000000, "the snapshot has %lu bytes", brief->file_bytes);
	ck_assert_msg(own < 16 * live + (64 << 20), "%lu bytes of our own", own);
	/* Six bytes a block in whole pages, a site of 64 bytes and a frame of 12 at least for each stack. */
	ck_assert_uint_ge(brief->totals[TOTAL_OWN_RECORD_BYTES], 6 * live);
	ck_assert_uint_ge(brief->totals[TOTAL_OWN_SITE_BYTES], 64 * STACKS);
	ck_assert_uint_ge(brief->totals[TOTAL_OWN_FRAME_BYTES], 12 * STACKS);
	ck_assert_uint_gt(brief->totals[TOTAL_OWN_CACHE_BYTES], 0);
	uint64_t parts = 0;
	for (int key = TOTAL_OWN_RECORD_BYTES; key <= TOTAL_OWN_RULE_BYTES; key += 2)
		parts += brief->totals[key];
	ck_assert_uint_le(parts, own);
	ck_assert_uint_eq(brief->losses[LOSS_TABLE_FULL], 0);
	long with = atol(outcome.out), without = resident_of(line, "record=0");
	ck_assert_msg((with - without) * 1024 < (long)(16 * live + (64 << 20)),
		      "%ld KiB resident with recording, %ld without", with, without);
	/* Every stack allocated as often. */
	run_tool(&outcome, &folded, "export", "--format=folded", "--metric=alloc-blocks", NULL);
	uint64_t exact = 0;
	char *rest = NULL;
	for (char *row = strtok_r(folded.out, "\n", &rest); row != NULL; row = strtok_r(NULL, "\n", &rest)) {
		const char *count = strrchr(row, ' ');
		exact += count != NULL && strstr(row, ";level_") != NULL && strtoul(count + 1, NULL, 10) == rounds;
	}
	ck_assert_uint_eq(exact, STACKS);
	printf("%s: snapshot of %.2f MB, %.1f MB of our own by our account, %.1f MB by the kernel's\n", line,
	       (double)brief->file_bytes / 1e6, (double)own / 1e6, (double)(with - without) / 1e3);
	runner_briefs_free(&briefs);
	runner_done(&folded);
	runner_done(&outcome);
}
END_TEST

START_TEST(a_million_live_blocks)
{
	struct command command = {.line = "exact_live 1000000", .preloaded = true, .timeout_s = 120};
	struct outcome outcome;
	struct briefs briefs;
	if (!runner_expects_snapshots())
		return;
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0, "status %d: %s", outcome.status, outcome.err);
	runner_briefs(outcome.directory, command.line, &briefs);
	ck_assert_uint_eq(briefs.count, 1);
	const struct brief *brief = &briefs.at[0];
	ck_assert_uint_eq(brief->totals[TOTAL_LIVE_BLOCKS], 1000000);
	ck_assert_uint_eq(brief->totals[TOTAL_LIVE_BYTES], strtoull(outcome.out, NULL, 10));
	ck_assert_uint_eq(brief->totals[TOTAL_PEAK_BYTES], strtoull(outcome.out, NULL, 10));
	ck_assert_msg(brief->totals[TOTAL_OWN_BYTES] < 16 * 1000000 + (64 << 20), "%lu bytes of our own",
		      brief->totals[TOTAL_OWN_BYTES]);
	printf("%s: held for %.1f ms, %.1f MB of our own\n", command.line, (double)brief->meta[META_HELD_NS] / 1e6,
	       (double)brief->totals[TOTAL_OWN_BYTES] / 1e6);
	runner_briefs_free(&briefs);
	runner_done(&outcome);
}
END_TEST

/* Whether the row's interval holds the truth. */
static bool covers(const json_t *row, const char *key, uint64_t truth)
{
	const json_t *interval = json_object_get(json_object_get(row, "interval"), key);
	ck_assert_uint_eq(json_array_size(interval), 2);
	json_int_t low = json_integer_value(json_array_get(interval, 0));
	json_int_t high = json_integer_value(json_array_get(interval, 1));
	ck_assert(low <= (json_int_t)number(row, key) && (json_int_t)number(row, key) <= high);
	return low <= (json_int_t)truth && (json_int_t)truth <= high;
}

static const struct {
	const char *line, *options;
} sampled_scripts[] = {
	{"exact_sites 1 30000 realloc", "sample=256"},  {"exact_sites 1 30000", "sample=4096"},
	{"exact_sites 4 20000 realloc", "sample=4096"}, {"exact_sites 2 30000 realloc", "sample=64K"},
	{"exact_sites 8 10000", "sample=1K"},           {"exact_sites 1 30000 realloc", "sample=16"},
};

/*
 * Sampled, by any way to a block: the intervals hold the truth of each place in 95 % of all cases or more. The samples
 * are others each time; that fewer than 85 % hold it does not happen by chance.
 */
START_TEST(sampled)
{
	if (!runner_expects_snapshots())
		return;
	unsigned held = 0, all = 0;
	for (size_t i = 0; i < sizeof(sampled_scripts) / sizeof(sampled_scripts[0]); i++) {
		struct command command = {.line = sampled_scripts[i].line,
					  .options = sampled_scripts[i].options,
					  .preloaded = true,
					  .timeout_s = 60};
		struct outcome outcome, shown;
		struct table truth;
		json_error_t error;
		size_t index;
		json_t *row;
		runner_run(&command, &outcome);
		ck_assert_int_eq(outcome.status, 0);
		read_truth(outcome.out, &truth);
		run_tool(&outcome, &shown, "show", "--json", "--by", "function");
		json_t *root = json_loads(shown.out, 0, &error);
		ck_assert_msg(root != NULL, "show --json: line %d: %s", error.line, error.text);
		check_sums(command.line, root);
		json_array_foreach(json_object_get(root, "rows"), index, row)
		{
			const char *name = function_at(json_object_get(row, "frames"), 0);
			if (strncmp(name, "via_", 4) != 0)
				continue;
			const struct figures *figures = place(&truth, name);
			held += covers(row, "alloc_blocks", figures->blocks);
			held += covers(row, "alloc_bytes", figures->bytes);
			held += covers(row, "live_blocks", figures->live_blocks);
			held += covers(row, "live_bytes", figures->live_bytes);
			all += 4;
		}
		json_decref(root);
		runner_done(&shown);
		runner_done(&outcome);
	}
	printf("sampled: %u of %u intervals hold the truth\n", held, all);
	ck_assert_uint_ge(all, 200);
	ck_assert_uint_ge(held * 100, all * 85);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("exactness");
	TCase *tests = tcase_create("exactness");
	tcase_set_timeout(tests, 1000);
	tcase_add_loop_test(tests, equal_to_the_truth, 0, (int)(sizeof(scripts) / sizeof(scripts[0])));
	tcase_add_loop_test(tests, equal_to_dhat, 0, (int)(sizeof(under_dhat) / sizeof(under_dhat[0])));
	tcase_add_test(tests, first_frame_is_the_caller);
	tcase_add_test(tests, operators_new);
	tcase_add_test(tests, many_stacks_are_bounded);
	tcase_add_test(tests, a_million_live_blocks);
	tcase_add_test(tests, sampled);
	suite_add_tcase(suite, tests);
	return runner_suite(suite);
}
