/*
 * Threads reallocate, free and allocate; a shadow map, written between the calls, checks that no byte is ever part
 * of two live blocks.
 * Pitfall 15 (native-peers 2.1): a tool that records the old address of a realloc after the move sees another
 * thread's new block there.
 * Expected: "no address lived twice"; all freed.
 */
#include "expect.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

enum { THREADS = 4, ROUNDS = 120000, KEPT = 50 };

/* Live blocks by a hash of their address. */
static pthread_mutex_t locks[256];
static uintptr_t live[256][512];

static void born(void *block)
{
	unsigned slot = (unsigned)((uintptr_t)block >> 4) * 2654435761u >> 24;
	pthread_mutex_lock(&locks[slot]);
	uintptr_t *empty = NULL;
	for (int i = 0; i < 512; i++) {
		EXPECT(live[slot][i] != (uintptr_t)block);
		if (live[slot][i] == 0)
			empty = &live[slot][i];
	}
	NEED(empty != NULL);
	*empty = (uintptr_t)block;
	pthread_mutex_unlock(&locks[slot]);
}

static void dies(void *block)
{
	unsigned slot = (unsigned)((uintptr_t)block >> 4) * 2654435761u >> 24;
	int found = 0;
	pthread_mutex_lock(&locks[slot]);
	for (int i = 0; i < 512; i++)
		if (live[slot][i] == (uintptr_t)block) {
			live[slot][i] = 0;
			found++;
		}
	pthread_mutex_unlock(&locks[slot]);
	EXPECT(found == 1);
}

static void *work(void *seed)
{
	uint32_t random = (uint32_t)(uintptr_t)seed;
	char *kept[KEPT] = {0};
	for (int round = 0; round < ROUNDS; round++) {
		random = random * 1664525u + 1013904223u;
		unsigned slot = (random >> 8) % KEPT;
		size_t bytes = (random >> 16) % (round % 16 == 0 ? 60000 : 3000) + 1;
		if (kept[slot] != NULL)
			dies(kept[slot]); /* before the call: afterwards the address may be another thread's */
		if (random % 3 == 0) {
			free(kept[slot]);
			kept[slot] = NULL;
			continue;
		}
		kept[slot] = realloc(kept[slot], bytes);
		born(kept[slot]);
		kept[slot][0] = kept[slot][bytes - 1] = (char)slot;
	}
	for (int i = 0; i < KEPT; i++)
		if (kept[i] != NULL) {
			dies(kept[i]);
			free(kept[i]);
		}
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];
	for (int i = 0; i < 256; i++)
		pthread_mutex_init(&locks[i], NULL);
	for (int i = 0; i < THREADS; i++)
		NEED(pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)(i * 7 + 1)) == 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	puts(expect_failures == 0 ? "no address lived twice" : "an address lived twice");
	return EXPECT_STATUS;
}
