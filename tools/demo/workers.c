/*
 * The demonstration's C program: four threads answer requests for two seconds. One answer in eight goes the way of an
 * error, on which its buffer is not freed: 256 bytes.
 */
#include "mudlark.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORKERS = 4, ROUNDS = 100, REQUESTS_IN_ROUND = 40, BUFFER_BYTES = 256, ERROR_EVERY = 8, ANSWER_BYTES = 2000 };

struct request {
	unsigned number;
	char *buffer;
};

__attribute__((noinline)) static void request_begin(struct request *request, unsigned number)
{
	request->number = number;
	request->buffer = malloc(BUFFER_BYTES); /* the line that the demonstration must name */
	if (!request->buffer)
		abort();
	memset(request->buffer, 'x', BUFFER_BYTES);
}

static void request_answer(const struct request *request)
{
	char *answer = calloc(1, ANSWER_BYTES);
	if (!answer)
		abort();
	snprintf(answer, ANSWER_BYTES, "%u: %.*s", request->number, BUFFER_BYTES, request->buffer);
	free(answer);
}

__attribute__((noinline)) static int request_end(struct request *request)
{
	if (request->number % ERROR_EVERY == 0)
		return -1; /* and the buffer? */
	free(request->buffer);
	return 0;
}

static void *work(void *label)
{
	MUDLARK(thread_label(label));
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < REQUESTS_IN_ROUND; i++) {
			struct request request;
			request_begin(&request, i);
			request_answer(&request);
			(void)request_end(&request);
		}
		usleep(20000);
	}
	return NULL;
}

int main(void)
{
	static char *labels[WORKERS] = {"worker A", "worker B", "worker C", "worker D"};
	pthread_t threads[WORKERS];
	MUDLARK(snapshot("before the work"));
	for (int i = 0; i < WORKERS; i++)
		pthread_create(&threads[i], NULL, work, labels[i]);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
