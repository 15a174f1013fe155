/*
 * CPython's own test suites under full recording: they pass where they pass without, and stderr is the same to the
 * byte but for one race of CPython's own. In `make check` a quick choice on the first interpreter; `make check-cpython`
 * runs all of them on every one.
 *
 * Every run has a limit, so a suite that hangs is a failure that is named. The limit under the preload is longer: each
 * process of a suite that forks hundreds of them writes a snapshot of megabytes as it ends.
 */
#define _GNU_SOURCE
#include "tests/e2e/lib/pythons.h"
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *const quick[] = {"test_gc", "test_coroutines", "test_tracemalloc", "test_sys_settrace"};
static const char *const all_suites[] = {
	"test_gc",
	"test_threading",
	"test_fork1",
	"test_generators",
	"test_coroutines",
	"test_ctypes",
	"test_tracemalloc",
	"test_sys_settrace",
	"test_subprocess",
	"test_multiprocessing_fork",
	"test_multiprocessing_fork.test_processes",
	"test__xxsubinterpreters",
	"test__interpreters",
	"test_interpreters",
};
enum { QUICK = sizeof quick / sizeof quick[0], ALL = sizeof all_suites / sizeof all_suites[0] };
enum { PLAIN_LIMIT_S = 400, RECORDED_LIMIT_S = 900 };

/* Whether this interpreter has the suite. */
static bool has_suite(const struct python_found *python, const char *suite)
{
	char program[200];
	struct outcome outcome;
	snprintf(program, sizeof program, "import importlib.util as u; raise SystemExit(not u.find_spec('test.%s'))",
		 suite);
	struct command command = {.argv = {python->path, "-c", program}};
	runner_run(&command, &outcome);
	bool has = outcome.status == 0;
	runner_done(&outcome);
	return has;
}

/* Runs the suite in a directory of its own, with the snapshots in the one above; returns the seconds that it took. */
static unsigned run_once(const struct python_found *python, const char *suite, bool preloaded, const char *directory,
			 struct outcome *outcome)
{
	char work[PATH_MAX + 10], options[PATH_MAX + 100];
	snprintf(work, sizeof work, "%s/work", directory);
	snprintf(options, sizeof options, "peak=0:output=%s/%%p.%%n.mud", directory);
	mkdir(work, 0700);
	struct command command = {.argv = {python->path, "-m", "test", "-q", suite},
				  .preloaded = preloaded,
				  .options = preloaded ? options : NULL,
				  .directory = work,
				  .environment = {"HOME=/tmp"},
				  .timeout_s = preloaded ? RECORDED_LIMIT_S : PLAIN_LIMIT_S};
	uint64_t start = runner_now_ms();
	runner_run(&command, outcome);
	return (unsigned)((runner_now_ms() - start) / 1000);
}

/* No inconsistent chain of frames, in any of the suite's processes. */
static void check_losses(const char *what, const char *directory)
{
	struct briefs briefs;
	uint64_t unmerged = 0, stacks = 0;
	runner_briefs(directory, what, &briefs);
	ck_assert_msg(briefs.count > 0, "%s: no snapshots", what);
	for (size_t i = 0; i < briefs.count; i++) {
		const struct brief *brief = &briefs.at[i];
		ck_assert_msg(brief->losses[LOSS_PYTHON_BROKEN] == 0, "%s: %s: %lu broken chains", what, brief->name,
			      brief->losses[LOSS_PYTHON_BROKEN]);
		unmerged += brief->losses[LOSS_PYTHON_UNMERGED];
		stacks += brief->stacks;
	}
	if (getenv("MUDLARK_TEST_LONG"))
		printf("%s: %zu processes, %lu stacks, %lu with frames whose place is not known\n", what, briefs.count,
		       stacks, unmerged);
	runner_briefs_free(&briefs);
}

/*
 * Leaves out what multiprocessing's resource tracker says now and then, without the preload as well, when two processes
 * unlink a name at once: a traceback that ends with "KeyError: '/psm_...'", another name each time.
 */
static void leave_out_tracker(char *err)
{
	static const char head[] = "Traceback (most recent call last):\n", place[] = "resource_tracker.py";
	for (char *from = err; (from = strstr(from, head)) != NULL;) {
		char *body = from + strlen(head), *error = strstr(body, "\nKeyError: '/"), *next = strstr(body, head);
		char *end = error ? strchr(error + 1, '\n') : NULL;
		if (end && (!next || next > error) && memmem(body, (size_t)(error - body), place, strlen(place)))
			memmove(from, end + 1, strlen(end + 1) + 1);
		else
			from = body;
	}
}

/* The suite has passed without the preload; `plain` is how. */
static void check_recorded(const struct python_found *python, const char *suite, const char *what,
			   const struct outcome *plain, unsigned plain_s)
{
	char directory[PATH_MAX];
	struct outcome recorded;
	runner_directory_make(directory);
	unsigned recorded_s = run_once(python, suite, true, directory, &recorded);
	ck_assert_msg(recorded.status != -1, "%s: not at its end after %d s; without Mudlark it took %u s\n%s\n%s",
		      what, RECORDED_LIMIT_S, plain_s, recorded.out, recorded.err);
	ck_assert_msg(recorded.status == 0, "%s: status %d\n%s\n%s", what, recorded.status, recorded.out, recorded.err);
	leave_out_tracker(plain->err);
	leave_out_tracker(recorded.err);
	ck_assert_msg(strcmp(plain->err, recorded.err) == 0, "%s: stderr was\n%s\nand is\n%s", what, plain->err,
		      recorded.err);
	if (getenv("MUDLARK_TEST_LONG"))
		printf("%s: passed in %u s, without Mudlark in %u s\n", what, recorded_s, plain_s);
	if (runner_expects_snapshots())
		check_losses(what, directory);
	runner_done(&recorded);
	runner_directory_remove(directory);
}

static void check_suite(const struct python_found *python, const char *suite)
{
	char directory[PATH_MAX], what[PATH_MAX + 100];
	struct outcome plain;
	snprintf(what, sizeof what, "%s -m test %s", python->path, suite);
	if (!python->has_tests || !has_suite(python, suite))
		return;
	runner_directory_make(directory);
	unsigned plain_s = run_once(python, suite, false, directory, &plain);
	if (plain.status == -1)
		runner_skip("%s: not at its end after %d s without Mudlark, too", what, PLAIN_LIMIT_S);
	else if (plain.status != 0)
		runner_skip("%s: fails without Mudlark, too (%d, after %u s)", what, plain.status, plain_s);
	else
		check_recorded(python, suite, what, &plain, plain_s);
	runner_done(&plain);
	runner_directory_remove(directory);
}

START_TEST(quick_suite)
{
	const struct python_found *found;
	if (pythons_supported(&found) == 0 || !found[0].has_tests)
		runner_skip("CPython's own tests are not installed");
	else
		check_suite(&found[0], quick[_i]);
}
END_TEST

START_TEST(each_suite)
{
	const struct python_found *found;
	pythons_supported(&found);
	check_suite(&found[_i / ALL], all_suites[_i % ALL]);
}
END_TEST

int main(void)
{
	const struct python_found *found;
	int count = (int)pythons_supported(&found);
	Suite *suite = suite_create("cpython's own tests");
	TCase *tests = tcase_create("suites");
	tcase_set_timeout(tests, PLAIN_LIMIT_S + RECORDED_LIMIT_S + 100);
	if (getenv("MUDLARK_TEST_LONG"))
		tcase_add_loop_test(tests, each_suite, 0, count * ALL);
	else
		tcase_add_loop_test(tests, quick_suite, 0, QUICK);
	suite_add_tcase(suite, tests);
	return runner_suite(suite);
}
