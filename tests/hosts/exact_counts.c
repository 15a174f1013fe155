/*
 * Allocates known numbers of known sizes from several threads and leaks a part, twice, printing nothing of libc's in
 * between: what the snapshot must say is known exactly.
 * Expected: 4 threads x 1000 blocks of 24 bytes live, 4 x 3000 blocks of 40 bytes freed; allocated and live numbers of
 * two runs that differ only in their argument differ by exactly these.
 */
#include "expect.h"

#include <pthread.h>
#include <stdint.h>

static void *leaked[4][100000];
static size_t rounds;

static void *work(void *number)
{
	for (size_t i = 0; i < rounds * 1000; i++) {
		leaked[(uintptr_t)number][i] = malloc(24);
		for (int k = 0; k < 3; k++)
			free(malloc(40));
	}
	return NULL;
}

int main(int argc, char **argv)
{
	rounds = argc > 1 ? (size_t)atoi(argv[1]) : 1;
	pthread_t threads[4];
	for (int i = 0; i < 4; i++)
		NEED(pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)i) == 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
