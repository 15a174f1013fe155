/* Locks: one holder, a known owner, checked ranks; and hosts that use all of them in a library that checks the order.
 */
#include "preload/base/lock.h"
#include "tests/preload/unit.h"

enum { THREADS = 8, ROUNDS = 40000 };

static struct lock lock = LOCK_INIT(RANK_CENTRAL);
static struct lock lower = LOCK_INIT(RANK_SNAPSHOT);
static struct lock higher = LOCK_INIT(RANK_SITES);
static uint64_t counter; /* protected by lock */
static _Atomic int inside;

static void *count_up(void *argument)
{
	bool tries = argument != NULL;
	for (int i = 0; i < ROUNDS; i++) {
		if (tries)
			while (!lock_try(&lock))
				sched_yield();
		else
			lock_acquire(&lock);
		ENSURE(atomic_fetch_add(&inside, 1) == 0, "two holders");
		ENSURE(lock_mine(&lock), "the holder is not its owner");
		counter++;
		if (i % 1000 == 0)
			usleep(50); /* so that others go to sleep on it */
		atomic_fetch_sub(&inside, 1);
		lock_release(&lock);
		ENSURE(!lock_mine(&lock) && lock_depth == 0, "released, but not forgotten");
	}
	return NULL;
}

START_TEST(one_holder_at_a_time)
{
	pthread_t thread[THREADS];
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, count_up, i % 4 == 3 ? &lock : NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	ck_assert_uint_eq(counter, THREADS * ROUNDS);
	ck_assert_uint_eq(atomic_load(&lock.word), 0);
}
END_TEST

START_TEST(depth_and_owner)
{
	ck_assert_uint_eq(lock_depth, 0);
	lock_acquire(&lower);
	ck_assert_uint_eq(lock_depth, 1);
	ck_assert(lock_try(&lock));
	ck_assert_uint_eq(lock_depth, 2);
	ck_assert(lock_mine(&lower) && lock_mine(&lock) && !lock_mine(&higher));
	ck_assert(!lock_try(&lock));
	ck_assert_uint_eq(lock_depth, 2);
	lock_release(&lock);
	lock_release(&lower);
	ck_assert_uint_eq(lock_depth, 0);
	ck_assert(!lock_mine(&lower) && !lock_mine(&lock));
}
END_TEST

static void *is_not_mine(void *argument)
{
	ck_assert(!lock_mine(&lock));
	ck_assert(!lock_try(&lock));
	ck_assert_uint_eq(lock_depth, 0);
	return argument;
}

START_TEST(other_threads_do_not_own_it)
{
	pthread_t thread;
	lock_acquire(&lock);
	pthread_create(&thread, NULL, is_not_mine, NULL);
	pthread_join(thread, NULL);
	lock_release(&lock);
}
END_TEST

START_TEST(errno_is_kept)
{
	pthread_t thread[4];
	for (int i = 0; i < 4; i++)
		pthread_create(&thread[i], NULL, count_up, NULL);
	for (int i = 0; i < 2000; i++) {
		errno = i + 1;
		lock_acquire(&lock);
		usleep(1);
		errno = i + 1;
		lock_release(&lock);
		ENSURE(errno == i + 1, "errno %d", errno);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
}
END_TEST

/* A handler that interrupts the holder sees that it would wait for itself. */
static volatile sig_atomic_t seen_mine, seen_other;

static void on_signal(int number)
{
	(void)number;
	if (lock_mine(&lock))
		seen_mine++;
	else if (lock_try(&lock))
		lock_release(&lock), seen_other++;
}

START_TEST(handler_sees_its_own_thread)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct itimerspec period = {{0, 200000}, {0, 200000}};
	timer_t timer;
	sigaction(SIGUSR1, &action, NULL);
	ck_assert_int_eq(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	timer_settime(timer, 0, &period, NULL);
	for (int i = 0; i < 5000000 && (seen_mine < 50 || seen_other < 50); i++) {
		lock_acquire(&lock);
		counter++;
		lock_release(&lock);
	}
	timer_delete(timer);
	ck_assert_uint_eq(lock_depth, 0);
	ck_assert_int_gt(seen_mine, 0);
	ck_assert_int_gt(seen_other, 0);
}
END_TEST

START_TEST(reset_frees_what_another_thread_held)
{
	atomic_store(&lock.word, 0x1234560 | 1);
	lock_reset_unless_mine(&lock);
	ck_assert(lock_try(&lock));
	lock_reset_unless_mine(&lock);
	ck_assert(lock_mine(&lock));
	lock_release(&lock);
}
END_TEST

static void take_in_order(void *unused)
{
	(void)unused;
	lock_acquire(&lower);
	lock_acquire(&lock);
	lock_acquire(&higher);
	lock_release(&higher);
	lock_release(&lock);
	lock_acquire(&higher);
	lock_release(&higher);
	lock_release(&lower);
	lock_acquire(&lower);
	lock_release(&lower);
}

static void take_against_order(void *unused)
{
	(void)unused;
	lock_acquire(&higher);
	lock_acquire(&lock);
}

/* Who only tries waits for nobody: that is no matter of order. But what it got counts. */
static void try_against_order(void *unused)
{
	(void)unused;
	lock_acquire(&lock);
	if (!lock_try(&lower))
		_exit(9);
	lock_release(&lower);
}

static void acquire_after_try(void *unused)
{
	(void)unused;
	if (!lock_try(&higher))
		_exit(9);
	lock_acquire(&lock);
}

START_TEST(ranks_are_checked)
{
	char err[200];
	ck_assert_int_eq(death_of(take_in_order, NULL, err, sizeof err), 0);
	int against = death_of(take_against_order, NULL, err, sizeof err);
	ENSURE(against == 128 + SIGILL || against == 128 + SIGTRAP, "status %d", against);
	ck_assert_int_eq(death_of(try_against_order, NULL, err, sizeof err), 0);
	against = death_of(acquire_after_try, NULL, err, sizeof err);
	ENSURE(against == 128 + SIGILL || against == 128 + SIGTRAP, "status %d", against);
}
END_TEST

/* Futexes that fail (a sandbox) make it slow, not wrong. */
START_TEST(futex_that_fails)
{
	fault_set(SYS_futex, 0, ENOSYS);
	pthread_t thread[4];
	for (int i = 0; i < 4; i++)
		pthread_create(&thread[i], NULL, count_up, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	ck_assert_uint_eq(counter, 4 * ROUNDS);
}
END_TEST

/* The whole library with rank checks, under hosts with threads, forks, signals and libraries that come and go. */
static const char *const hosts[] = {
	"exact_counts",           "fork_storm 50",          "producer_consumer",        "sigprof_backtrace allocate",
	"thread_key_destructors", "reopen_at_same_address", "thread_local_destructors", "fork_in_signal_handler",
	"malloc_stats_to_stderr", "vfork_from_threads",
};

static void exec_host(void *argument)
{
	const char *line = argument;
	char command[600];
	setenv("HOSTS", HOSTS_DIRECTORY, 1);
	setenv("LD_PRELOAD", PRELOAD_CHECKED, 1);
	setenv("MUDLARK_OPTIONS", "every=0.01 peak=2 output=/dev/shm/mudlark-unit.%p.%n", 1);
	snprintf(command, sizeof command, "%s/%s", HOSTS_DIRECTORY, line);
	char *argv[] = {command, NULL, NULL};
	char *blank = strrchr(command, ' ');
	if (blank) {
		*blank = '\0';
		argv[1] = blank + 1;
	}
	if (!freopen("/dev/null", "w", stdout))
		_exit(99);
	execv(command, argv);
	_exit(98);
}

START_TEST(order_holds_in_hosts)
{
	char err[4000];
	union {
		const char *line;
		void *argument;
	} host = {hosts[_i]};
	if (access(PRELOAD_CHECKED, R_OK) != 0)
		return;
	int status = death_of(exec_host, host.argument, err, sizeof err);
	int cleaned = system("rm -f /dev/shm/mudlark-unit.*");
	ck_assert_int_eq(cleaned, 0);
	ENSURE(status == 0, "%s under the checking library: status %d: %s", hosts[_i], status, err);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("preload: lock");
	TCase *tests = tcase_create("lock");
	tcase_set_timeout(tests, 90);
	tcase_add_test(tests, one_holder_at_a_time);
	tcase_add_test(tests, depth_and_owner);
	tcase_add_test(tests, other_threads_do_not_own_it);
	tcase_add_test(tests, errno_is_kept);
	tcase_add_test(tests, handler_sees_its_own_thread);
	tcase_add_test(tests, reset_frees_what_another_thread_held);
	tcase_add_test(tests, ranks_are_checked);
	tcase_add_test(tests, futex_that_fails);
	tcase_add_loop_test(tests, order_holds_in_hosts, 0, (int)(sizeof hosts / sizeof hosts[0]));
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
