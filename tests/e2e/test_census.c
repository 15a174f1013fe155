/*
 * The census of CPython's objects, against what the interpreter itself counts at the same moment (python/census.py), on
 * every interpreter that is here.
 */
#define _GNU_SOURCE
#include "tests/e2e/lib/pythons.h"
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What `mudlark show --by type` says of the snapshot, all of it; the caller frees. */
static char *types_of(const char *snapshot)
{
	struct command command = {
		.argv = {BUILD_DIRECTORY "/mudlark", "show", "--by", "type", "--top", "0", "--json", snapshot}};
	struct outcome outcome;
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0, "mudlark show: %s", outcome.err);
	char *text = strdup(outcome.out);
	runner_done(&outcome);
	return text;
}

/* The first number behind the member of this name, from `from` on. */
static uint64_t number_after(const char *from, const char *member)
{
	char key[64];
	snprintf(key, sizeof(key), "\"%s\": ", member);
	const char *at = strstr(from, key);
	ck_assert_msg(at != NULL, "no %s", member);
	return strtoull(at + strlen(key) + strspn(at + strlen(key), "[ \n"), NULL, 10);
}

/* The three numbers of an array. */
static void numbers_after(const char *from, const char *member, uint64_t numbers[3])
{
	char key[64];
	snprintf(key, sizeof(key), "\"%s\": ", member);
	const char *at = strstr(from, key);
	ck_assert_msg(at && sscanf(at + strlen(key), "[%lu, %lu, %lu]", &numbers[0], &numbers[1], &numbers[2]) == 3,
		      "no %s", member);
}

/* How many objects of the type the collector tracks. */
static uint64_t tracked_of(const char *types, const char *name)
{
	char key[512];
	snprintf(key, sizeof(key), "\"type\": \"%s\",\n", name);
	const char *at = strstr(strstr(types, "\"rows\": "), key);
	return at ? number_after(at, "tracked") : 0;
}

/* gc.get_count(), get_threshold() and get_stats(), as the program printed them. */
static void compare_figures(const char *python, const char *line, const char *types)
{
	static const char *const members[] = {"count", "threshold"};
	static const char *const statistics[] = {"collections", "collected", "uncollectable"};
	uint64_t expected[15], found[3];
	char *rest = (char *)line + strlen("count");
	for (int i = 0; i < 15; i++)
		expected[i] = strtoull(rest, &rest, 10);
	for (int m = 0; m < 2; m++) {
		numbers_after(types, members[m], found);
		/* What the program made since, to say so, counts in the youngest generation. */
		for (int i = m ? 0 : 1; i < 3; i++)
			ck_assert_msg(found[i] == expected[3 * m + i], "%s: %s[%d] %lu, not %lu", python, members[m], i,
				      found[i], expected[3 * m + i]);
	}
	for (int s = 0; s < 3; s++) {
		numbers_after(types, statistics[s], found);
		for (int i = 0; i < 3; i++)
			ck_assert_msg(found[i] == expected[6 + 3 * i + s], "%s: %s[%d] %lu, not %lu", python,
				      statistics[s], i, found[i], expected[6 + 3 * i + s]);
	}
}

static void compare(const char *python, char *said, const char *types)
{
	unsigned seen = 0;
	for (char *line; (line = strsep(&said, "\n")) != NULL;) {
		char name[256];
		uint64_t expected;
		if (strncmp(line, "count ", 6) == 0)
			compare_figures(python, line, types);
		else if (sscanf(line, "tracked %lu", &expected) == 1)
			ck_assert_msg(number_after(types, "tracked") == expected, "%s: %lu tracked, not %lu", python,
				      number_after(types, "tracked"), expected);
		else if (sscanf(line, "unreachable %lu", &expected) == 1)
			ck_assert_msg(number_after(types, "unreachable") == expected, "%s: %lu unreachable, not %lu",
				      python, number_after(types, "unreachable"), expected);
		else if (sscanf(line, "type %255s %lu", name, &expected) == 2)
			ck_assert_msg(tracked_of(types, name) == expected, "%s: %lu of %s, not %lu", python,
				      tracked_of(types, name), name, expected);
		else
			continue;
		seen++;
	}
	ck_assert_uint_ge(seen, 40);
}

static void census_of(const char *python)
{
	struct command command = {.argv = {python, PYTHON_PROGRAM("census.py"), "counted.mud"},
				  .preloaded = true,
				  .options = "census=1:at_exit=0:output=counted.mud",
				  .timeout_s = 60};
	struct outcome outcome;
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0 && !outcome.err[0], "%s: status %d: %s", python, outcome.status, outcome.err);
	char path[PATH_MAX + 16];
	snprintf(path, sizeof(path), "%s/counted.mud", outcome.directory);
	char *types = types_of(path);
	compare(python, outcome.out, types);
	ck_assert(strstr(types, "\"type\": \"__main__.Slots\""));
	ck_assert(strstr(types, "census.py:"));
	free(types);
	runner_done(&outcome);
}

START_TEST(counts)
{
	const struct python_found *pythons;
	size_t count = pythons_supported(&pythons);
	for (size_t i = 0; i < count; i++)
		if (pythons[i].minor <= 13)
			census_of(pythons[i].path);
}
END_TEST

/*
 * While a census waits for the GIL, here for a call that keeps it for many intervals, those that an interval asks for
 * are left out and counted: none is taken without its objects for that. The call is short enough that a busy machine
 * does not stretch it to the seconds after which a census gives up.
 */
START_TEST(interval_waits_for_its_turn)
{
	const struct python_found *pythons;
	size_t count = pythons_supported(&pythons), counted = 0, skipped = 0;
	struct outcome outcome;
	struct briefs briefs;
	struct command command = {
		.argv = {"", "-c", "sum(range(15000000))"}, .preloaded = true, .options = "census=1:every=0.02:peak=0"};
	if (!count || pythons[0].minor > 13)
		return;
	command.argv[0] = pythons[0].path;
	runner_run(&command, &outcome);
	ck_assert_int_eq(outcome.status, 0);
	runner_briefs(outcome.directory, "census", &briefs);
	for (size_t i = 0; i < briefs.count; i++) {
		char path[2 * PATH_MAX];
		if (briefs.at[i].losses[LOSS_SNAPSHOTS_SKIPPED] > skipped)
			skipped = briefs.at[i].losses[LOSS_SNAPSHOTS_SKIPPED];
		if (briefs.at[i].meta[META_TRIGGER] != TRIGGER_INTERVAL)
			continue;
		snprintf(path, sizeof path, "%s/%s", outcome.directory, briefs.at[i].name);
		struct command show = {.argv = {BUILD_DIRECTORY "/mudlark", "show", "--by", "type", path}};
		struct outcome shown;
		runner_run(&show, &shown);
		counted += shown.status == 0;
		ck_assert_msg(!strstr(shown.err, "another census"), "%s: %s", path, shown.err);
		runner_done(&shown);
	}
	ck_assert_uint_gt(counted, 0);
	ck_assert_msg(skipped >= 3, "%zu skipped, %zu taken", skipped, counted);
	runner_briefs_free(&briefs);
	runner_done(&outcome);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("census");
	TCase *tcase = tcase_create("census");
	tcase_set_timeout(tcase, 600);
	tcase_add_test(tcase, counts);
	tcase_add_test(tcase, interval_waits_for_its_turn);
	suite_add_tcase(suite, tcase);
	return runner_suite(suite);
}
