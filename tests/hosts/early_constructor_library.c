/*
 * A library to preload whose constructor callocs, resolves symbols and starts a thread before others are ready.
 * Pitfall 8 (heaptrack 82e6876, cca24d0, bug 395109; jemalloc #443, #916): dlsym callocs inside the tool's bootstrap.
 * Expected: any host runs as without it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *allocated[8];

static void *allocate(void *unused)
{
	(void)unused;
	return malloc(777);
}

__attribute__((constructor(101))) static void start(void)
{
	pthread_t thread;
	void *block = NULL;
	allocated[0] = calloc(7, 100);
	memset(allocated[0], 1, 700);
	allocated[1] = dlsym(RTLD_NEXT, "getpid");
	allocated[2] = malloc(100000);
	dlerror();
	dlsym(RTLD_NEXT, "there_is_no_such_symbol");
	dlerror(); /* allocates the message */
	if (pthread_create(&thread, NULL, allocate, NULL) == 0)
		pthread_join(thread, &block);
	free(block);
	allocated[0] = realloc(allocated[0], 40000);
	free(allocated[2]);
}

__attribute__((destructor)) static void end(void)
{
	free(allocated[0]);
}
