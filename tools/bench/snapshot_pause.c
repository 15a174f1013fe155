/*
 * snapshot_pause [STACKS [BLOCKS [SNAPSHOTS [RENEWED]]]]: BLOCKS live small blocks from STACKS distinct stacks
 * (1,000,000 from 20,000), then SNAPSHOTS (10) snapshots through the library's own interface; after each, RENEWED (0)
 * of the blocks make room for new ones, which makes rows of another epoch. For each snapshot one line: the ms that the
 * call took, and how many of them it had a processor. Run it under the preload; what the snapshots themselves say
 * (held_ns, write_ns) is in `mudlark show
 * --json`.
 *
 * A stack is a path of BITS calls, one of two functions at each level, that spells the stack's number.
 */
#include "preload/interface/mudlark.h"
#include "tools/bench/workload.h"

#include <time.h>

enum { BITS = 18, STACKS = 20000, BLOCKS = 1000000, SNAPSHOTS = 10 };

/* Between two snapshots: a copy that writes one has ended by then. */
static const struct timespec rest = {.tv_nsec = 200000000};

static uint64_t walk = RANDOM_SEED;

static void *left(unsigned stack, int level);
static void *right(unsigned stack, int level);

static void *descend(unsigned stack, int level)
{
	if (level == 0)
		return block_used(malloc(16 + (random_next(&walk) >> 20) % 112));
	return (stack >> (level - 1) & 1 ? right : left)(stack, level - 1);
}

/* A function that calls on, with a frame of a size of its own: the two must not become one. */
#define BRANCH(name, bytes)                                                                                            \
	static __attribute__((noinline)) void *name(unsigned stack, int level)                                         \
	{                                                                                                              \
		volatile char frame[bytes];                                                                            \
		frame[0] = (char)level;                                                                                \
		void *block = descend(stack, level);                                                                   \
		frame[(bytes)-1] = frame[0];                                                                           \
		return block;                                                                                          \
	}
BRANCH(left, 16)
BRANCH(right, 48)

static double now_ms(clockid_t clock)
{
	struct timespec time;
	clock_gettime(clock, &time);
	return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static unsigned long argument(int argc, char **argv, int index, unsigned long otherwise)
{
	return argc > index ? strtoul(argv[index], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
	unsigned long stacks = argument(argc, argv, 1, STACKS), blocks = argument(argc, argv, 2, BLOCKS);
	unsigned long snapshots = argument(argc, argv, 3, SNAPSHOTS), renewed = argument(argc, argv, 4, 0);
	if (stacks == 0 || stacks > 1ul << BITS || blocks == 0 || mudlark_snapshot == NULL) {
		fprintf(stderr,
			"under libmudlark.so: snapshot_pause [STACKS (1 to %lu) [BLOCKS [SNAPSHOTS [RENEWED]]]]\n",
			1ul << BITS);
		return 2;
	}
	static void **live; /* what it holds is live until the end */
	live = calloc(blocks, sizeof *live);
	if (live == NULL)
		return 1;
	for (unsigned long i = 0; i < blocks; i++)
		live[i] = descend((unsigned)(random_next(&walk) % stacks), BITS);
	for (unsigned long n = 0; n < snapshots; n++) {
		double begun = now_ms(CLOCK_MONOTONIC), cpu_begun = now_ms(CLOCK_THREAD_CPUTIME_ID);
		int error = mudlark_snapshot("pause");
		double cpu = now_ms(CLOCK_THREAD_CPUTIME_ID) - cpu_begun;
		printf("%.3f %.3f%s\n", now_ms(CLOCK_MONOTONIC) - begun, cpu, error ? " failed" : "");
		nanosleep(&rest, NULL);
		for (unsigned long i = 0; i < renewed; i++) {
			unsigned long at = random_next(&walk) % blocks;
			free(live[at]);
			live[at] = descend((unsigned)(random_next(&walk) % stacks), BITS);
		}
	}
	return 0;
}
