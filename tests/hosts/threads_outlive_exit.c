/*
 * Detached threads go on allocating, freeing and ending while main returns and handlers run.
 * Pitfall 7 (heaptrack's HeapTrack::tryLock comment): the tool is torn down while other threads still use it.
 * Expected: status 0, no crash, one whole snapshot.
 */
#include "expect.h"

#include <pthread.h>
#include <unistd.h>

static void *allocate_forever(void *unused)
{
	(void)unused;
	void *kept[16] = {0};
	for (unsigned i = 0;; i++) {
		free(kept[i % 16]);
		kept[i % 16] = malloc((i * 97) % 20000);
	}
	return NULL;
}

static void *short_thread(void *unused)
{
	(void)unused;
	free(malloc(64));
	return NULL;
}

static void *start_threads_forever(void *unused)
{
	(void)unused;
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	for (;;) {
		pthread_t thread;
		if (pthread_create(&thread, &attributes, short_thread, NULL) != 0)
			usleep(1000);
	}
	return NULL;
}

static void linger(void)
{
	usleep(100000);
	free(malloc(100));
}

int main(void)
{
	pthread_t thread;
	atexit(linger);
	for (int i = 0; i < 4; i++) {
		NEED(pthread_create(&thread, NULL, allocate_forever, NULL) == 0);
		pthread_detach(thread);
	}
	NEED(pthread_create(&thread, NULL, start_threads_forever, NULL) == 0);
	usleep(100000);
	puts("returns from main");
	return 0;
}
