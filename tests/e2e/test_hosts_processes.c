/* fork, exec, exit: PITFALLS 1 to 7. Each host runs plain and under the preload; see tests/hosts for what each does. */
#define _GNU_SOURCE
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ABORTED = 128 + 6, KILLED = 128 + 9, FAULTED = 128 + 11, TERMINATED = 128 + 15 };

static const struct host_case cases[] = {
	/* 1: fork while threads allocate */
	{.line = "fork_storm 250", .options = "children=0", .snapshots = 1, .timeout_s = 120, .only_preloaded = true},
	{.line = "fork_storm 60", .snapshots = 121, .timeout_s = 60, .recorded_only = true},
	{.line = "fork_with_stdio_threads", .options = "children=0", .snapshots = 1, .timeout_s = 40},
	/* a child that ends inside the interrupted allocator has no snapshot */
	{.line = "fork_in_signal_handler", .snapshots = SNAPSHOTS_ANY, .timeout_s = 30},
	{.line = "fork_storm 60", .options = "sample=256", .snapshots = 121, .timeout_s = 60, .recorded_only = true},
	/* 2 */
	{.line = "fork_close_all_exec", .snapshots = SNAPSHOTS_ANY},
	/* 3: the children's programs write their own when they keep the environment; these have an empty one */
	{.line = "vfork_from_threads", .snapshots = 1, .timeout_s = 30},
	{.line = "vfork_from_threads", .options = "children=0", .snapshots = 1, .timeout_s = 30},
	/* 4 */
	{.line = "fork_child_leaks", .snapshots = 2},
	{.line = "fork_child_leaks", .options = "children=0", .snapshots = 1},
	/* 5: the endings that run code of ours */
	{.line = "ending return", .status = 3, .snapshots = 1},
	{.line = "ending exit", .status = 3, .snapshots = 1},
	{.line = "ending quick_exit", .status = 3, .snapshots = 1},
	{.line = "ending _exit", .status = 3, .snapshots = 1},
	{.line = "ending _Exit", .status = 3, .snapshots = 1},
	{.line = "ending exit_in_thread", .status = 3, .snapshots = 1},
	{.line = "ending _exit_in_thread", .status = 3, .snapshots = 1},
	{.line = "ending last_thread", .snapshots = 1},
	{.line = "ending exit", .options = "at_exit=0", .status = 3, .snapshots = 0},
	{.line = "ending _exit", .options = "at_exit=0", .status = 3, .snapshots = 0},
	/* 5: those that do not */
	{.line = "ending abort", .options = "fatal=0", .status = ABORTED, .snapshots = 0},
	{.line = "ending sigsegv", .options = "fatal=0", .status = FAULTED, .snapshots = 0},
	{.line = "ending sigterm", .options = "fatal=0", .status = TERMINATED, .snapshots = 0},
	{.line = "ending sigkill", .status = KILLED, .snapshots = 0},
	{.line = "ending raw_exit_group", .status = 3, .snapshots = 0},
	{.line = "ending abort", .status = ABORTED, .snapshots = 1},
	{.line = "ending sigsegv", .status = FAULTED, .snapshots = 1},
	{.line = "ending sigterm", .status = TERMINATED, .snapshots = 1},
	{.line = "ending return", .options = "fatal=0", .status = 3, .snapshots = 1},
	{.line = "terminated_while_exiting", .snapshots = SNAPSHOTS_ANY, .timeout_s = 30, .recorded_only = true},
	/* 6, 7 */
	{.line = "atexit_in_constructor", .snapshots = 1},
	{.line = "threads_outlive_exit", .snapshots = 1},
};

START_TEST(host)
{
	host_case_run(&cases[_i]);
}
END_TEST

/* 4: who holds what. The child's snapshot is its own: its pid, its parent's pid, inherited blocks marked. */
START_TEST(child_and_parent)
{
	struct command command = {.line = "fork_child_leaks", .preloaded = true};
	struct outcome outcome;
	struct briefs briefs;
	runner_run(&command, &outcome);
	ck_assert_int_eq(outcome.status, 0);
	if (!runner_expects_snapshots())
		return;
	runner_briefs(outcome.directory, command.line, &briefs);
	ck_assert_uint_eq(briefs.count, 2);
	const struct brief *parent = runner_brief_of(&briefs, outcome.pid);
	ck_assert_ptr_nonnull(parent);
	const struct brief *child = parent == &briefs.at[0] ? &briefs.at[1] : &briefs.at[0];
	ck_assert_uint_eq(child->meta[META_PARENT_PID], (uint64_t)outcome.pid);
	ck_assert_uint_eq(child->meta[META_NUMBER], 1);
	ck_assert_uint_eq(parent->meta[META_NUMBER], 1);
	ck_assert_uint_eq(parent->meta[META_INHERITED_EPOCH], 0);
	ck_assert_uint_ne(child->meta[META_INHERITED_EPOCH], 0);
	ck_assert_uint_eq(child->meta[META_TRIGGER], TRIGGER_EXIT);
	ck_assert_uint_ge(child->totals[TOTAL_LIVE_BYTES], 11 * 4321 + 77 * 1234);
	ck_assert_uint_ge(parent->totals[TOTAL_LIVE_BYTES], 11 * 4321);
	ck_assert_uint_lt(parent->totals[TOTAL_LIVE_BYTES], 11 * 4321 + 77 * 1234);
	ck_assert_str_eq(parent->meta_text[META_PROGRAM], "fork_child_leaks");
	ck_assert_str_eq(child->meta_text[META_PROGRAM], "fork_child_leaks");
	runner_briefs_free(&briefs);
	runner_done(&outcome);
}
END_TEST

/* 5: the ten leaked blocks are in whatever an ending wrote. */
START_TEST(endings_hold_the_leak)
{
	const char *endings[] = {"ending return", "ending quick_exit", "ending _exit", "ending _exit_in_thread",
				 "ending last_thread"};
	if (!runner_expects_snapshots())
		return;
	struct command command = {.line = endings[_i], .preloaded = true};
	struct outcome outcome;
	struct briefs briefs;
	runner_run(&command, &outcome);
	runner_briefs(outcome.directory, command.line, &briefs);
	ck_assert_msg(briefs.count == 1, "%s: %zu snapshots", command.line, briefs.count);
	ck_assert_uint_eq(briefs.at[0].meta[META_TRIGGER], TRIGGER_EXIT);
	ck_assert_uint_eq(briefs.at[0].meta[META_PID], (uint64_t)outcome.pid);
	ck_assert_uint_eq(briefs.at[0].meta[META_RECORDING], 1);
	ck_assert_uint_ge(briefs.at[0].totals[TOTAL_LIVE_BLOCKS], 10);
	ck_assert_uint_ge(briefs.at[0].totals[TOTAL_LIVE_BYTES], 10 * 1000);
	char expected[64];
	snprintf(expected, sizeof(expected), "mudlark.ending.%d.1.mud", (int)outcome.pid);
	ck_assert_str_eq(briefs.at[0].name, expected);
	runner_briefs_free(&briefs);
	runner_done(&outcome);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hosts: processes");
	TCase *tests = tcase_create("processes");
	tcase_set_timeout(tests, 200);
	tcase_add_loop_test(tests, host, 0, HOST_CASES(cases));
	tcase_add_test(tests, child_and_parent);
	tcase_add_loop_test(tests, endings_hold_the_leak, 0, 5);
	suite_add_tcase(suite, tests);
	return runner_suite(suite);
}
