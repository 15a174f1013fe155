/* Where a signal came and a thread may be made: contexts of real handlers, and made-up ones. */
#include "preload/process/interrupted.h"
#include "preload/process/runtime.h"

#include "preload/process/modules.h"
#include "tests/preload/unit.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>

static _Atomic int answer = -1;
static _Atomic bool going = true;

static void on_signal(int number, siginfo_t *info, void *context)
{
	(void)number, (void)info;
	atomic_store(&answer, interrupted_may_make_thread(context));
}

static void *rest(void *unused)
{
	struct pollfd none;
	while (atomic_load(&going))
		poll(&none, 0, 10000);
	return unused;
}

static void *spin(void *unused)
{
	while (atomic_load(&going))
		;
	return unused;
}

static int ask_in_thread(void *(*run)(void *))
{
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
	const struct timespec moment = {.tv_nsec = 50000000};
	pthread_t thread;
	atomic_store(&going, true);
	atomic_store(&answer, -1);
	ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, run, NULL), 0);
	nanosleep(&moment, NULL);
	pthread_kill(thread, SIGUSR1);
	while (atomic_load(&answer) < 0)
		nanosleep(&moment, NULL);
	int got = atomic_load(&answer);
	atomic_store(&going, false);
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
	return got;
}

static bool ask_at(const void *ip, long number)
{
	ucontext_t context;
	memset(&context, 0, sizeof context);
	context.uc_mcontext.gregs[REG_RIP] = (greg_t)ip;
	context.uc_mcontext.gregs[REG_RAX] = number;
	return interrupted_may_make_thread(&context);
}

static void begin(void)
{
	modules_init();
	runtime_init();
}

/* The test program stands for the library here: it holds its code. */
START_TEST(threads_are_interrupted)
{
	ck_assert_int_eq(ask_in_thread(rest), 1);
	ck_assert_int_eq(ask_in_thread(spin), 0);
}
END_TEST

START_TEST(code_of_libc)
{
	const char *function = dlsym(RTLD_DEFAULT, "syscall");
	const char *instruction = memmem(function, 64, "\x0f\x05", 2);
	ck_assert_ptr_nonnull(instruction);
	ck_assert(!ask_at(function, 0));
	ck_assert(!ask_at(dlsym(RTLD_DEFAULT, "pthread_create"), -EINTR));
	ck_assert(ask_at(instruction, SYS_poll));
	ck_assert(ask_at(instruction, SYS_futex));
	ck_assert(!ask_at(instruction, SYS_munmap));
	ck_assert(!ask_at(instruction, SYS_madvise));
	ck_assert(ask_at(instruction + 2, -EINTR));
	ck_assert(!ask_at(instruction + 2, 0));
	ck_assert(!ask_at(dlsym(RTLD_DEFAULT, "_dl_find_object"), -EINTR));
}
END_TEST

START_TEST(code_of_others)
{
	void *block = calloc(1, 16); /* looks like generated code */
	ck_assert(ask_at(block, 0));
	free(block);
	ck_assert(ask_at(dlsym(dlopen("libm.so.6", RTLD_NOW), "cos"), 0));
	ck_assert(!ask_at((const void *)interrupted_may_make_thread, 0));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("preload: interrupted");
	TCase *tests = tcase_create("interrupted");
	tcase_add_checked_fixture(tests, begin, NULL);
	tcase_add_test(tests, threads_are_interrupted);
	tcase_add_test(tests, code_of_libc);
	tcase_add_test(tests, code_of_others);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
