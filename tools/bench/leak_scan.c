/*
 * What a search for leaks has to read. Run under the preload; the snapshot says how long it took (scan_ns), how much it
 * read (scanned_bytes) and for how long the threads stood (stopped_ns).
 *
 *   leak_scan tree ORDER BLOCKS BYTES PERCENT   BLOCKS blocks of BYTES, PERCENT of whose words are pointers; then it ends
 *   leak_scan wait WAITING BUSY MIB             MIB MiB of blocks, so many threads that wait and that compute; says
 *                                               "ready", and ends with its standard input
 *
 * The blocks are a binary tree, so that each one has to be found through another, and pointers beyond those lead
 * anywhere in it. ORDER says how the tree lies in memory: `allocated`, level by level, or `random`, where hardly a
 * pointer leads to what is in the caches: a program that has run for long lies between the two. One branch in LOST is
 * cut off.
 */
#include "tools/bench/workload.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum { LOST = 1000, CHILDREN = 2, BLOCK_BYTES = 112, BLOCK_PERCENT = 20, THREADS_MAX = 4096 };

/* The only way to the tree. Volatile: nobody reads it, and it must be written all the same. */
static uint64_t *volatile root;

static uint64_t random_state = RANDOM_SEED;

static size_t random_below(size_t count)
{
	return (random_next(&random_state) >> 16) % count;
}

static void shuffle(uint64_t **block, size_t count)
{
	for (size_t i = count; i > 1; i--) {
		size_t other = random_below(i);
		uint64_t *at = block[i - 1];
		block[i - 1] = block[other];
		block[other] = at;
	}
}

/* Words that are no pointers are numbers: small, or with their high bits set. */
static void fill(uint64_t *block, size_t words)
{
	for (size_t i = 0; i < words; i++) {
		uint64_t number = random_next(&random_state);
		block[i] = i % 2 ? number | (uint64_t)1 << 47 : number & 0xffffff;
	}
}

/* Block n has the children 2n + 1 and 2n + 2; other pointers are spread over the rest of the block. */
static void link_tree(uint64_t **block, size_t count, size_t words, size_t pointers)
{
	for (size_t n = 0; n < count; n++) {
		fill(block[n], words);
		for (size_t child = 2 * n + 1, i = 0; i < CHILDREN && child < count; i++, child++)
			block[n][i] = child % LOST ? (uint64_t)(uintptr_t)block[child] : 0;
		for (size_t i = CHILDREN; i < pointers; i++)
			block[n][i * words / pointers] = (uint64_t)(uintptr_t)block[random_below(count)];
	}
}

static void make_tree(bool in_order, size_t count, size_t bytes, size_t percent)
{
	size_t words = bytes / sizeof(uint64_t), pointers = words * percent / 100;
	uint64_t **block = malloc(count * sizeof *block);
	block_used(block);
	for (size_t n = 0; n < count; n++)
		block[n] = block_used(malloc(bytes));
	if (!in_order)
		shuffle(block, count);
	link_tree(block, count, words, pointers);
	root = block[0];
	/* Nothing else is to lead to the blocks. */
	memset(block, 0, count * sizeof *block);
	free(block);
}

static void *wait_for_end(void *argument)
{
	pthread_barrier_wait(argument);
	for (;;)
		pause();
	return NULL;
}

static void *compute(void *argument)
{
	pthread_barrier_wait(argument);
	for (uint64_t state = RANDOM_SEED;;)
		*(volatile uint64_t *)&state = random_next(&state);
	return NULL;
}

static int stand_by(long waiting, long busy, long mib)
{
	pthread_barrier_t barrier;
	pthread_t thread;
	char byte;
	if (waiting < 0 || busy < 0 || waiting + busy > THREADS_MAX || mib < 0)
		return 2;
	if (mib)
		make_tree(false, ((size_t)mib << 20) / BLOCK_BYTES, BLOCK_BYTES, BLOCK_PERCENT);
	pthread_barrier_init(&barrier, NULL, (unsigned)(waiting + busy + 1));
	for (long i = 0; i < waiting + busy; i++)
		if (pthread_create(&thread, NULL, i < waiting ? wait_for_end : compute, &barrier))
			return 1;
	pthread_barrier_wait(&barrier);
	puts("ready");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		continue;
	return 0;
}

static int usage(void)
{
	fputs("under libmudlark.so: leak_scan tree allocated|random BLOCKS BYTES PERCENT\n"
	      "                     leak_scan wait WAITING BUSY MIB\n",
	      stderr);
	return 2;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 2 ? argv[1] : "";
	bool in_order = argc > 2 && strcmp(argv[2], "allocated") == 0;
	if (argc == 5 && strcmp(mode, "wait") == 0)
		return stand_by(argument_number(argc, argv, 2, 0), argument_number(argc, argv, 3, 0),
				argument_number(argc, argv, 4, 0));
	long blocks = argument_number(argc, argv, 3, 0), bytes = argument_number(argc, argv, 4, 0);
	if (argc != 6 || strcmp(mode, "tree") != 0 || blocks <= 0 || bytes < (long)(CHILDREN * sizeof(uint64_t)))
		return usage();
	make_tree(in_order, (size_t)blocks, (size_t)bytes, (size_t)argument_number(argc, argv, 5, 0));
	return 0;
}
