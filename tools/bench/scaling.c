/*
 * scaling [PAIRS]: PAIRS malloc/free pairs (2 million) in one thread, then as many in each of two at once, under
 * stacks 16 deep; ROUNDS times in turn. Prints one line of JSON: how many times the throughput of one thread two have,
 * and how many times that of a loop that needs nothing of memory, which is what the machine has to give just then.
 */
#include "tools/bench/workload.h"

#include <pthread.h>
#include <time.h>

enum { PAIRS = 2000000, LIVE = 1024, DEPTH = 12, BURST = 64, THREADS = 2, ROUNDS = 7, IDLE_STEPS = 20 };

/* Each thread's on cache lines of its own. */
struct work {
	_Alignas(128) void *live[LIVE];
	uint64_t random;
	long pairs;
};

static __attribute__((noinline)) void descend(struct work *work, int depth)
{
	volatile char frame[32];
	frame[0] = (char)depth;
	if (depth > 0)
		descend(work, depth - 1);
	for (int i = 0; i < BURST && depth == 0; i++) {
		size_t at = (random_next(&work->random) >> 20) % LIVE;
		free(work->live[at]);
		work->live[at] = block_used(malloc(random_small_size(&work->random)));
	}
	frame[1] = frame[0];
}

static void *run(void *argument)
{
	struct work *work = argument;
	for (long done = 0; done < work->pairs; done += BURST)
		descend(work, DEPTH);
	for (int i = 0; i < LIVE; i++) {
		free(work->live[i]);
		work->live[i] = NULL;
	}
	return NULL;
}

/* The same number of steps without memory. */
static void *run_idle(void *argument)
{
	struct work *work = argument;
	for (long done = 0; done < work->pairs; done++)
		random_next(&work->random);
	return NULL;
}

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Pairs in a second, of all threads together. */
static double throughput(void *(*routine)(void *), int threads, long pairs)
{
	static struct work works[THREADS];
	pthread_t thread[THREADS];
	double start = now();
	for (int t = 0; t < threads; t++) {
		works[t].random = RANDOM_SEED + (uint64_t)t;
		works[t].pairs = pairs;
		pthread_create(&thread[t], NULL, routine, &works[t]);
	}
	for (int t = 0; t < threads; t++)
		pthread_join(thread[t], NULL);
	return (double)pairs * threads / (now() - start);
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Times that two threads get done what one does. Sets the throughput of one. */
static double scaling(void *(*routine)(void *), long pairs, double *alone)
{
	double ratio[ROUNDS];
	*alone = 0;
	for (int round = 0; round < ROUNDS; round++) {
		double one = throughput(routine, 1, pairs);
		ratio[round] = throughput(routine, THREADS, pairs) / one;
		*alone = one > *alone ? one : *alone;
	}
	qsort(ratio, ROUNDS, sizeof ratio[0], ascending);
	return ratio[ROUNDS / 2];
}

int main(int argc, char **argv)
{
	long pairs = argument_number(argc, argv, 1, PAIRS);
	double alone, idle_alone;
	double idle = scaling(run_idle, pairs * IDLE_STEPS, &idle_alone), ratio = scaling(run, pairs, &alone);
	printf("{\"figure\": \"throughput of two threads against one's\", \"value\": %.3f, \"unit\": \"times\", "
	       "\"goal\": \"at least 1.8\", \"note\": \"a loop without memory: %.2f times; one thread: %.1f million "
	       "pairs a second\"}\n",
	       ratio, idle, alone / 1e6);
	return 0;
}
