/*
 * Two threads at a time work on blocks that they inherited: each replaces random blocks of its set, then ends and
 * hands the set to a successor. After Larson and Krishnan's server simulation.
 */
#include "tools/bench/workload.h"

#include <pthread.h>

enum { SETS = 2, LIVE = 20000, GENERATIONS = 60, REPLACEMENTS = 60000 };

struct set {
	void *live[LIVE];
	uint64_t random;
};

static struct set sets[SETS];

static void *work(void *argument)
{
	struct set *set = argument;
	for (int i = 0; i < REPLACEMENTS; i++) {
		size_t at = (random_next(&set->random) >> 20) % LIVE;
		free(set->live[at]);
		set->live[at] = block_used(malloc(random_small_size(&set->random)));
	}
	return NULL;
}

int main(int argc, char **argv)
{
	int generations = work_scaled(GENERATIONS, argc, argv);
	for (int s = 0; s < SETS; s++)
		sets[s].random = RANDOM_SEED + (uint64_t)s;
	for (int generation = 0; generation < generations; generation++) {
		pthread_t threads[SETS];
		for (int s = 0; s < SETS; s++)
			pthread_create(&threads[s], NULL, work, &sets[(s + generation) % SETS]);
		for (int s = 0; s < SETS; s++)
			pthread_join(threads[s], NULL);
	}
	return 0;
}
