/* Blocks of 16 KiB to 4 MiB, small ones more often, 64 of them live; a word of each page is written. */
#include "tools/bench/workload.h"

enum { LIVE = 64, REPLACEMENTS = 150000, PAGE = 4096 };

int main(int argc, char **argv)
{
	int replacements = work_scaled(REPLACEMENTS, argc, argv);
	void *live[LIVE] = {0};
	uint64_t random = RANDOM_SEED;
	for (int i = 0; i < replacements; i++) {
		uint64_t r = random_next(&random) >> 16;
		size_t doubling = (r >> 8) % 8 * ((r >> 12) % 8) / 7;
		size_t size = (size_t)16385 << doubling;
		size += (r >> 20) % size;
		free(live[r % LIVE]);
		char *block = block_used(malloc(size));
		live[r % LIVE] = block;
		for (size_t at = 0; at < size; at += PAGE)
			*(volatile char *)(block + at) = 1;
	}
	for (int i = 0; i < LIVE; i++)
		free(live[i]);
	return 0;
}
