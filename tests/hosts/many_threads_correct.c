/*
 * Sixteen threads allocate, resize and free blocks of their own and of each other, painted and checked.
 * Pitfall 25, the part without a clock: nothing is lost or mixed up under contention.
 * Expected: "all blocks intact"; 16 x 10 leaked blocks of 555 bytes in the snapshot.
 */
#include "expect.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

enum { THREADS = 16, ROUNDS = 30000, SHARED = 512 };

struct block {
	uint32_t bytes;
	unsigned char paint;
	unsigned char content[];
};
static struct block *shared[SHARED];
static void *leaked[THREADS][10];

static void check(struct block *block)
{
	size_t wrong = 0;
	for (uint32_t i = 0; i < block->bytes; i++)
		wrong += block->content[i] != block->paint;
	EXPECT(wrong == 0);
}

static void *work(void *number)
{
	uint32_t random = (uint32_t)(uintptr_t)number * 77777 + 1;
	for (int i = 0; i < 10; i++)
		leaked[(uintptr_t)number][i] = malloc(555);
	for (int round = 0; round < ROUNDS; round++) {
		random = random * 1664525u + 1013904223u;
		uint32_t bytes = (random >> 16) % (round % 64 == 0 ? 40000 : 600);
		struct block *block = malloc(sizeof(*block) + bytes);
		block->bytes = bytes;
		block->paint = (unsigned char)(random >> 3);
		memset(block->content, block->paint, bytes);
		if (round % 5 == 0) {
			block = realloc(block, sizeof(*block) + bytes * 2);
			memset(block->content + bytes, block->paint, bytes);
			block->bytes = bytes * 2;
		}
		block = __atomic_exchange_n(&shared[(random >> 8) % SHARED], block, __ATOMIC_ACQ_REL);
		if (block != NULL) {
			check(block);
			free(block);
		}
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		NEED(pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)i) == 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < SHARED; i++)
		if (shared[i] != NULL) {
			check(shared[i]);
			free(shared[i]);
		}
	puts("all blocks intact");
	return EXPECT_STATUS;
}
