/* 20,000 threads, four at a time; each allocates 100 blocks, frees half of them and leaves half to its creator. */
#include "tools/bench/workload.h"

#include <pthread.h>

enum { THREADS = 20000, TOGETHER = 4, BLOCKS = 100 };

struct work {
	void *left[BLOCKS / 2];
	uint64_t random;
};

static void *run(void *argument)
{
	struct work *work = argument;
	void *own[BLOCKS / 2];
	for (int i = 0; i < BLOCKS / 2; i++) {
		own[i] = block_used(malloc(random_small_size(&work->random)));
		work->left[i] = block_used(malloc(random_small_size(&work->random)));
	}
	for (int i = 0; i < BLOCKS / 2; i++)
		free(own[i]);
	return NULL;
}

int main(int argc, char **argv)
{
	int threads_wanted = work_scaled(THREADS, argc, argv);
	static struct work works[TOGETHER];
	for (int n = 0; n < threads_wanted; n += TOGETHER) {
		pthread_t threads[TOGETHER];
		for (int t = 0; t < TOGETHER; t++) {
			works[t].random = RANDOM_SEED + (uint64_t)(n + t);
			pthread_create(&threads[t], NULL, run, &works[t]);
		}
		for (int t = 0; t < TOGETHER; t++) {
			pthread_join(threads[t], NULL);
			for (int i = 0; i < BLOCKS / 2; i++)
				free(works[t].left[i]);
		}
	}
	return 0;
}
