/*
 * Loses a list of 20 nodes of 64 bytes among threads, each of which alone keeps a block. Arguments, in any order:
 *
 *   waits N, spins N      so many threads that wait in the kernel, or run without a system call
 *   blocks N, sigwait N   ... that wait with all signals blocked, or wait for any signal
 *   deaf N                ... that run with all signals blocked: nothing can stop them
 *   makes N               ... that make threads all the time, for which libc blocks all signals for moments
 *   nobody                gives up root for an unknown user, who may write here; its files in /proc stay root's
 *   hidden                forbids core dumps, by which its files in /proc become root's
 *   no_more               allows its user no process more
 *   searches              searches itself again and again, and says how often it was not certain
 *   lives                 makes a file "ready" with its number, and goes on until there is a file "go"; then it makes a
 * thread and a process, if it may
 *
 * Pitfall: a search that cannot stop or read a thread takes its block for lost, or says nothing of it.
 * Expected: the list is lost and nothing else, or the search says that it is not certain; status 0 in itself.
 */
#define _GNU_SOURCE
#include "expect.h"
#include "preload/interface/mudlark.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NODES = 20, NOBODY = 65533, SEARCHES = 100 };

struct node {
	struct node *next;
	char rest[56];
};

static volatile int started;
static bool may_fork = true;

static __attribute__((noinline)) void lose_list(void)
{
	struct node *head = NULL;
	for (int i = 0; i < NODES; i++) {
		struct node *fresh = calloc(1, sizeof *fresh);
		fresh->next = head;
		head = fresh;
	}
}

/* What calls left on the stack is overwritten, up to this one's return address. */
static __attribute__((noinline)) void wipe(void)
{
	void *to = NULL;
	long words = 4096, zero = 0;
	__asm__ volatile("lea -32768(%%rsp), %0\n\trep stosq" : "=&D"(to), "+c"(words), "+a"(zero) : : "memory", "cc");
}

/* --- threads --- */

static void say_started(void)
{
	__atomic_fetch_add(&started, 1, __ATOMIC_SEQ_CST);
}

static void block_signals(void)
{
	sigset_t all;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
}

static void *waits(void *unused)
{
	struct node *volatile mine = calloc(1, sizeof *mine);
	say_started();
	for (;;)
		pause();
	return unused ? mine : NULL;
}

static void *spins(void *unused)
{
	struct node *volatile mine = calloc(1, sizeof *mine);
	say_started();
	for (;;)
		__builtin_ia32_pause();
	return unused ? mine : NULL;
}

static void *blocks(void *unused)
{
	block_signals();
	return waits(unused);
}

static void *deaf(void *unused)
{
	block_signals();
	return spins(unused);
}

static void *ends(void *argument)
{
	return argument;
}

static void *makes(void *unused)
{
	struct node *volatile mine = calloc(1, sizeof *mine);
	say_started();
	for (;;) {
		pthread_t thread;
		if (pthread_create(&thread, NULL, ends, NULL) == 0)
			pthread_join(thread, NULL);
	}
	return unused ? mine : NULL;
}

static void *waits_for_signals(void *unused)
{
	struct node *volatile mine = calloc(1, sizeof *mine);
	sigset_t all;
	int number;
	sigfillset(&all);
	say_started();
	EXPECT(sigwait(&all, &number) != 0);
	_exit(7); /* it was woken by a signal that nobody sent */
	return unused ? mine : NULL;
}

static const struct {
	const char *name;
	void *(*run)(void *);
} kinds[] = {
	{"waits", waits}, {"spins", spins}, {"blocks", blocks}, {"sigwait", waits_for_signals},
	{"deaf", deaf},   {"makes", makes},
};

static int start(void *(*run)(void *), int count)
{
	for (int i = 0; i < count; i++) {
		pthread_t thread;
		NEED(pthread_create(&thread, NULL, run, NULL) == 0);
		NEED(pthread_detach(thread) == 0);
	}
	return count;
}

/* --- conditions --- */

static void be_nobody(void)
{
	NEED(chmod(".", 0777) == 0);
	NEED(setresgid(NOBODY, NOBODY, NOBODY) == 0);
	NEED(setresuid(NOBODY, NOBODY, NOBODY) == 0);
}

static void allow_no_more(void)
{
	const struct rlimit none = {0, 0};
	NEED(setrlimit(RLIMIT_NPROC, &none) == 0);
	may_fork = false;
}

static void go_on(void)
{
	int fd = open("making", O_CREAT | O_WRONLY, 0666), status = 0;
	NEED(fd >= 0 && dprintf(fd, "%d\n", (int)getpid()) > 0 && close(fd) == 0);
	NEED(rename("making", "ready") == 0);
	while (access("go", F_OK) != 0)
		usleep(5000);
	pthread_t thread;
	int error = pthread_create(&thread, NULL, ends, NULL);
	EXPECT(error == (may_fork ? 0 : EAGAIN));
	if (!error)
		EXPECT(pthread_join(thread, NULL) == 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	EXPECT(may_fork ? pid > 0 : pid < 0 && errno == EAGAIN);
	if (pid > 0)
		EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
	EXPECT(waitpid(-1, &status, WNOHANG) < 0 && errno == ECHILD);
}

static void search_often(void)
{
	int uncertain = 0;
	for (int i = 0; i < SEARCHES; i++)
		uncertain += mudlark_leaks("again") != 1;
	printf("uncertain %d\n", uncertain);
	fflush(stdout);
}

static const struct {
	const char *name;
	void (*make)(void);
} conditions[] = {{"nobody", be_nobody}, {"no_more", allow_no_more}, {"searches", search_often}};

int main(int argc, char **argv)
{
	int threads = 0;
	bool lives = false;
	sigset_t all, before;
	lose_list();
	wipe();
	/* For sigwait, of which the others have nothing. */
	sigfillset(&all);
	for (int i = 1; i < argc; i++) {
		for (size_t k = 0; k < sizeof kinds / sizeof kinds[0] && i + 1 < argc; k++) {
			if (strcmp(argv[i], kinds[k].name) != 0)
				continue;
			bool masked = kinds[k].run == waits_for_signals;
			if (masked)
				pthread_sigmask(SIG_BLOCK, &all, &before);
			threads += start(kinds[k].run, atoi(argv[i + 1]));
			if (masked)
				pthread_sigmask(SIG_SETMASK, &before, NULL);
		}
		lives |= strcmp(argv[i], "lives") == 0;
		if (strcmp(argv[i], "hidden") == 0)
			NEED(prctl(PR_SET_DUMPABLE, 0) == 0);
	}
	while (__atomic_load_n(&started, __ATOMIC_SEQ_CST) < threads)
		usleep(1000);
	usleep(20000);
	for (int i = 1; i < argc; i++)
		for (size_t k = 0; k < sizeof conditions / sizeof conditions[0]; k++)
			if (strcmp(argv[i], conditions[k].name) == 0)
				conditions[k].make();
	if (lives)
		go_on();
	wipe();
	return EXPECT_STATUS;
}
