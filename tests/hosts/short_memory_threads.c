/*
 * Eight threads ask for their first block when the address space is used up. Each gets one or NULL, and lives.
 * usage: short_memory_threads BLOCK_BYTES
 * Expected: "went on".
 */
#include "expect.h"

#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { THREADS = 8, STACK_BYTES = 256 << 10, LIMIT_MB = 200 };

static size_t bytes;
static sem_t started, may_go_on;

static void *work(void *unused)
{
	sem_post(&started);
	sem_wait(&may_go_on);
	char *block = malloc(bytes);
	if (block)
		memset(block, 1, bytes);
	free(block);
	return unused;
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = {1 << 20, 100000, 4096, 144, 16};
	pthread_t threads[THREADS];
	pthread_attr_t attributes;
	NEED(argc > 1);
	bytes = strtoul(argv[1], NULL, 10);
	sem_init(&started, 0, 0);
	sem_init(&may_go_on, 0, 0);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	for (int i = 0; i < THREADS; i++) {
		NEED(pthread_create(&threads[i], &attributes, work, NULL) == 0);
		sem_wait(&started);
	}
	struct rlimit limit = {LIMIT_MB << 20, RLIM_INFINITY};
	NEED(setrlimit(RLIMIT_AS, &limit) == 0);
	void **first = NULL, **block;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		while ((block = malloc(sizes[i]))) {
			*block = first;
			first = block;
		}
	for (int i = 0; i < THREADS; i++)
		sem_post(&may_go_on);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	NEED(write(STDOUT_FILENO, "went on\n", 8) == 8);
	return 0;
}
