/*
 * Threads that lose a block of 100 bytes each and then wait, all in the same function of libc: argv[1]. The address of
 * each block stays in a word of a frame that is gone, at a distance that no two threads share, so that every word of
 * the frames in which libc waits comes to lie over one of them.
 * Pitfall: words that libc's functions do not write, in frames that lie where those of the program were, keep blocks.
 * Expected: all blocks are lost. The block that a thread passes to the function ("keeps_...") is not.
 *
 * Oracle: the program itself, none of whose frames has room that it does not write; readv() and recvmsg() are called
 * from frames that do, once they are optimised.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <alloca.h>
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define APART __attribute__((noinline))

/* As far as the frames of a function that waits reach. */
enum { THREADS = 91, LONG_S = 1000 };

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t locked = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static mtx_t other_held;
static cnd_t other_never;
static sem_t none;
static int empty[2], idle, word;
static pid_t child;
static volatile int tid[THREADS];

static APART void lose(size_t slots)
{
	void *volatile *at = alloca((slots + 1) * sizeof *at);
	for (size_t i = 0; i <= slots; i++)
		at[i] = NULL;
	at[0] = malloc(100);
}

static const struct timespec *soon(clockid_t clock)
{
	static _Thread_local struct timespec until;
	clock_gettime(clock, &until);
	until.tv_sec += LONG_S;
	return &until;
}

static void *pauses(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static pthread_t start_pausing(void)
{
	pthread_t thread;
	NEED(pthread_create(&thread, NULL, pauses, NULL) == 0);
	return thread;
}

static void wait_on_condition(void)
{
	pthread_mutex_lock(&held);
	pthread_cond_wait(&never, &held);
}

static void wait_on_condition_for(void)
{
	pthread_mutex_lock(&held);
	pthread_cond_timedwait(&never, &held, soon(CLOCK_REALTIME));
}

static void wait_on_condition_by_clock(void)
{
	pthread_mutex_lock(&held);
	pthread_cond_clockwait(&never, &held, CLOCK_MONOTONIC, soon(CLOCK_MONOTONIC));
}

static void wait_on_c11_condition(void)
{
	mtx_lock(&other_held);
	cnd_wait(&other_never, &other_held);
}

static void poll_for_ever(void)
{
	struct pollfd one = {.fd = empty[0], .events = POLLIN};
	poll(&one, 1, -1);
}

static void ppoll_for_ever(void)
{
	struct pollfd one = {.fd = empty[0], .events = POLLIN};
	ppoll(&one, 1, soon(CLOCK_MONOTONIC), NULL);
}

static void select_for_ever(void)
{
	struct timeval limit = {LONG_S, 0};
	fd_set set;
	FD_ZERO(&set);
	FD_SET(empty[0], &set);
	select(empty[0] + 1, &set, NULL, NULL, &limit);
}

static void pselect_for_ever(void)
{
	fd_set set;
	FD_ZERO(&set);
	FD_SET(empty[0], &set);
	pselect(empty[0] + 1, &set, NULL, NULL, NULL, NULL);
}

static void epoll_for_ever(void)
{
	struct epoll_event event;
	epoll_wait(idle, &event, 1, -1);
}

static void read_for_ever(void)
{
	char byte;
	NEED(read(empty[0], &byte, 1) == 1);
}

static void readv_for_ever(void)
{
	char byte;
	struct iovec part = {&byte, 1};
	NEED(readv(empty[0], &part, 1) == 1);
}

static void receive_for_ever(void)
{
	int ends[2];
	char byte;
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	recvmsg(ends[0], &message, 0);
}

static void nap(void)
{
	struct timespec time = {LONG_S, 0};
	nanosleep(&time, NULL);
}

static void nap_by_clock(void)
{
	struct timespec time = {LONG_S, 0};
	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, &time);
}

static void nap_as_c11(void)
{
	thrd_sleep(&(struct timespec){LONG_S, 0}, NULL);
}

static void sleep_long(void)
{
	sleep(LONG_S);
}

static void usleep_long(void)
{
	usleep(LONG_S * 1000000U);
}

static void pause_once(void)
{
	pause();
}

static void wait_on_semaphore(void)
{
	sem_wait(&none);
}

static void wait_on_semaphore_for(void)
{
	sem_timedwait(&none, soon(CLOCK_REALTIME));
}

static void wait_on_mutex(void)
{
	pthread_mutex_lock(&held);
}

static void wait_on_mutex_for(void)
{
	pthread_mutex_timedlock(&held, soon(CLOCK_REALTIME));
}

static void wait_on_lock(void)
{
	pthread_rwlock_rdlock(&locked);
}

static void wait_on_barrier(void)
{
	pthread_barrier_wait(&barrier);
}

static void wait_on_futex(void)
{
	syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void join_one(void)
{
	pthread_join(start_pausing(), NULL);
}

static void join_one_for(void)
{
	pthread_timedjoin_np(start_pausing(), NULL, soon(CLOCK_REALTIME));
}

static void wait_for_child(void)
{
	int status;
	waitpid(child, &status, 0);
}

/* --- what is passed -------------------------------------------------------------------------------------------- */

static APART void read_into_block(void)
{
	NEED(read(empty[0], malloc(100), 100) > 0);
}

static APART void wait_on_block(void)
{
	sem_t *own = malloc(sizeof *own);
	sem_init(own, 0, 0);
	sem_wait(own);
}

static APART void wait_on_condition_of_block(void)
{
	struct pair {
		pthread_mutex_t mutex;
		pthread_cond_t condition;
	} *own = calloc(1, sizeof *own);
	pthread_mutex_lock(&own->mutex);
	pthread_cond_wait(&own->condition, &own->mutex);
	pthread_mutex_unlock(&own->mutex);
}

static APART void get_line_into_block(void)
{
	char *line = malloc(100);
	FILE *stream = fdopen(dup(empty[0]), "r");
	if (fgets(line, 100, stream))
		puts(line);
}

static const struct {
	const char *name;
	void (*wait)(void);
} ways[] = {
	{"sleep", sleep_long},
	{"usleep", usleep_long},
	{"nanosleep", nap},
	{"clock_nanosleep", nap_by_clock},
	{"thrd_sleep", nap_as_c11},
	{"pause", pause_once},
	{"pthread_cond_wait", wait_on_condition},
	{"pthread_cond_timedwait", wait_on_condition_for},
	{"pthread_cond_clockwait", wait_on_condition_by_clock},
	{"cnd_wait", wait_on_c11_condition},
	{"sem_wait", wait_on_semaphore},
	{"sem_timedwait", wait_on_semaphore_for},
	{"pthread_mutex_lock", wait_on_mutex},
	{"pthread_mutex_timedlock", wait_on_mutex_for},
	{"pthread_rwlock_rdlock", wait_on_lock},
	{"pthread_barrier_wait", wait_on_barrier},
	{"pthread_join", join_one},
	{"pthread_timedjoin_np", join_one_for},
	{"futex", wait_on_futex},
	{"poll", poll_for_ever},
	{"ppoll", ppoll_for_ever},
	{"select", select_for_ever},
	{"pselect", pselect_for_ever},
	{"epoll_wait", epoll_for_ever},
	{"read", read_for_ever},
	{"readv", readv_for_ever},
	{"recvmsg", receive_for_ever},
	{"waitpid", wait_for_child},
	{"keeps_read", read_into_block},
	{"keeps_sem_wait", wait_on_block},
	{"keeps_pthread_cond_wait", wait_on_condition_of_block},
	{"keeps_fgets", get_line_into_block},
};

static size_t way;

static void *loses_and_waits(void *number)
{
	size_t slots = (uintptr_t)number;
	bool keeps = strncmp(ways[way].name, "keeps_", strlen("keeps_")) == 0;
	if (!keeps)
		lose(slots);
	tid[slots] = gettid();
	ways[way].wait();
	return NULL;
}

/* What /proc has of the thread after the words; 0 for a letter that is not S. */
static unsigned long fact(int thread, const char *words)
{
	char path[64], line[256], state = 0;
	unsigned long number = 0;
	snprintf(path, sizeof path, "/proc/self/task/%d/status", thread);
	FILE *file = fopen(path, "r");
	NEED(file != NULL);
	while (fgets(line, sizeof line, file)) {
		if (strncmp(line, words, strlen(words)) != 0)
			continue;
		if (sscanf(line + strlen(words), "%lu", &number) != 1 &&
		    sscanf(line + strlen(words), " %c", &state) == 1)
			number = state == 'S';
	}
	fclose(file);
	return number;
}

/* Until all threads wait, and none of them for what another one gives up: the locks of pthread_create(), for one. */
static void await_all(void)
{
	unsigned long before = 0, now;
	for (;; before = now) {
		now = 0;
		for (size_t i = 0; i < THREADS; i++) {
			while (!tid[i] || !fact(tid[i], "State:"))
				usleep(1000);
			now += fact(tid[i], "voluntary_ctxt_switches:") + fact(tid[i], "nonvoluntary_ctxt_switches:");
		}
		if (now == before)
			return;
		usleep(50000);
	}
}

static void prepare(void)
{
	NEED(pipe(empty) == 0 && sem_init(&none, 0, 0) == 0);
	NEED(pthread_barrier_init(&barrier, NULL, THREADS + 1) == 0);
	NEED(mtx_init(&other_held, mtx_plain) == thrd_success && cnd_init(&other_never) == thrd_success);
	idle = epoll_create1(0);
	child = fork();
	if (!child) {
		close(empty[1]);
		char byte;
		_exit(read(empty[0], &byte, 1) != 0); /* until its parent ends */
	}
	bool locks = strncmp(ways[way].name, "pthread_mutex", strlen("pthread_mutex")) == 0;
	NEED(!locks || pthread_mutex_lock(&held) == 0);
	NEED(pthread_rwlock_wrlock(&locked) == 0);
}

int main(int argc, char **argv)
{
	NEED(argc == 2);
	while (way < sizeof ways / sizeof *ways && strcmp(ways[way].name, argv[1]) != 0)
		way++;
	NEED(way < sizeof ways / sizeof *ways);
	prepare();
	for (uintptr_t i = 0; i < THREADS; i++) {
		pthread_t thread;
		NEED(pthread_create(&thread, NULL, loses_and_waits, (void *)i) == 0);
	}
	await_all();
	exit(EXPECT_STATUS);
}
