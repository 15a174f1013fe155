/*
 * Prints the allocator's figures in threads that are to be cancelled: malloc_stats() is no cancellation point in glibc,
 * so that it prints and returns; malloc_info() is one where its stream writes.
 * Expected: the same lines plain and preloaded; the figures of malloc_stats() are on stderr.
 */
#include "expect.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>

static int returned;

static void *prints_statistics(void *unused)
{
	(void)unused;
	pthread_cancel(pthread_self());
	malloc_stats();
	returned = 1;
	pthread_testcancel();
	return NULL;
}

static void *prints_info(void *unused)
{
	(void)unused;
	pthread_cancel(pthread_self());
	malloc_info(0, stderr);
	returned = 1;
	pthread_testcancel();
	return NULL;
}

static void *prints_info_in_memory(void *unused)
{
	(void)unused;
	static char text[4096];
	FILE *stream = fmemopen(text, sizeof text, "w");
	NEED(stream != NULL);
	pthread_cancel(pthread_self());
	malloc_info(0, stream);
	returned = 1;
	pthread_testcancel();
	return NULL;
}

/* The state that the caller had is restored, whichever it was. */
static void *keeps_its_state(void *unused)
{
	(void)unused;
	int state;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	malloc_stats();
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
	returned = state == PTHREAD_CANCEL_DISABLE;
	return NULL;
}

static void run(const char *what, void *(*function)(void *))
{
	pthread_t thread;
	void *result;
	returned = 0;
	NEED(pthread_create(&thread, NULL, function, NULL) == 0);
	NEED(pthread_join(thread, &result) == 0);
	printf("%s: returned %d, cancelled %d\n", what, returned, result == PTHREAD_CANCELED);
}

int main(void)
{
	free(malloc(100));
	run("malloc_stats", prints_statistics);
	run("malloc_info", prints_info);
	run("malloc_info in memory", prints_info_in_memory);
	run("disabled", keeps_its_state);
	return EXPECT_STATUS;
}
