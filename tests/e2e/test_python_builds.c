/*
 * CPython in other shapes: embedded and loaded late, stripped, debug builds, versions to come, and what only looks like
 * CPython. The programs are tests/hosts/python_embedded.c and python_fake_library.c.
 */
#define _GNU_SOURCE
#include "tests/e2e/lib/python_marks.h"
#include "tests/e2e/lib/pythons.h"
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Large blocks: those that pymalloc does not cut out of its arenas. */
#define MARKS "import places; places.sizes.number = 1000; places.mark(); list(map(lambda n: places.mark(), [1]))"

static void run_embedded(const char *library, const char *prefix, const char *mode, size_t marks)
{
	char home[PATH_MAX + 20];
	struct outcome outcome;
	struct briefs briefs;
	snprintf(home, sizeof(home), "PYTHONHOME=%s", prefix);
	struct command command = {
		.argv = {HOSTS_DIRECTORY "/python_embedded", library, mode, MARKS},
		.environment = {home, "PYTHONDONTWRITEBYTECODE=1", "PYTHONPATH=" SOURCE_DIRECTORY "/tests/e2e/python"},
		.preloaded = true,
		.options = "peak=0:at_exit=2",
		.timeout_s = 60};
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0 && outcome.err[0] == '\0', "%s %s: status %d: %s", library, mode,
		      outcome.status, outcome.err);
	runner_briefs(outcome.directory, library, &briefs);
	ck_assert_uint_ge(briefs.count, 1);
	ck_assert_uint_eq(python_marks_check(library, outcome.directory, &briefs), marks);
	const struct brief *brief = &briefs.at[briefs.count - 1];
	ck_assert_uint_eq(brief->python[PYTHON_STACKS], 1);
	ck_assert_uint_eq(brief->python[PYTHON_OBJECTS], OBJECTS_ARENAS);
	ck_assert_uint_eq(brief->losses[LOSS_PYTHON_BROKEN], 0);
	ck_assert_uint_eq(brief->losses[LOSS_PYTHON_UNMERGED], 0);
	runner_briefs_free(&briefs);
	runner_done(&outcome);
}

static const struct python_found *supported_at(int i)
{
	const struct python_found *all;
	ck_assert_uint_lt((size_t)i, pythons_supported(&all));
	return &all[i];
}

/* It is found when its first frame is met, and let go when it is closed. Twice: two marks of the same stack. */
START_TEST(embedded)
{
	const struct python_found *python = supported_at(_i);
	if (!runner_expects_snapshots())
		return;
	if (!python->library[0]) {
		runner_skip("%s has no shared library", python->path);
		return;
	}
	run_embedded(python->library, python->prefix, "local", 2);
	run_embedded(python->library, python->prefix, "global", 2);
	run_embedded(python->library, python->prefix, "twice", 4);
}
END_TEST

START_TEST(stripped)
{
	const struct python_found *python = supported_at(_i);
	char directory[PATH_MAX], line[3 * PATH_MAX], copy[PATH_MAX + 20];
	if (!runner_expects_snapshots() || !python->library[0])
		return;
	if (!runner_has_program("strip")) {
		runner_skip("there is no strip");
		return;
	}
	runner_directory_make(directory);
	snprintf(copy, sizeof(copy), "%s/libpython.so", directory);
	snprintf(line, sizeof(line), "strip --strip-all -o '%s' '%s'", copy, python->library);
	ck_assert_int_eq(system(line), 0);
	run_embedded(copy, python->prefix, "local", 2);
	runner_directory_remove(directory);
}
END_TEST

/* The real ones among the builds that are declined: the program runs as it does without, and one line says why. */
START_TEST(declined_builds)
{
	const struct python_found *all;
	size_t count = pythons_all(&all), tried = 0;
	for (size_t i = 0; runner_expects_snapshots() && i < count; i++) {
		struct command command = {.argv = {all[i].path, "-c", "print(sum(len(str(i)) for i in range(9999)))"},
					  .preloaded = true,
					  .timeout_s = 60};
		struct outcome outcome;
		struct briefs briefs;
		if (!all[i].is_debug && !all[i].is_free_threaded)
			continue;
		runner_run(&command, &outcome);
		ck_assert_msg(outcome.status == 0 && outcome.err[0] == '\0', "%s: %d: %s", all[i].path, outcome.status,
			      outcome.err);
		runner_briefs(outcome.directory, all[i].path, &briefs);
		ck_assert_uint_eq(briefs.count, 1);
		ck_assert_uint_eq(briefs.at[0].python[PYTHON_STACKS], 0);
		ck_assert_uint_eq(briefs.at[0].codes, 0);
		const char *why = briefs.at[0].python_text[PYTHON_REASON];
		ck_assert_msg(strstr(why, all[i].is_debug ? "debug build" : "free-threaded"), "%s: %s", all[i].path,
			      why);
		ck_assert_uint_gt(briefs.at[0].totals[TOTAL_ALLOC_BLOCKS], 1000);
		tried++;
		runner_briefs_free(&briefs);
		runner_done(&outcome);
	}
	if (!tried)
		runner_skip("there is no debug or free-threaded build of CPython");
}
END_TEST

static const struct {
	const char *what, *reason; /* a part of it; empty: there is none */
} fakes[] = {
	{"3.99.0", "newer"},
	{"3.15.0", "newer"},
	{"4.0.0", "newer"},
	{"3.7.3", "older"},
	{"2.7.18", "older"},
	{"no number", "version is not known"},
	{"3.11.2,built_to_debug", "debug build"},
	{"3.13.1,cookie,built_to_debug", "debug build"},
	{"3.8.1,garbage", "not where its version has them"},
	{"3.9.1,wild", "not where its version has them"},
	{"3.10.1,cycle", "not where its version has them"},
	{"3.11.2,garbage", "not where its version has them"},
	{"3.11.2,wild", "not where its version has them"},
	{"3.11.2,cycle", "not where its version has them"},
	{"3.11.2,loose", "not where its version has them"},
	{"3.12.1,garbage", "not where its version has them"},
	{"3.12.1,wild", "not where its version has them"},
	{"3.12.1,cycle", "not where its version has them"},
	{"3.12.1,none", ""},
	{"3.13.0", "does not describe itself"},
	{"3.13.0,cookie,threaded", "free-threaded"},
	{"3.14.0,cookie,threaded", "free-threaded"},
	{"3.13.0,cookie", "are inconsistent"},
	{"3.13.0,cookie,wild,cycle", "are inconsistent"},
	{"3.14.0,cookie,wild", "are inconsistent"},
};

/* What only looks like CPython stops nothing, and is said in one line of the snapshot. */
START_TEST(look_alikes)
{
	char what[100];
	struct outcome outcome;
	struct briefs briefs;
	snprintf(what, sizeof(what), "FAKE_PYTHON=%s", fakes[_i].what);
	struct command command = {.line = "exact_counts 40",
				  .preloaded = true,
				  .preload_after = strstr(fakes[_i].what, "debug")
							   ? HOSTS_DIRECTORY "/libpython_fake_debug.so"
							   : HOSTS_DIRECTORY "/libpython_fake.so",
				  .environment = {what}};
	if (!runner_expects_snapshots())
		return;
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0 && outcome.err[0] == '\0', "%s: status %d: %s", what, outcome.status,
		      outcome.err);
	runner_briefs(outcome.directory, what, &briefs);
	ck_assert_uint_eq(briefs.count, 1);
	const struct brief *brief = &briefs.at[0];
	const char *why = brief->python_text[PYTHON_REASON];
	ck_assert_msg(fakes[_i].reason[0] ? strstr(why, fakes[_i].reason) != NULL : why[0] == '\0', "%s: %s", what,
		      why);
	ck_assert_msg(strchr(why, '\n') == NULL && strlen(why) < 160, "%s: more than a line: %s", what, why);
	ck_assert_uint_eq(brief->python[PYTHON_STACKS], 0);
	ck_assert_uint_eq(brief->codes, 0);
	ck_assert_uint_gt(brief->sites, 0);
	runner_briefs_free(&briefs);
	runner_done(&outcome);
}
END_TEST

int main(void)
{
	const struct python_found *all;
	int count = (int)pythons_supported(&all);
	Suite *suite = suite_create("python: builds");
	TCase *tests = tcase_create("builds");
	tcase_set_timeout(tests, 200);
	tcase_add_loop_test(tests, embedded, 0, count);
	tcase_add_loop_test(tests, stripped, 0, count);
	tcase_add_test(tests, declined_builds);
	tcase_add_loop_test(tests, look_alikes, 0, (int)(sizeof(fakes) / sizeof(fakes[0])));
	suite_add_tcase(suite, tests);
	return runner_suite(suite);
}
