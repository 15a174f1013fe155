/*
 * One thread only allocates, another only frees, two million blocks; then producers that end hand their blocks on.
 * Pitfall 25 and allocator.md 1.5: memory freed by another thread must come back to the one that allocates.
 * Expected: "passed on"; resident memory stays below 64 MiB over the start although 400 MB passed through.
 */
#include "expect.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

enum { BLOCKS = 2000000, RING = 4096 };

static void *ring[RING];

static void *produce(void *unused)
{
	for (unsigned i = 0; i < BLOCKS; i++) {
		void *block = malloc(i % 400 + 8);
		memset(block, 1, 8);
		void *empty = NULL;
		while (!__atomic_compare_exchange_n(&ring[i % RING], &empty, block, 0, __ATOMIC_RELEASE,
						    __ATOMIC_RELAXED)) {
			empty = NULL;
			__builtin_ia32_pause();
			sched_yield();
		}
	}
	return unused;
}

static void *produce_and_end(void *unused)
{
	(void)unused;
	void **blocks = malloc(1000 * sizeof(void *));
	for (int i = 0; i < 1000; i++)
		blocks[i] = malloc(1000);
	return blocks;
}

int main(void)
{
	pthread_t producer;
	long before = resident_kib();
	NEED(pthread_create(&producer, NULL, produce, NULL) == 0);
	for (unsigned i = 0; i < BLOCKS; i++) {
		void *block;
		while ((block = __atomic_exchange_n(&ring[i % RING], NULL, __ATOMIC_ACQUIRE)) == NULL)
			sched_yield();
		free(block);
	}
	pthread_join(producer, NULL);
	for (int round = 0; round < 200; round++) {
		void **blocks;
		NEED(pthread_create(&producer, NULL, produce_and_end, NULL) == 0);
		pthread_join(producer, (void **)&blocks);
		for (int i = 0; i < 1000; i++)
			free(blocks[i]);
		free(blocks);
	}
	long grown = resident_kib() - before;
	if (grown >= 64 << 10)
		fprintf(stderr, "grown by %ld KiB\n", grown);
	EXPECT(grown < 64 << 10);
	puts("passed on");
	return EXPECT_STATUS;
}
