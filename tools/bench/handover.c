/*
 * Two producers allocate, two consumers free: every block is freed by another thread than its own. Blocks travel in
 * batches through bounded queues, so the queues' locks cost little beside the blocks.
 */
#include "tools/bench/workload.h"

#include <pthread.h>

enum { PAIRS = 2, BATCH = 200, QUEUE = 64, BATCHES = 20000 };

struct batch {
	void *block[BATCH];
};

/* A ring of batches; protected by lock. */
struct queue {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct batch ring[QUEUE];
	unsigned put, taken;
};

static struct queue queues[PAIRS];
static int batches;

static void *produce(void *argument)
{
	struct queue *queue = argument;
	uint64_t random = RANDOM_SEED + (uint64_t)(queue - queues);
	for (int n = 0; n < batches; n++) {
		struct batch batch;
		for (int i = 0; i < BATCH; i++)
			batch.block[i] = block_used(malloc(random_small_size(&random)));
		pthread_mutex_lock(&queue->lock);
		while (queue->put - queue->taken == QUEUE)
			pthread_cond_wait(&queue->changed, &queue->lock);
		queue->ring[queue->put++ % QUEUE] = batch;
		pthread_mutex_unlock(&queue->lock);
		pthread_cond_signal(&queue->changed);
	}
	return NULL;
}

static void *consume(void *argument)
{
	struct queue *queue = argument;
	for (int n = 0; n < batches; n++) {
		pthread_mutex_lock(&queue->lock);
		while (queue->put == queue->taken)
			pthread_cond_wait(&queue->changed, &queue->lock);
		struct batch batch = queue->ring[queue->taken++ % QUEUE];
		pthread_mutex_unlock(&queue->lock);
		pthread_cond_signal(&queue->changed);
		for (int i = 0; i < BATCH; i++)
			free(batch.block[i]);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	batches = work_scaled(BATCHES, argc, argv);
	pthread_t threads[2 * PAIRS];
	for (size_t i = 0; i < PAIRS; i++) {
		pthread_mutex_init(&queues[i].lock, NULL);
		pthread_cond_init(&queues[i].changed, NULL);
		pthread_create(&threads[2 * i], NULL, produce, &queues[i]);
		pthread_create(&threads[2 * i + 1], NULL, consume, &queues[i]);
	}
	for (int i = 0; i < 2 * PAIRS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
