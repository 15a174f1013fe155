/* Single thread, zeroed objects of 32 to 544 bytes, 20,000 of them live. */
#include "tools/bench/workload.h"

enum { LIVE = 20000, REPLACEMENTS = 12000000 };

int main(int argc, char **argv)
{
	int replacements = work_scaled(REPLACEMENTS, argc, argv);
	static void *live[LIVE];
	uint64_t random = RANDOM_SEED;
	for (int i = 0; i < replacements; i++) {
		uint64_t r = random_next(&random) >> 20;
		size_t at = r % LIVE;
		free(live[at]);
		live[at] = block_used(calloc(1 + (r >> 16) % 17, 32));
	}
	for (int i = 0; i < LIVE; i++)
		free(live[i]);
	return 0;
}
