/*
 * A host of snapshots that a forked copy writes, with snapshot=fork. The first argument says what it does meanwhile:
 *
 *   waits     has children of its own: wait() sees those and nothing else, SIGCHLD comes once for each
 *   threads   eight threads allocate and free all the time
 *   forks     forks; the children allocate, take snapshots of their own and end
 *   series    200 snapshots, 1000 sites whose blocks are replaced between any two
 *   same      one snapshot of a heap that does not change
 *   killed    kills the copy, until it has met one at work
 *   walls     waits for the copy itself, with __WALL
 *   refused   no process can be made: a filter that Mudlark does not see
 *   aborts    takes one and calls abort()
 *   large     4,000,000 blocks, then a snapshot by signal and one by function: for snapshot=auto
 *   filtered  the same under a filter that ends a process which makes another one
 *
 * Expected: as plain; what the snapshots say is looked at from outside.
 */
#define _GNU_SOURCE
#include "preload/interface/mudlark.h"
#include "tests/hosts/expect.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCKS = 300000, BLOCK_BYTES = 40, THREADS = 8, SNAPSHOTS = 20, PATIENCE = 5000 };

static void *blocks[BLOCKS];
static volatile sig_atomic_t children_ended;
static volatile bool over;

static void fill(void)
{
	for (int i = 0; i < BLOCKS; i++)
		blocks[i] = malloc(BLOCK_BYTES);
}

static void snapshot(const char *label)
{
	if (mudlark_snapshot != NULL)
		EXPECT(mudlark_snapshot(label) == 0);
}

/* The kernel's list of this thread's children, of every kind. Without allocation. */
static pid_t any_child(void)
{
	char text[64] = "";
	int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
	NEED(fd >= 0);
	ssize_t got = read(fd, text, sizeof text - 1);
	close(fd);
	return got > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
}

/* Allocates as programs do, until the copy is gone: no zombie may stay. */
static void until_no_child(void)
{
	for (int i = 0; i < PATIENCE && any_child() != 0; i++) {
		for (int k = 0; k < 1000; k++)
			free(malloc(200000));
		usleep(1000);
	}
	EXPECT(any_child() == 0);
}

static void on_child(int number)
{
	(void)number;
	children_ended++;
}

static void waits(void)
{
	fill();
	signal(SIGCHLD, on_child);
	int expected = 0;
	for (int i = 0; i < SNAPSHOTS; i++) {
		snapshot("waits");
		int status = 0;
		errno = 0;
		EXPECT(wait(&status) == -1 && errno == ECHILD);
		pid_t child = fork();
		NEED(child >= 0);
		if (child == 0)
			syscall(SYS_exit_group, 7);
		expected++;
		EXPECT(waitpid(-1, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
		siginfo_t info = {0};
		EXPECT(waitid(P_ALL, 0, &info, WEXITED | WNOHANG) == -1 && errno == ECHILD);
	}
	until_no_child();
	EXPECT(children_ended == expected);
}

static void *churn(void *argument)
{
	void *mine[64] = {NULL};
	for (unsigned i = 0; !over; i++) {
		free(mine[i % 64]);
		mine[i % 64] = malloc(16 + i * 37 % 3000);
	}
	for (int i = 0; i < 64; i++)
		free(mine[i]);
	return argument;
}

static void threads(void)
{
	pthread_t thread[THREADS];
	fill();
	for (int i = 0; i < THREADS; i++)
		NEED(pthread_create(&thread[i], NULL, churn, NULL) == 0);
	for (int i = 0; i < SNAPSHOTS; i++) {
		snapshot("threads");
		usleep(1000);
	}
	over = true;
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	until_no_child();
}

static void forks(void)
{
	fill();
	for (int i = 0; i < SNAPSHOTS; i++) {
		snapshot("parent");
		pid_t child = fork();
		NEED(child >= 0);
		if (child == 0) {
			snapshot("child");
			for (int k = 0; k < 100; k++)
				free(malloc(1000));
			_exit(EXPECT_STATUS);
		}
		int status = 0;
		EXPECT(waitpid(child, &status, 0) == child && status == 0);
	}
	until_no_child();
}

static __attribute__((noinline)) void *at_depth(unsigned path, int levels)
{
	void *block;
	if (levels == 0)
		return malloc(48);
	if (path & 1)
		block = at_depth(path >> 1, levels - 1);
	else
		block = at_depth(path >> 1, levels - 1);
	__asm__ volatile("" : "+r"(block));
	return block;
}

static void series(void)
{
	enum { SITES = 1000, LEVELS = 10, ROUNDS = 200 };
	static void *mine[SITES];
	for (int round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < SITES; i++) {
			free(mine[i]);
			mine[i] = at_depth(i, LEVELS);
		}
		snapshot("series");
	}
}

static void same(void)
{
	fill();
	snapshot("same");
	until_no_child();
}

/* The copy is met at work when it lives at the moment of the kill; whether it had finished is seen in the files. */
static void killed(void)
{
	fill();
	for (int i = 0; i < SNAPSHOTS; i++) {
		snapshot("killed");
		pid_t copy = any_child();
		if (copy != 0)
			kill(copy, SIGKILL);
	}
	until_no_child();
}

static void walls(void)
{
	fill();
	for (int i = 0; i < 3; i++) {
		snapshot("walls");
		while (waitpid(-1, NULL, __WALL) > 0)
			continue;
		EXPECT(errno == ECHILD);
	}
	EXPECT(any_child() == 0);
}

/* With a system call of its own: prctl and syscall are where Mudlark looks. */
static long raw_prctl(long a, long b, const void *c)
{
#if defined(__x86_64__)
	register long r10 __asm__("r10") = 0;
	register long r8 __asm__("r8") = 0;
	long result;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(SYS_prctl), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return result;
#else
	(void)a, (void)b, (void)c;
	return -ENOSYS;
#endif
}

/* clone() gets this answer from now on. */
static void filter_clone(unsigned answer)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, answer),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {sizeof code / sizeof code[0], code};
	NEED(raw_prctl(PR_SET_NO_NEW_PRIVS, 1, NULL) == 0);
	NEED(raw_prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0);
}

static void refused(void)
{
	fill();
	filter_clone(SECCOMP_RET_ERRNO | EAGAIN);
	for (int i = 0; i < 3; i++)
		snapshot("refused");
	EXPECT(any_child() == 0);
}

static void aborts(void)
{
	fill();
	snapshot("aborts");
	abort();
}

static void large(void)
{
	enum { LARGE = 4000000 };
	void **many = calloc(LARGE, sizeof *many);
	for (int i = 0; i < LARGE; i++)
		many[i] = malloc(16);
	if (mudlark_snapshot != NULL)
		raise(SIGRTMAX - 5);
	until_no_child();
	snapshot("by function");
	for (int i = 0; i < LARGE; i++)
		free(many[i]);
	free(many);
}

/* A filter that kills callers of fork(): auto must not try. */
static void filtered(void)
{
	filter_clone(SECCOMP_RET_KILL_PROCESS);
	large();
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} modes[] = {{"waits", waits},   {"threads", threads}, {"forks", forks},      {"series", series},
		     {"same", same},     {"killed", killed},   {"walls", walls},      {"refused", refused},
		     {"aborts", aborts}, {"large", large},     {"filtered", filtered}};
	for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
		if (argc > 1 && strcmp(argv[1], modes[i].name) == 0)
			modes[i].run();
	return EXPECT_STATUS;
}
