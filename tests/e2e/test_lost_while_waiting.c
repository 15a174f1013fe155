/*
 * What a thread has lost before it waits in one of libc's functions is lost, and what it has passed to the function is
 * not: at 91 distances on the stack, by each function, in three ways of compiling.
 */
#include "tests/e2e/lib/gate_shell.h"

#include <check.h>
#include <stdio.h>

enum { THREADS = 91, TIMEOUT_S = 600 };

static const struct {
	const char *name;
	int in_use; /* words of the calling frame that it does not write, at most */
} ways[] = {
	{"sleep", 0},
	{"usleep", 0},
	{"nanosleep", 0},
	{"clock_nanosleep", 0},
	{"thrd_sleep", 0},
	{"pause", 0},
	{"pthread_cond_wait", 0},
	{"pthread_cond_timedwait", 0},
	{"pthread_cond_clockwait", 0},
	{"cnd_wait", 0},
	{"sem_wait", 0},
	{"sem_timedwait", 0},
	{"pthread_mutex_lock", 0},
	{"pthread_mutex_timedlock", 0},
	{"pthread_rwlock_rdlock", 0},
	{"pthread_barrier_wait", 0},
	{"pthread_join", 0},
	{"pthread_timedjoin_np", 0},
	{"futex", 0},
	{"poll", 0},
	{"ppoll", 0},
	{"select", 0},
	{"pselect", 0},
	{"epoll_wait", 0},
	{"read", 0},
	{"readv", 1},
	{"recvmsg", 2},
	{"waitpid", 0},
};

static const char *const keepers[] = {"read", "sem_wait", "pthread_cond_wait", "fgets"};

static const char *const builds[] = {"", "_O0", "_O2"};
enum { BUILDS = sizeof builds / sizeof *builds };

START_TEST(what_was_lost_before)
{
	char line[256];
	for (int i = 0; i < BUILDS; i++) {
		snprintf(line, sizeof line,
			 "mudlark run --leaks -- $H/lost_while_waiting%s %s 2>log; s=$?; cat log; "
			 "test $(sed -n 's/.*lost by .* in \\([0-9]*\\) blocks/\\1/p' log) -ge %d || exit 9; exit $s",
			 builds[i], ways[_i].name, THREADS - ways[_i].in_use);
		gate_expect(23, line, NULL);
	}
}
END_TEST

START_TEST(what_was_passed)
{
	char line[256];
	for (int i = 0; i < BUILDS; i++) {
		snprintf(line, sizeof line, "mudlark run --leaks -- $H/lost_while_waiting%s keeps_%s", builds[i],
			 keepers[_i]);
		gate_expect(0, line, "nothing was lost");
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lost while waiting");
	TCase *cases = tcase_create("lost while waiting");
	tcase_set_timeout(cases, TIMEOUT_S);
	tcase_add_loop_test(cases, what_was_lost_before, 0, (int)(sizeof ways / sizeof *ways));
	tcase_add_loop_test(cases, what_was_passed, 0, (int)(sizeof keepers / sizeof *keepers));
	suite_add_tcase(suite, cases);
	return runner_suite(suite);
}
