/*
 * Each stack of the hosts is walked by libunwind too (check_capture=1), and none differs.
 *
 * A case names what it must have met, so that it cannot pass by meeting nothing: stacks that were compared, and where
 * the shape has no rule, stacks that were libunwind's anyway.
 */
#define _GNU_SOURCE
#include "tests/e2e/runner.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

struct checked_case {
	const char *line;
	const char *options;    /* beside check_capture=1 */
	uint64_t least_checked; /* stacks that both walked */
	uint64_t least_unwound; /* stacks that had to be libunwind's */
	uint64_t most_unwound;  /* 0: any number */
	int timeout_s;
};

enum { FEW = 60 }; /* what a program's start and end may leave to libunwind */

static const struct checked_case cases[] = {
	/* Frames of all shapes; the last three have no tables: with .debug_frame alone libunwind finds its way. */
	{.line = "frames plain", .least_checked = 400, .most_unwound = FEW},
	{.line = "frames small", .least_checked = 400, .most_unwound = FEW},
	{.line = "frames unoptimised", .least_checked = 400, .most_unwound = FEW},
	{.line = "frames pointers", .least_checked = 400, .most_unwound = FEW},
	{.line = "frames realigned", .least_checked = 400, .most_unwound = FEW},
	{.line = "frames protected", .least_checked = 400, .most_unwound = FEW},
	{.line = "frames clash", .least_checked = 400, .most_unwound = FEW},
	{.line = "frames calls", .least_checked = 400, .most_unwound = FEW},
	{.line = "frames bare", .least_unwound = 400},
	{.line = "frames chain", .least_unwound = 400},
	{.line = "frames debug", .least_unwound = 400},
	/* Walks that are cut, in the middle of what the memo holds. */
	{.line = "frames plain", .options = "depth=1", .least_checked = 400},
	{.line = "frames plain", .options = "depth=7", .least_checked = 400},
	{.line = "frames realigned", .options = "depth=30", .least_checked = 400},
	{.line = "frames plain", .options = "depth=1024", .least_checked = 400},
	{.line = "frames plain thread", .least_checked = 400, .most_unwound = FEW},
	{.line = "frames realigned thread", .least_checked = 400, .most_unwound = FEW},
	{.line = "frames bare thread", .least_unwound = 400},
	/* A coroutine inside of the main stack: walked by rules until the depth is reached, or its end, which has none.
	 */
	{.line = "frames plain coroutine", .least_checked = 30, .least_unwound = 300},
	{.line = "frames realigned coroutine", .least_checked = 30, .least_unwound = 300},
	{.line = "frames chain coroutine", .least_unwound = 300},
	{.line = "no_unwind_information", .least_checked = 1000, .least_unwound = 40},
	{.line = "no_unwind_information", .options = "depth=16", .least_checked = 1000, .least_unwound = 40},
	/* Other frames at the same return addresses. */
	{.line = "reopen_other_frames", .least_checked = 600, .least_unwound = 300},
	{.line = "reopen_at_same_address", .least_checked = 1000},
	{.line = "dlopen_malloc_throw", .least_checked = 1000, .timeout_s = 60},
	{.line = "dlmopen_namespace", .least_checked = 1},
	{.line = "c_host_of_cxx_plugin", .least_checked = 1},
	/* Frames that are left early. */
	{.line = "throw_and_longjmp", .least_checked = 10000, .least_unwound = 100},
	{.line = "new_handler_throws", .least_checked = 100},
	/* Stacks of all kinds. */
	{.line = "stack_places", .least_checked = 1000, .least_unwound = 1000, .timeout_s = 40},
	{.line = "coroutines", .least_unwound = 10000},
	{.line = "tiny_stacks", .least_checked = 500, .least_unwound = 100},
	{.line = "sigprof_backtrace allocate", .least_checked = 10000, .timeout_s = 60},
	/* Threads, whose stack must be found: libunwind has nothing to do there. */
	{.line = "thread_local_destructors", .least_checked = 10000, .most_unwound = FEW},
	{.line = "thread_key_destructors", .least_checked = 100, .most_unwound = FEW},
	{.line = "short_threads", .least_checked = 10000, .most_unwound = FEW, .timeout_s = 60},
	{.line = "getattr_in_new_thread", .least_checked = 1},
	{.line = "fork_child_leaks", .least_checked = 1},
	{.line = "vfork_from_threads", .least_checked = 1, .timeout_s = 40},
};

static void check_brief(const struct checked_case *wanted, const struct brief *brief)
{
	uint64_t checked = brief->totals[TOTAL_CHECKED_STACKS], unwound = brief->totals[TOTAL_UNWOUND_STACKS];
	ck_assert_msg(checked >= wanted->least_checked, "%s: only %lu stacks were compared", wanted->line, checked);
	ck_assert_msg(unwound >= wanted->least_unwound, "%s: only %lu stacks were libunwind's", wanted->line, unwound);
	ck_assert_msg(!wanted->most_unwound || unwound <= wanted->most_unwound, "%s: %lu stacks were libunwind's",
		      wanted->line, unwound);
}

START_TEST(no_stack_differs)
{
	const struct checked_case *wanted = &cases[_i];
	char options[100];
	snprintf(options, sizeof(options), "check_capture=1 %s", wanted->options ? wanted->options : "");
	struct command command = {
		.line = wanted->line, .options = options, .preloaded = true, .timeout_s = wanted->timeout_s};
	struct outcome outcome;
	struct briefs briefs;
	if (!runner_expects_snapshots())
		return;
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0, "%s: status %d: %s", wanted->line, outcome.status, outcome.err);
	runner_briefs(outcome.directory, wanted->line, &briefs);
	for (size_t i = 0; i < briefs.count; i++) {
		const struct brief *brief = &briefs.at[i];
		ck_assert_msg(brief->losses[LOSS_CAPTURES_DIFFER] == 0, "%s: %lu of %lu stacks differ", wanted->line,
			      brief->losses[LOSS_CAPTURES_DIFFER], brief->totals[TOTAL_CHECKED_STACKS]);
		ck_assert_msg(brief->totals[TOTAL_SHORT_STACKS] == 0,
			      "%s: libunwind stopped short in %lu of %lu stacks", wanted->line,
			      brief->totals[TOTAL_SHORT_STACKS], brief->totals[TOTAL_CHECKED_STACKS]);
	}
	const struct brief *own = runner_brief_of(&briefs, outcome.pid);
	ck_assert_msg(own != NULL, "%s left no snapshot", wanted->line);
	check_brief(wanted, own);
	runner_briefs_free(&briefs);
	runner_done(&outcome);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("check_capture");
	TCase *tests = tcase_create("check_capture");
	tcase_set_timeout(tests, 100);
	tcase_add_loop_test(tests, no_stack_differs, 0, sizeof cases / sizeof cases[0]);
	suite_add_tcase(suite, tests);
	return runner_suite(suite);
}
