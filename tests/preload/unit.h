/*
 * What the unit tests of preload/ share: random numbers with fixed seeds, deaths that are expected, the rest of main.
 *
 * Each Check test runs in a process of its own, so every one finds the modules as they are at start.
 */
#ifndef TESTS_PRELOAD_UNIT_H
#define TESTS_PRELOAD_UNIT_H

#include "preload/base/sys.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* splitmix64 (Steele, Lea, Flood 2014). */
struct dice {
	uint64_t state;
};

static inline uint64_t dice_next(struct dice *dice)
{
	uint64_t z = dice->state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static inline uint64_t dice_below(struct dice *dice, uint64_t n)
{
	return dice_next(dice) % n;
}

/* ck_assert_msg() for hot loops: it reports only what fails. */
#define ENSURE(condition, ...)                                                                                         \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			ck_abort_msg(__VA_ARGS__);                                                                     \
	} while (0)

/* The next calls of `number` fail with `error`, after `after` successful ones. */
static inline void fault_set(long number, int after, int error)
{
	sys_fault = (struct sys_fault){number, after, error};
}

static inline void fault_clear(void)
{
	sys_fault = (struct sys_fault){.number = -1};
}

/*
 * How a process ends that calls act(argument): its exit status (0 when act returns), or 128 + the signal. What it wrote
 * to stderr goes to err, up to bytes - 1.
 */
static inline int death_of(void (*act)(void *), void *argument, char *err, size_t bytes)
{
	int ends[2];
	ck_assert_int_eq(pipe(ends), 0);
	pid_t child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		struct rlimit none = {0, 0};
		setrlimit(RLIMIT_CORE, &none);
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		signal(SIGABRT, SIG_DFL);
		alarm(60);
		act(argument);
		_exit(0);
	}
	close(ends[1]);
	size_t have = 0;
	for (char c; read(ends[0], &c, 1) == 1;)
		if (have + 1 < bytes)
			err[have++] = c;
	if (bytes)
		err[have] = '\0';
	close(ends[0]);
	int status;
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static inline int run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
