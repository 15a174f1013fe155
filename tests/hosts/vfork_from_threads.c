/*
 * Threads start programs with vfork + execve and with posix_spawn while others allocate.
 * Pitfall 3 (perfetto's CHANGELOG and client_unittest): a vfork child runs in the parent's memory; what a tool
 * does there (its fork handler, its exit handler, its thread's state) happens to the parent.
 * Expected: every program runs; the parent's counters and heap are whole; exactly one snapshot of the parent for
 * `at_exit`, although every failed child calls _exit in the parent's memory.
 */
#include "expect.h"

#include <pthread.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
enum { ROUNDS = 40 };
static int stop, started;

static void *allocate(void *unused)
{
	(void)unused;
	for (unsigned i = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++)
		free(malloc(i % 50000));
	return NULL;
}

static void expect_ended(pid_t pid, int wanted)
{
	int status = -1;
	NEED(pid > 0);
	NEED(waitpid(pid, &status, 0) == pid);
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == wanted);
	__atomic_fetch_add(&started, 1, __ATOMIC_RELAXED);
}

static void *start_programs(void *unused)
{
	(void)unused;
	char *const arguments[] = {"true", NULL};
	char *const empty[] = {NULL};
	for (int i = 0; i < ROUNDS; i++) {
		pid_t pid = vfork();
		if (pid == 0) {
			execve("/bin/true", arguments, empty);
			_exit(127);
		}
		expect_ended(pid, 0);
		pid = vfork();
		if (pid == 0) {
			execve("/does/not/exist", arguments, environ);
			_exit(42);
		}
		expect_ended(pid, 42);
		EXPECT(posix_spawn(&pid, "/bin/true", NULL, NULL, arguments, empty) == 0);
		expect_ended(pid, 0);
		EXPECT(posix_spawn(&pid, "/does/not/exist", NULL, NULL, arguments, empty) != 0);
		free(malloc(100));
	}
	return NULL;
}

int main(void)
{
	pthread_t starters[3], allocators[2];
	for (int i = 0; i < 2; i++)
		NEED(pthread_create(&allocators[i], NULL, allocate, NULL) == 0);
	for (int i = 0; i < 3; i++)
		NEED(pthread_create(&starters[i], NULL, start_programs, NULL) == 0);
	for (int i = 0; i < 3; i++)
		pthread_join(starters[i], NULL);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++)
		pthread_join(allocators[i], NULL);
	printf("started %d programs\n", started);
	return EXPECT_STATUS;
}
