/*
 * Eight threads allocate and free while main forks again and again; each child allocates, forks and ends.
 * Pitfall 1: a profiler's lock held by another thread at fork hangs the child (gperftools #1425, #499, #1206;
 * google/tcmalloc #284; several in jemalloc's ChangeLog).
 * Expected: ends, "forked N"; one snapshot for each of the 1 + 2 N processes, or one with children=0.
 */
#include "expect.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 8, KEPT = 64 };

static int stop;

static void *allocate(void *seed)
{
	uint32_t random = (uint32_t)(uintptr_t)seed * 2654435761u + 1;
	char *kept[KEPT] = {0};
	for (unsigned i = 1; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++) {
		random = random * 1664525u + 1013904223u;
		unsigned slot = (random >> 8) % KEPT;
		free(kept[slot]);
		kept[slot] = malloc((random >> 12) % 40000 + 1);
		kept[slot][0] = 1;
		if (i % 100 == 0) /* leaves some processor time to the forks */
			usleep(200);
	}
	for (int i = 0; i < KEPT; i++)
		free(kept[i]);
	return NULL;
}

static int child(void)
{
	char *block = malloc(1000);
	char *large = malloc(100000);
	pid_t grandchild = fork();
	if (grandchild == 0) {
		free(block);
		block = malloc(50);
		memset(block, 1, 50);
		_exit(block[49] == 1 ? 0 : 9);
	}
	int status = -1;
	if (grandchild < 0 || waitpid(grandchild, &status, 0) != grandchild || status != 0)
		return 2;
	free(large);
	free(block);
	return 0;
}

int main(int argc, char **argv)
{
	int forks = argc > 1 ? atoi(argv[1]) : 1000;
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		NEED(pthread_create(&threads[i], NULL, allocate, (void *)(uintptr_t)(i + 1)) == 0);
	for (int i = 0; i < forks; i++) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(child());
		int status = -1;
		NEED(pid > 0 && waitpid(pid, &status, 0) == pid);
		EXPECT(status == 0);
		free(malloc((size_t)i * 10));
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("forked %d\n", forks);
	return EXPECT_STATUS;
}
