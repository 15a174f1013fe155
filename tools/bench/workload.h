/* What the benchmark programs share: numbers that look random and are the same in each run, and blocks that are used.
 */
#ifndef MUDLARK_BENCH_WORKLOAD_H
#define MUDLARK_BENCH_WORKLOAD_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define RANDOM_SEED UINT64_C(0x9e3779b97f4a7c15)

static inline uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Mostly 16 to 128 bytes, a quarter up to 512, some up to 4 KiB: what C programs ask for. */
static inline size_t random_small_size(uint64_t *state)
{
	uint64_t r = random_next(state);
	switch (r & 15) {
	case 0:
		return 16 + (r >> 8) % 4080;
	case 1:
	case 2:
	case 3:
	case 4:
		return 16 + (r >> 8) % 496;
	default:
		return 16 + (r >> 8) % 112;
	}
}

/* A block whose first word is written, as programs do; ends the program when there is none. */
static inline void *block_used(void *block)
{
	if (block == NULL) {
		fputs("out of memory\n", stderr);
		exit(1);
	}
	*(volatile uint64_t *)block = 1;
	return block;
}

/* A number of the command line, or the default where there is none. */
static inline long argument_number(int argc, char **argv, int index, long otherwise)
{
	return argc > index ? strtol(argv[index], NULL, 10) : otherwise;
}

/* The part of the work that the first argument asks for, in percent; all of it without one. At least 1. */
static inline int work_scaled(int work, int argc, char **argv)
{
	int scaled = (int)(work * argument_number(argc, argv, 1, 100) / 100);
	return scaled > 0 ? scaled : 1;
}

#endif
