/*
 * deep_stacks [PERCENT [BURST]]: 5.3 million malloc/free pairs under stacks 36 deep, in a walk through a random call
 * tree that goes some frames up and down between bursts, as programs do. Most captures therefore share their outer
 * frames with the one before. The tree has 16,384 leaves. BURST (10) pairs have the same stack before the walk goes on.
 */
#include "tools/bench/workload.h"

#include <stdbool.h>

enum {
	DEPTH = 36,
	ALIKE = 3, /* levels from the root that have one way on, the others have two: 2^14 stacks */
	BURST = 10,
	LIVE = 4096,
	PAIRS = 5300000,
};

static uint64_t walk = RANDOM_SEED;
static void *live[LIVE];
static int pairs_left;
static int pairs_in_burst;

static void descend(int depth);

static __attribute__((noinline)) void burst(void)
{
	for (int i = 0; i < pairs_in_burst; i++) {
		size_t at = (random_next(&walk) >> 20) % LIVE;
		free(live[at]);
		live[at] = block_used(malloc(random_small_size(&walk)));
	}
	pairs_left -= pairs_in_burst;
}

/* A function that calls on, and whose frame has a size of its own. The empty asm keeps the call from being a jump. */
#define BRANCH(name, bytes)                                                                                            \
	static __attribute__((noinline)) void name(int depth)                                                          \
	{                                                                                                              \
		volatile char frame[bytes];                                                                            \
		frame[0] = (char)depth;                                                                                \
		descend(depth + 1);                                                                                    \
		frame[(bytes)-1] = frame[0];                                                                           \
	}
BRANCH(branch_a, 16)
BRANCH(branch_b, 48)
BRANCH(branch_c, 112)
BRANCH(branch_d, 208)

/* Each level is two frames. A level is left again with probability 1/2 after it was entered once. */
static __attribute__((noinline)) void descend(int depth)
{
	do {
		if (depth >= DEPTH / 2 - 1) {
			burst();
			return;
		}
		bool other = depth >= ALIKE && random_next(&walk) >> 63;
		if (depth % 2 == 0)
			(other ? branch_a : branch_b)(depth);
		else
			(other ? branch_c : branch_d)(depth);
	} while (pairs_left > 0 && random_next(&walk) >> 63);
}

int main(int argc, char **argv)
{
	pairs_left = work_scaled(PAIRS, argc, argv);
	pairs_in_burst = (int)argument_number(argc, argv, 2, BURST);
	while (pairs_left > 0)
		descend(0);
	for (int i = 0; i < LIVE; i++)
		free(live[i]);
	return 0;
}
