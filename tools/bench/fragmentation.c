/*
 * Phases with another mix of sizes each. At the end of a phase nine tenths of its blocks are freed, chosen at random,
 * so the survivors pin what an allocator cannot reuse for the next sizes. Peak memory is the figure to look at.
 */
#include "tools/bench/workload.h"

enum { PHASES = 24, BLOCKS = 150000, KEPT_OF = 10 };

int main(int argc, char **argv)
{
	int phases = work_scaled(PHASES, argc, argv);
	uint64_t random = RANDOM_SEED;
	static void *kept[PHASES][BLOCKS / KEPT_OF * 2];
	static void *block[BLOCKS];
	for (int phase = 0; phase < phases; phase++) {
		size_t base = (size_t)24 << (phase % 6);
		for (int i = 0; i < BLOCKS; i++)
			block[i] = block_used(malloc(base + (random_next(&random) >> 20) % base));
		size_t count = 0;
		for (int i = 0; i < BLOCKS; i++) {
			if ((random_next(&random) >> 20) % KEPT_OF == 0 && count < sizeof kept[0] / sizeof kept[0][0])
				kept[phase][count++] = block[i];
			else
				free(block[i]);
		}
	}
	return 0;
}
