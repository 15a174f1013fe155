/* Single thread, 50,000 live blocks of small random sizes, one of them replaced at a time. */
#include "tools/bench/workload.h"

enum { LIVE = 50000, REPLACEMENTS = 12000000 };

int main(int argc, char **argv)
{
	int replacements = work_scaled(REPLACEMENTS, argc, argv);
	static void *live[LIVE];
	uint64_t random = RANDOM_SEED;
	for (int i = 0; i < replacements; i++) {
		size_t at = (random_next(&random) >> 20) % LIVE;
		free(live[at]);
		live[at] = block_used(malloc(random_small_size(&random)));
	}
	for (int i = 0; i < LIVE; i++)
		free(live[i]);
	return 0;
}
