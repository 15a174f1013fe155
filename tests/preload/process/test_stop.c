/*
 * Threads brought to a halt: what is known of each kind, that they do stand, and that nothing of it is left afterwards.
 * Each thread says by a barrier that it is where the test wants it.
 */
#include "preload/process/stop.h"

#include "tests/preload/unit.h"

#include <dlfcn.h>
#include <poll.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <time.h>

enum { MANY = 24, ROUNDS = 50, YIELDS = 2000, SIGNALS = 65 };

struct actor {
	pthread_t thread;
	_Atomic pid_t tid;
	_Atomic uint64_t count; /* of one that runs */
	_Atomic uintptr_t here; /* an address in its frame */
	void *high;             /* end of its stack */
	int ends[2];            /* of one that reads */
	_Atomic ssize_t got;
};

static _Atomic bool over;
static struct stopped stopped;
static struct sys_quiet quiet;
static _Atomic uint64_t stood_ns;

static void block_all(void)
{
	sigset_t all;
	sigfillset(&all);
	ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &all, NULL), 0);
}

static void arrive(struct actor *actor, void *frame)
{
	actor->here = (uintptr_t)frame;
	actor->tid = gettid();
}

static void *count(void *argument)
{
	struct actor *actor = argument;
	arrive(actor, &argument);
	while (!over)
		actor->count++;
	return NULL;
}

static void *count_blocking(void *argument)
{
	block_all();
	return count(argument);
}

/* Ends the fault once a signal could not be sent. No stop reaches it. */
static void *mend(void *argument)
{
	block_all();
	arrive(argument, &argument);
	while (!over)
		if (sys_fault.number >= 0 && sys_fault.after < 0)
			fault_clear();
	return NULL;
}

static void *wait_for_byte(void *argument)
{
	struct actor *actor = argument;
	char byte;
	arrive(actor, &byte);
	actor->got = read(actor->ends[0], &byte, 1);
	return NULL;
}

/* Calls that a signal always breaks off: what they return when there is a byte, or never. */
enum { FOREVER_S = 3600 };

static int poll_it(int fd)
{
	struct pollfd poll_for = {.fd = fd, .events = POLLIN};
	return poll(&poll_for, 1, -1);
}

static int ppoll_it(int fd)
{
	struct pollfd poll_for = {.fd = fd, .events = POLLIN};
	struct timespec time = {.tv_sec = FOREVER_S};
	return ppoll(&poll_for, 1, &time, NULL);
}

static int select_it(int fd)
{
	fd_set set;
	struct timeval time = {.tv_sec = FOREVER_S};
	FD_ZERO(&set);
	FD_SET(fd, &set);
	return select(fd + 1, &set, NULL, NULL, &time);
}

static int epoll_it(int fd)
{
	struct epoll_event event = {.events = EPOLLIN};
	int epoll = epoll_create1(0);
	ck_assert_int_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
	int got = epoll_wait(epoll, &event, 1, -1);
	close(epoll);
	return got;
}

static int pause_it(int unused)
{
	(void)unused;
	return pause();
}

static int sleep_it(int unused)
{
	(void)unused;
	return (int)sleep(FOREVER_S);
}

static int sem_it(int unused)
{
	(void)unused;
	sem_t semaphore;
	struct timespec time;
	sem_init(&semaphore, 0, 0);
	clock_gettime(CLOCK_REALTIME, &time);
	time.tv_sec += FOREVER_S;
	return sem_timedwait(&semaphore, &time);
}

static const struct {
	int (*wait)(int fd);
	long number[2]; /* of the call, one of these */
	bool ends;      /* with a byte */
} broken_waits[] = {
	{poll_it, {SYS_poll, SYS_poll}, true},         {ppoll_it, {SYS_ppoll, SYS_ppoll}, true},
	{select_it, {SYS_select, SYS_pselect6}, true}, {epoll_it, {SYS_epoll_wait, SYS_epoll_pwait}, true},
	{pause_it, {SYS_pause, SYS_pause}, false},     {sleep_it, {SYS_nanosleep, SYS_clock_nanosleep}, false},
	{sem_it, {SYS_futex, SYS_futex}, false},
};
enum { PAUSE = 4, BROKEN_WAITS = sizeof broken_waits / sizeof broken_waits[0] };

static int broken_wait_tried; /* its number */

static void *wait_brokenly(void *argument)
{
	struct actor *actor = argument;
	char byte;
	arrive(actor, &byte);
	actor->got = broken_waits[broken_wait_tried].wait(actor->ends[0]);
	actor->count = 1;
	return NULL;
}

static void *wait_for_byte_blocking(void *argument)
{
	block_all();
	return wait_for_byte(argument);
}

static void *wait_for_signal(void *argument)
{
	struct actor *actor = argument;
	sigset_t all;
	siginfo_t info;
	block_all();
	sigfillset(&all);
	arrive(actor, &info);
	actor->got = sigwaitinfo(&all, &info);
	return NULL;
}

/* Whether the thread sleeps in the kernel, as its state says. */
static bool sleeps(pid_t tid)
{
	char path[64], text[512] = "";
	snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
	FILE *file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	ck_assert_ptr_nonnull(fgets(text, sizeof text, file));
	fclose(file);
	return strncmp(strrchr(text, ')'), ") S", 3) == 0;
}

static void start(struct actor *actor, void *(*act)(void *))
{
	pthread_attr_t attributes;
	void *low;
	size_t bytes;
	*actor = (struct actor){0};
	ck_assert_int_eq(pipe(actor->ends), 0);
	ck_assert_int_eq(pthread_create(&actor->thread, NULL, act, actor), 0);
	ck_assert_int_eq(pthread_getattr_np(actor->thread, &attributes), 0);
	pthread_attr_getstack(&attributes, &low, &bytes);
	pthread_attr_destroy(&attributes);
	actor->high = (char *)low + bytes;
	while (!actor->tid)
		sched_yield();
}

/* The same for one that waits: it does so when this returns. */
static void start_waiting(struct actor *actor, void *(*act)(void *))
{
	start(actor, act);
	while (!sleeps(actor->tid))
		sched_yield();
}

static void stop(void)
{
	sys_quiet_begin(&quiet);
	stop_world(&stopped, false);
}

static void release(void)
{
	stop_release(&stopped, &stood_ns, false);
	sys_quiet_end(&quiet);
}

/* On a loaded machine a thread may have no processor in time: then once more. */
static void stop_until(uint32_t standing)
{
	for (stop(); stopped.standing != standing; stop())
		release();
}

static const struct stop_thread *entry_of(const struct actor *actor)
{
	for (uint32_t i = 0; i < stopped.count; i++)
		if (stopped.thread[i].tid == actor->tid)
			return &stopped.thread[i];
	ck_abort_msg("thread %d is not in the table", actor->tid);
	return NULL;
}

static enum stop_state state_of(const struct actor *actor)
{
	return (enum stop_state)atomic_load(&entry_of(actor)->state);
}

/* Within its stack, and no frame of the actor's is below it. */
static void has_place(const struct actor *actor)
{
	uintptr_t sp = entry_of(actor)->sp;
	ck_assert_msg(sp && sp <= actor->here && actor->here < (uintptr_t)actor->high, "sp %#lx, a frame at %#lx", sp,
		      actor->here);
}

static void let_read(struct actor *actor)
{
	ck_assert_int_eq(write(actor->ends[1], "x", 1), 1);
	ck_assert_int_eq(pthread_join(actor->thread, NULL), 0);
	ck_assert_int_eq(actor->got, 1);
}

static void join(struct actor *actor)
{
	over = true;
	ck_assert_int_eq(pthread_join(actor->thread, NULL), 0);
}

/* They stand: none gets on however long it is waited for, and all do afterwards. */
START_TEST(threads_stand)
{
	static struct actor actor[MANY];
	uint64_t then[MANY];
	for (int i = 0; i < MANY; i++)
		start(&actor[i], count);
	stop_until(MANY);
	ck_assert(!stopped.unlisted);
	ck_assert_uint_eq(stopped.count, MANY);
	ck_assert_uint_eq(stopped.in_kernel + stopped.running, 0);
	ck_assert_int_eq(stopped.self, gettid());
	for (int i = 0; i < MANY; i++) {
		ck_assert_int_eq(state_of(&actor[i]), STOP_STANDS);
		ck_assert_uint_eq(entry_of(&actor[i])->pointer, (uintptr_t)actor[i].thread);
		has_place(&actor[i]);
		then[i] = actor[i].count;
	}
	for (int i = 0; i < YIELDS; i++)
		sched_yield();
	for (int i = 0; i < MANY; i++)
		ck_assert_uint_eq(actor[i].count, then[i]);
	release();
	ck_assert_uint_gt(stood_ns, 0);
	for (int i = 0; i < MANY; i++)
		while (actor[i].count == then[i])
			sched_yield();
	for (int i = 0; i < MANY; i++)
		join(&actor[i]);
}
END_TEST

/* A call that the kernel restarts goes on as if nothing had been. */
START_TEST(waiting_goes_on)
{
	struct actor actor;
	start_waiting(&actor, wait_for_byte);
	stop_until(1);
	ck_assert_int_eq(state_of(&actor), STOP_STANDS);
	has_place(&actor);
	release();
	let_read(&actor);
}
END_TEST

/* Whether it is in the call that it is to wait in, or has come back from it. */
static bool waits_again(const struct actor *actor)
{
	char path[64], text[512] = "";
	snprintf(path, sizeof path, "/proc/self/task/%d/syscall", actor->tid);
	FILE *file = fopen(path, "r");
	if (!file || !fgets(text, sizeof text, file))
		text[0] = '\0';
	if (file)
		fclose(file);
	long number = text[0] >= '0' && text[0] <= '9' ? strtol(text, NULL, 10) : -1;
	return actor->count || number == broken_waits[broken_wait_tried].number[0] ||
	       number == broken_waits[broken_wait_tried].number[1];
}

/* So does one that the kernel breaks off, which a program without handlers never meets. */
START_TEST(broken_waits_go_on)
{
	struct actor actor;
	broken_wait_tried = _i;
	start_waiting(&actor, wait_brokenly);
	for (int i = 0; i < 2; i++) {
		while (!waits_again(&actor))
			sched_yield();
		stop_until(1);
		release();
	}
	while (!waits_again(&actor))
		sched_yield();
	ck_assert_msg(!actor.count, "it has returned %d", (int)actor.got);
	if (broken_waits[broken_wait_tried].ends) {
		let_read(&actor);
	} else {
		ck_assert_int_eq(pthread_cancel(actor.thread), 0);
		ck_assert_int_eq(pthread_join(actor.thread, NULL), 0);
	}
}
END_TEST

/*
 * A signal that the program has a handler for, and that comes meanwhile, ends the wait as it would have. The handler
 * is libc's, as the library's own handlers are in this program, too.
 */
START_TEST(broken_wait_is_expected)
{
	struct actor actor;
	struct sigaction action = {.sa_handler = (void (*)(int))dlsym(RTLD_DEFAULT, "abs")};
	ck_assert_ptr_nonnull(action.sa_handler);
	ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
	broken_wait_tried = PAUSE;
	start_waiting(&actor, wait_brokenly);
	while (!waits_again(&actor))
		sched_yield();
	stop_until(1);
	ck_assert_int_eq(pthread_kill(actor.thread, SIGUSR1), 0);
	release();
	ck_assert_int_eq(pthread_join(actor.thread, NULL), 0);
	ck_assert_int_eq(actor.got, -1);
}
END_TEST

/* Where the process ends, it returns no more. */
START_TEST(broken_wait_at_the_end)
{
	struct actor actor;
	broken_wait_tried = 0;
	start_waiting(&actor, wait_brokenly);
	while (!waits_again(&actor))
		sched_yield();
	stop_until(1);
	stop_release(&stopped, &stood_ns, true);
	sys_quiet_end(&quiet);
	ck_assert_int_eq(write(actor.ends[1], "x", 1), 1);
	for (int i = 0; i < YIELDS; i++)
		sched_yield();
	ck_assert_uint_eq(actor.count, 0);
}
END_TEST

/* It would see the signal, so it is sent none; where it waits is known all the same. */
START_TEST(sleeper_that_blocks_signals)
{
	struct actor actor;
	start_waiting(&actor, wait_for_byte_blocking);
	stop();
	ck_assert_int_eq(state_of(&actor), STOP_IN_KERNEL);
	ck_assert_uint_eq(stopped.in_kernel, 1);
	ck_assert_uint_eq(stopped.standing + stopped.running, 0);
	ck_assert_uint_eq(entry_of(&actor)->pointer, 0);
	has_place(&actor);
	release();
	let_read(&actor);
}
END_TEST

START_TEST(waits_for_signals)
{
	struct actor actor;
	start_waiting(&actor, wait_for_signal);
	stop();
	ck_assert_int_eq(state_of(&actor), STOP_IN_KERNEL);
	has_place(&actor);
	release();
	ck_assert_int_eq(pthread_kill(actor.thread, SIGUSR1), 0);
	ck_assert_int_eq(pthread_join(actor.thread, NULL), 0);
	ck_assert_int_eq(actor.got, SIGUSR1);
}
END_TEST

/* Nothing is known of it, and that is said. */
START_TEST(runner_that_blocks_signals)
{
	struct actor runner, other;
	start(&runner, count_blocking);
	start(&other, count);
	stop_until(1);
	ck_assert_int_eq(state_of(&runner), STOP_RUNS);
	ck_assert_int_eq(state_of(&other), STOP_STANDS);
	ck_assert_uint_eq(stopped.running, 1);
	uint64_t then = runner.count;
	while (runner.count == then)
		sched_yield();
	release();
	join(&runner);
	join(&other);
}
END_TEST

/* What could not be sent at first is sent later, as to a thread that blocks the signal for a moment. */
START_TEST(sent_late)
{
	struct actor actor, mender;
	start(&actor, count);
	start(&mender, mend);
	do {
		sys_quiet_begin(&quiet);
		fault_set(SYS_rt_tgsigqueueinfo, 0, EAGAIN);
		stop_world(&stopped, false);
		ck_assert_int_eq(state_of(&mender), STOP_RUNS);
		bool stands = state_of(&actor) == STOP_STANDS;
		release();
		if (stands)
			break;
	} while (true);
	join(&actor);
	join(&mender);
}
END_TEST

#define IN_REGISTER UINT64_C(0x5eed0000c0ffee11)
#define IN_VECTOR UINT64_C(0x5eed0000c0ffee22)

/* Keeps the two where no memory has them. */
static void *hold_values(void *argument)
{
	struct actor *actor = argument;
	uint64_t kept = IN_REGISTER ^ UINT64_MAX, wide = IN_VECTOR ^ UINT64_MAX;
	arrive(actor, &argument);
	__asm__ volatile("not %0\n\t"
			 "not %1\n\t"
			 "movq %1, %%xmm7\n\t"
			 "xor %1, %1\n"
			 "1:\n\t"
			 "incq %2\n\t"
			 "cmpb $0, %3\n\t"
			 "je 1b\n\t"
			 "xor %0, %0\n\t"
			 "pxor %%xmm7, %%xmm7"
			 : "+r"(kept), "+r"(wide), "+m"(actor->count)
			 : "m"(over)
			 : "xmm7", "cc", "memory");
	return NULL;
}

static int times_in(const void *from, const void *end, uint64_t value)
{
	int times = 0;
	uint64_t word;
	for (const char *at = from; at + sizeof word <= (const char *)end; at += sizeof word) {
		memcpy(&word, at, sizeof word);
		times += word == value;
	}
	return times;
}

START_TEST(registers_and_vectors)
{
	struct actor actor;
	start(&actor, hold_values);
	while (!actor.count)
		sched_yield();
	stop_until(1);
	const struct stop_thread *thread = entry_of(&actor);
	ck_assert_int_eq(state_of(&actor), STOP_STANDS);
	ck_assert_int_eq(times_in(thread->registers, thread->registers + GENERAL_REGISTERS, IN_REGISTER), 1);
	ck_assert_uint_ge(thread->vector_end - thread->vector, 512);
	ck_assert_int_ge(times_in((const void *)thread->vector, (const void *)thread->vector_end, IN_VECTOR), 1);
	release();
	join(&actor);
}
END_TEST

enum { RESTORER = 0x04000000 }; /* libc's own, in the flags of whatever was set once */

static int handled;

static void handle(int number)
{
	(void)number;
	handled++;
}

/* All dispositions as they were, and nothing pending, whether or not a thread blocks the signal. */
START_TEST(signals_are_given_back)
{
	struct actor standing, blocking;
	struct sigaction before[SIGNALS], after, own = {.sa_handler = handle};
	sigset_t pending;
	/* The last one that is free is taken: not one that the program handles. */
	ck_assert_int_eq(sigaction(SIGRTMAX, &own, NULL), 0);
	start(&standing, count);
	start_waiting(&blocking, wait_for_byte_blocking);
	for (int number = 1; number < SIGNALS; number++)
		memset(&before[number], 0, sizeof before[0]), sigaction(number, NULL, &before[number]);
	stop_until(1);
	ck_assert_int_eq(state_of(&standing), STOP_STANDS);
	release();
	for (int number = 1; number <= SIGRTMAX; number++) {
		memset(&after, 0, sizeof after);
		sigaction(number, NULL, &after);
		ck_assert_msg(after.sa_handler == before[number].sa_handler, "signal %d", number);
		ck_assert_int_eq(after.sa_flags & ~RESTORER, before[number].sa_flags & ~RESTORER);
	}
	ck_assert_int_eq(sigpending(&pending), 0);
	for (int number = SIGRTMIN; number < SIGNALS; number++)
		ck_assert_int_eq(sigismember(&pending, number), 0);
	ck_assert_int_eq(handled, 0);
	ck_assert_int_eq(raise(SIGRTMAX), 0);
	ck_assert_int_eq(handled, 1);
	join(&standing);
	let_read(&blocking);
}
END_TEST

/* Stops after each other, while threads come and go. */
START_TEST(many_stops)
{
	struct actor lasting, passing;
	start(&lasting, count);
	for (int round = 0; round < ROUNDS; round++) {
		start_waiting(&passing, wait_for_byte);
		stop_until(2);
		ck_assert_uint_eq(stopped.count, 2);
		ck_assert_int_eq(state_of(&lasting), STOP_STANDS);
		ck_assert_int_eq(state_of(&passing), STOP_STANDS);
		has_place(&lasting);
		has_place(&passing);
		release();
		/* Joined, it may still be on its way out: the next stop would see it. */
		let_read(&passing);
		close(passing.ends[0]);
		close(passing.ends[1]);
		char path[64];
		snprintf(path, sizeof path, "/proc/self/task/%d", passing.tid);
		while (access(path, F_OK) == 0)
			sched_yield();
	}
	join(&lasting);
}
END_TEST

START_TEST(nobody_else)
{
	stop();
	ck_assert_uint_eq(stopped.count + stopped.standing + stopped.in_kernel + stopped.running, 0);
	ck_assert(!stopped.unlisted);
	ck_assert_uint_eq(stopped.self_pointer, (uintptr_t)pthread_self());
	release();
}
END_TEST

/* A thread that takes all real-time signals is not stopped, and the search says that it is incomplete. */
START_TEST(no_signal_is_free)
{
	struct actor actor;
	struct sigaction own = {.sa_handler = handle};
	for (int number = SIGRTMIN + 1; number < SIGNALS; number++)
		ck_assert_int_eq(sigaction(number, &own, NULL), 0);
	start(&actor, count);
	stop();
	ck_assert(stopped.unlisted);
	ck_assert_uint_eq(stopped.standing, 0);
	release();
	ck_assert_int_eq(handled, 0);
	join(&actor);
}
END_TEST

static void is_unlisted(long number)
{
	sys_quiet_begin(&quiet);
	fault_set(number, 0, ENOMEM);
	stop_world(&stopped, false);
	fault_clear();
	ck_assert_msg(stopped.unlisted, "call %ld", number);
	release();
}

START_TEST(failures)
{
	struct actor actor;
	start(&actor, count);
	is_unlisted(SYS_mmap);
	is_unlisted(SYS_openat);
	is_unlisted(SYS_getdents64);
	/* A signal that cannot be sent: the thread runs on. */
	sys_quiet_begin(&quiet);
	fault_set(SYS_rt_tgsigqueueinfo, 0, EAGAIN);
	stop_world(&stopped, false);
	fault_clear();
	ck_assert_int_eq(state_of(&actor), STOP_RUNS);
	ck_assert_uint_eq(stopped.running, 1);
	release();
	stop_until(1);
	release();
	join(&actor);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stop");
	TCase *tests = tcase_create("stop");
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, threads_stand);
	tcase_add_test(tests, waiting_goes_on);
	tcase_add_loop_test(tests, broken_waits_go_on, 0, BROKEN_WAITS);
	tcase_add_test(tests, broken_wait_is_expected);
	tcase_add_test(tests, broken_wait_at_the_end);
	tcase_add_test(tests, sleeper_that_blocks_signals);
	tcase_add_test(tests, waits_for_signals);
	tcase_add_test(tests, runner_that_blocks_signals);
	tcase_add_test(tests, sent_late);
	tcase_add_test(tests, registers_and_vectors);
	tcase_add_test(tests, signals_are_given_back);
	tcase_add_test(tests, many_stops);
	tcase_add_test(tests, nobody_else);
	tcase_add_test(tests, no_signal_is_free);
	tcase_add_test(tests, failures);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
