/* Threads, signals, odd stacks: PITFALLS 22 to 25, 28 to 31. */
#define _GNU_SOURCE
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static const struct host_case cases[] = {
	{.line = "thread_key_destructors", .snapshots = 1},
	{.line = "thread_local_destructors", .snapshots = 1},
	{.line = "getattr_in_new_thread", .snapshots = 1},
	{.line = "short_threads", .snapshots = 1, .timeout_s = 60},
	{.line = "many_threads_correct", .snapshots = 1, .timeout_s = 60},
	{.line = "producer_consumer", .snapshots = 1, .timeout_s = 60},
	{.line = "sigprof_backtrace", .snapshots = 1, .timeout_s = 60},
	{.line = "sigprof_backtrace allocate", .snapshots = 1, .timeout_s = 60, .only_preloaded = true},
	{.line = "allocates_while_threads_end", .snapshots = 1, .timeout_s = 20},
	{.line = "allocates_while_threads_end allocate", .snapshots = 1, .timeout_s = 20, .only_preloaded = true},
	{.line = "tiny_stacks", .snapshots = 1},
	{.line = "coroutines", .snapshots = 1},
	{.line = "hand_made_stacks", .snapshots = 1},
	{.line = "hand_made_stacks", .options = "sample=100", .snapshots = 1},
	{.line = "single_steps plain both", .snapshots = 1, .timeout_s = 60},
	{.line = "throw_and_longjmp", .snapshots = 1},
	{.line = "no_unwind_information", .snapshots = 1},
	{.line = "no_unwind_information", .options = "depth=16", .snapshots = 1},
	{.line = "no_unwind_information", .options = "depth=1", .snapshots = 1},
	{.line = "coroutines", .options = "sample=2000", .snapshots = 1},
};

START_TEST(host)
{
	host_case_run(&cases[_i]);
}
END_TEST

/* Snapshots every 20 ms while threads come and go, allocate, unwind, fork and load: all whole, no hang. */
static const struct host_case frequent[] = {
	{.line = "short_threads",
	 .options = "every=0.02",
	 .snapshots = SNAPSHOTS_ANY,
	 .timeout_s = 40,
	 .only_preloaded = true,
	 .recorded_only = true},
	{.line = "many_threads_correct",
	 .options = "every=0.02",
	 .snapshots = SNAPSHOTS_ANY,
	 .timeout_s = 40,
	 .only_preloaded = true,
	 .recorded_only = true},
	{.line = "sigprof_backtrace allocate",
	 .options = "every=0.02",
	 .snapshots = SNAPSHOTS_ANY,
	 .timeout_s = 40,
	 .only_preloaded = true,
	 .recorded_only = true},
	{.line = "thread_key_destructors",
	 .options = "every=0.02",
	 .snapshots = SNAPSHOTS_ANY,
	 .timeout_s = 40,
	 .only_preloaded = true,
	 .recorded_only = true},
	{.line = "coroutines",
	 .options = "every=0.005",
	 .snapshots = SNAPSHOTS_ANY,
	 .timeout_s = 40,
	 .only_preloaded = true,
	 .recorded_only = true},
	{.line = "throw_and_longjmp",
	 .options = "every=0.005",
	 .snapshots = SNAPSHOTS_ANY,
	 .timeout_s = 40,
	 .only_preloaded = true,
	 .recorded_only = true},
	{.line = "realloc_race",
	 .options = "every=0.02",
	 .snapshots = SNAPSHOTS_ANY,
	 .timeout_s = 40,
	 .only_preloaded = true,
	 .recorded_only = true},
	{.line = "reopen_at_same_address",
	 .options = "every=0.005",
	 .snapshots = SNAPSHOTS_ANY,
	 .timeout_s = 40,
	 .only_preloaded = true,
	 .recorded_only = true},
	{.line = "vfork_from_threads",
	 .options = "every=0.02",
	 .snapshots = SNAPSHOTS_ANY,
	 .timeout_s = 40,
	 .only_preloaded = true,
	 .recorded_only = true},
	{.line = "fork_storm 100",
	 .options = "every=0.02 children=0",
	 .snapshots = SNAPSHOTS_ANY,
	 .timeout_s = 40,
	 .only_preloaded = true,
	 .recorded_only = true},
	{.line = "returns_memory",
	 .options = "every=0.02 peak=2",
	 .snapshots = SNAPSHOTS_ANY,
	 .timeout_s = 40,
	 .only_preloaded = true,
	 .recorded_only = true},
};

START_TEST(frequent_snapshots)
{
	host_case_run(&frequent[_i]);
}
END_TEST

/* 31: a stack that is cut is counted as such. */
START_TEST(cut_stacks_are_counted)
{
	if (!runner_expects_snapshots())
		return;
	struct command command = {.line = "no_unwind_information", .options = "depth=16", .preloaded = true};
	struct outcome outcome;
	struct briefs briefs;
	runner_run(&command, &outcome);
	runner_briefs(outcome.directory, command.line, &briefs);
	ck_assert_uint_eq(briefs.count, 1);
	ck_assert_uint_gt(briefs.at[0].losses[LOSS_STACKS_CUT], 0);
	ck_assert_uint_eq(briefs.at[0].meta[META_DEPTH], 16);
	runner_briefs_free(&briefs);
	runner_done(&outcome);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hosts: threads");
	TCase *tests = tcase_create("threads");
	tcase_set_timeout(tests, 200);
	tcase_add_loop_test(tests, host, 0, HOST_CASES(cases));
	tcase_add_loop_test(tests, frequent_snapshots, 0, HOST_CASES(frequent));
	tcase_add_test(tests, cut_stacks_are_counted);
	suite_add_tcase(suite, tests);
	return runner_suite(suite);
}
