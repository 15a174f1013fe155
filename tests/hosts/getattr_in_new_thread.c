/*
 * The first allocation of each new thread happens inside pthread_getattr_np, which allocates a cpu set.
 * Pitfall 23 (perfetto #473): a tool that asks for the stack's bounds from inside the first malloc recurses or hangs.
 * Expected: "stacks known in 200 threads".
 */
#define _GNU_SOURCE
#include "expect.h"

#include <pthread.h>
#include <stdint.h>

static int known;

static void *run(void *unused)
{
	pthread_attr_t attributes;
	void *base = NULL;
	size_t bytes = 0;
	char here;
	EXPECT(pthread_getattr_np(pthread_self(), &attributes) == 0);
	EXPECT(pthread_attr_getstack(&attributes, &base, &bytes) == 0);
	EXPECT((char *)base < &here && &here < (char *)base + bytes);
	pthread_attr_destroy(&attributes);
	__atomic_fetch_add(&known, 1, __ATOMIC_RELAXED);
	return unused;
}

int main(void)
{
	pthread_attr_t attributes;
	EXPECT(pthread_getattr_np(pthread_self(), &attributes) == 0); /* main's: reads /proc/self/maps with getline */
	pthread_attr_destroy(&attributes);
	for (int i = 0; i < 200; i++) {
		pthread_t thread;
		NEED(pthread_create(&thread, NULL, run, NULL) == 0);
		pthread_join(thread, NULL);
	}
	printf("stacks known in %d threads\n", known);
	return EXPECT_STATUS;
}
