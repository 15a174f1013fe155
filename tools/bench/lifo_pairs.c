/* Single thread, short-lived blocks, the last one freed first: the shape of temporaries in nested calls. */
#include "tools/bench/workload.h"

enum { NESTING_MAX = 16, ROUNDS = 5000000 };

int main(int argc, char **argv)
{
	int rounds = work_scaled(ROUNDS, argc, argv);
	uint64_t random = RANDOM_SEED;
	void *nested[NESTING_MAX];
	for (int round = 0; round < rounds; round++) {
		int nesting = 1 + (int)((random_next(&random) >> 20) % NESTING_MAX);
		size_t size = random_small_size(&random);
		for (int i = 0; i < nesting; i++)
			nested[i] = block_used(malloc(size));
		while (nesting-- > 0)
			free(nested[nesting]);
	}
	return 0;
}
