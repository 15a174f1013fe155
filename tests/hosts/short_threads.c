/*
 * 20,000 threads that each allocate, hand one block to main and end.
 * Pitfall 24 (libunwind keeps 256 KiB for each thread; gperftools #1207): what the tool keeps per thread adds up.
 * Expected: "20000 threads"; resident memory grows by less than 24 MiB after the first thousand.
 */
#include "expect.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

enum { THREADS = 20000, FIRST = 1000, AT_ONCE = 4 };

static void *run(void *number)
{
	char *block = malloc(2000);
	memset(block, 1, 2000);
	free(malloc(30000));
	free(malloc((uintptr_t)number % 500));
	return block;
}

int main(void)
{
	long before = 0;
	for (int i = 0; i < THREADS; i += AT_ONCE) {
		pthread_t threads[AT_ONCE];
		for (int k = 0; k < AT_ONCE; k++)
			NEED(pthread_create(&threads[k], NULL, run, (void *)(uintptr_t)(i + k)) == 0);
		for (int k = 0; k < AT_ONCE; k++) {
			void *block;
			pthread_join(threads[k], &block);
			free(block);
		}
		if (i == FIRST)
			before = resident_kib();
	}
	long grown = resident_kib() - before;
	if (grown >= 24 << 10)
		fprintf(stderr, "grown by %ld KiB\n", grown);
	EXPECT(grown < 24 << 10);
	printf("%d threads\n", THREADS);
	return EXPECT_STATUS;
}
