/*
 * Keys whose destructors allocate, free another thread's blocks, and set themselves again for all four iterations.
 * Pitfall 22 (jemalloc #896, #915, #2804; mimalloc #147, #809; filprofiler #133): malloc after the tool's own thread
 * state is torn down.
 * Expected: "destructors ran 9600 times"; nothing leaked but what libc keeps.
 */
#include "expect.h"

#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum { KEYS = 6, THREADS = 400, ITERATIONS = 4 };

struct state {
	int iteration;
	unsigned key;
	char *block;
};
static pthread_key_t keys[KEYS];
static int ran;
static void *parcel; /* a block on its way from one thread to the next */

static void destroy(void *value)
{
	struct state *state = value;
	__atomic_fetch_add(&ran, 1, __ATOMIC_RELAXED);
	state->block = realloc(state->block, (size_t)(state->iteration + 1) * 9000);
	memset(state->block, 2, (size_t)(state->iteration + 1) * 9000);
	free(__atomic_exchange_n(&parcel, malloc(500), __ATOMIC_ACQ_REL));
	free(calloc(3, 50));
	if (++state->iteration < ITERATIONS) {
		struct state *next = malloc(sizeof(*next));
		*next = *state;
		free(state);
		pthread_setspecific(keys[next->key], next);
	} else {
		free(state->block);
		free(state);
	}
}

static void *run(void *unused)
{
	for (unsigned i = 0; i < KEYS; i++) {
		struct state *state = calloc(1, sizeof(*state));
		state->key = i;
		pthread_setspecific(keys[i], state);
	}
	return unused;
}

int main(void)
{
	_Static_assert(ITERATIONS <= _POSIX_THREAD_DESTRUCTOR_ITERATIONS, "iterations that POSIX gives");
	for (int i = 0; i < KEYS; i++)
		NEED(pthread_key_create(&keys[i], destroy) == 0);
	pthread_key_t unused;
	for (int i = 0; i < 40; i++) /* beyond 32 the thread's table itself is allocated */
		pthread_key_create(&unused, NULL);
	for (int i = 0; i < THREADS / 8; i++) {
		pthread_t threads[8];
		for (int k = 0; k < 8; k++)
			NEED(pthread_create(&threads[k], NULL, run, NULL) == 0);
		for (int k = 0; k < 8; k++)
			pthread_join(threads[k], NULL);
	}
	free(parcel);
	printf("destructors ran %d times\n", ran);
	return EXPECT_STATUS;
}
