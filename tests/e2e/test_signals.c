/*
 * Signals with their default action: they leave a snapshot, and the program neither sees that nor ends otherwise.
 * PITFALLS 5 and 41. The oracle is the program itself without the preload: status, output and, of what it is told of
 * its signals' actions, each line.
 */
#define _GNU_SOURCE
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIGNALLED = 128 };

#define ENDS(line_, number)                                                                                            \
	{                                                                                                              \
		.line = (line_), .status = SIGNALLED + (number), .snapshots = 1                                        \
	}

static void ignore_two(void)
{
	signal(SIGHUP, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
}

static const struct host_case cases[] = {
	{.line = "signal_actions", .options = "signal=none", .snapshots = SNAPSHOTS_ANY},
	{.line = "signal_actions", .options = "signal=none", .snapshots = SNAPSHOTS_ANY, .prepare = ignore_two},
	{.line = "signal_actions", .options = "signal=none:fatal=0", .snapshots = SNAPSHOTS_ANY},
	ENDS("signalled kill 1", SIGHUP),
	ENDS("signalled kill 2", SIGINT),
	ENDS("signalled kill 3", SIGQUIT),
	ENDS("signalled kill 4", SIGILL),
	ENDS("signalled kill 5", SIGTRAP),
	ENDS("signalled kill 6", SIGABRT),
	ENDS("signalled kill 7", SIGBUS),
	ENDS("signalled kill 8", SIGFPE),
	ENDS("signalled kill 10", SIGUSR1),
	ENDS("signalled kill 11", SIGSEGV),
	ENDS("signalled kill 13", SIGPIPE),
	ENDS("signalled kill 14", SIGALRM),
	ENDS("signalled kill 15", SIGTERM),
	ENDS("signalled kill 24", SIGXCPU),
	ENDS("signalled kill 31", SIGSYS),
	{.line = "signalled kill 9", .status = SIGNALLED + SIGKILL, .snapshots = 0},
	{.line = "signalled kill 15", .options = "fatal=0", .status = SIGNALLED + SIGTERM, .snapshots = 0},
	{.line = "signalled kill 15", .options = "at_exit=0", .status = SIGNALLED + SIGTERM, .snapshots = 0},
	{.line = "signalled kill 15", .options = "at_exit=0:fatal=1", .status = SIGNALLED + SIGTERM, .snapshots = 1},
	{.line = "signalled kill 15", .status = 0, .snapshots = 1, .prepare = ignore_two},
	ENDS("signalled thread", SIGTERM),
	ENDS("signalled thread 3", SIGQUIT),
	ENDS("signalled abort", SIGABRT),
	ENDS("signalled null", SIGSEGV),
	ENDS("signalled nulls", SIGSEGV),
	ENDS("signalled illegal", SIGILL),
	ENDS("signalled breakpoint", SIGTRAP),
	ENDS("signalled divides", SIGFPE),
	ENDS("signalled too_long", SIGXCPU),
	ENDS("signalled deep_with_stack", SIGSEGV),
	{.line = "signalled deep", .status = SIGNALLED + SIGSEGV, .snapshots = 0},
	ENDS("signalled lost_stack", SIGTERM),
	ENDS("signalled coroutine", SIGTERM),
	ENDS("signalled own_handler", SIGTERM),
	ENDS("signalled once", SIGTERM),
	ENDS("signalled once 11", SIGSEGV),
	ENDS("signalled once_by_signal", SIGTERM),
	{.line = "signalled once_and_over", .status = 0, .snapshots = 1},
	ENDS("signalled ignored_before", SIGTERM),
	ENDS("signalled unblocked", SIGTERM),
	ENDS("signalled while_waiting", SIGTERM),
	ENDS("signalled twice", SIGTERM),
	ENDS("signalled vfork_child", SIGTERM),
	ENDS("signalled raw_child", SIGTERM),
	{.line = "signalled child", .status = 0, .snapshots = 2},
	{.line = "signalled child", .options = "children=0", .status = 0, .snapshots = 1},
	{.line = "signalled ignores", .status = 0, .snapshots = 1},
	{.line = "signalled waited_for", .status = 0, .snapshots = 1},
};

START_TEST(host)
{
	host_case_run(&cases[_i]);
}
END_TEST

/* The first process of a namespace, for which the kernel has no default action but for its own faults. */
static void be_first(void)
{
	if (unshare(CLONE_NEWPID))
		_exit(100);
}

static const struct host_case first_cases[] = {
	{.line = "signalled child", .status = 0, .snapshots = SNAPSHOTS_ANY, .prepare = be_first},
	{.line = "signalled child 11", .status = 0, .snapshots = SNAPSHOTS_ANY, .prepare = be_first},
};

START_TEST(first_process)
{
	if (geteuid() != 0) {
		runner_skip("first_process: needs root to make a PID namespace");
		return;
	}
	host_case_run(&first_cases[_i]);
}
END_TEST

static const struct {
	struct command command;
	int number;
} waiting[] = {
	{{.line = "signalled waits"}, SIGTERM},
	{{.line = "signalled waits"}, SIGINT},
	{{.line = "signalled churns"}, SIGTERM},
	{{.line = "signalled churns", .options = "every=0.01"}, SIGTERM},
	{{.line = "signalled churns", .options = "every=0.01:snapshot=fork"}, SIGHUP},
	{{.line = "signalled forks"}, SIGTERM},
	{{.line = "signalled forks", .options = "every=0.01:snapshot=fork"}, SIGQUIT},
	{{.argv = {"/usr/bin/python3", "-c",
		   "import threading, json\n"
		   "def work():\n"
		   "    while True: json.loads(json.dumps(list(range(300))))\n"
		   "for i in range(3): threading.Thread(target=work, daemon=True).start()\n"
		   "open('ready', 'w').close()\n"
		   "work()"},
	  .options = "census=1:leaks=1"},
	 SIGTERM},
	{{.argv = {"/bin/sleep", "100"}}, SIGTERM},
};

/* From outside, at any moment of the allocator's work, twice at once, as timeout(1) does: a whole snapshot, and the
 * end. */
START_TEST(from_outside)
{
	enum { ROUNDS = 5 };
	if (!runner_expects_snapshots())
		return;
	struct command command = waiting[_i].command;
	command.preloaded = true;
	for (int round = 0; round < ROUNDS; round++) {
		struct running running;
		struct outcome outcome;
		struct briefs briefs;
		runner_start(&command, &running);
		if (command.argv[1] && !command.argv[2])
			runner_sleep_ms(300); /* says nothing */
		else
			ck_assert_msg(runner_wait_for_file(running.outcome.directory, "ready", 15), "%s is not ready",
				      runner_name(&command));
		runner_sleep_ms((unsigned)round * 7);
		kill(running.outcome.pid, waiting[_i].number);
		kill(running.outcome.pid, waiting[_i].number);
		runner_finish(&running, &outcome);
		ck_assert_msg(outcome.status == SIGNALLED + waiting[_i].number, "%s: status %d: %s",
			      runner_name(&command), outcome.status, outcome.err);
		char *others = runner_other_files(outcome.directory);
		ck_assert_msg(!strstr(others, ".mud"), "%s left %s", runner_name(&command), others);
		free(others);
		runner_briefs(outcome.directory, runner_name(&command), &briefs);
		ck_assert_uint_eq(runner_count_trigger(&briefs, TRIGGER_FATAL), 1);
		ck_assert_uint_eq(runner_count_trigger(&briefs, TRIGGER_EXIT), 0);
		runner_briefs_free(&briefs);
		runner_done(&outcome);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("signals");
	TCase *tests = tcase_create("signals");
	tcase_set_timeout(tests, 200);
	tcase_add_loop_test(tests, host, 0, HOST_CASES(cases));
	tcase_add_loop_test(tests, first_process, 0, HOST_CASES(first_cases));
	tcase_add_loop_test(tests, from_outside, 0, HOST_CASES(waiting));
	suite_add_tcase(suite, tests);
	return runner_suite(suite);
}
