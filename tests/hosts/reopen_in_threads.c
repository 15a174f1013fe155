/*
 * Four threads open, call and close plugins that the loader maps to each other's places, with other frames around the
 * same return address: one thread's plugin is mapped and runs before another's dlclose has returned.
 * Pitfall 27: what an unwinder remembers of a library must be gone before the library is.
 * Expected: "reopened in threads".
 */
#include "expect.h"

#include <dlfcn.h>
#include <pthread.h>

enum { THREADS = 4, ROUNDS = 3000, CALLS = 3 };

static void allocate(void)
{
	free(malloc(100));
}

static void *run(void *seed)
{
	static const char *const builds[] = {"pointer", "small", "large"};
	unsigned random = (unsigned)(size_t)seed;
	for (int i = 0; i < ROUNDS; i++) {
		char path[4096];
		random = random * 1664525u + 1013904223u;
		snprintf(path, sizeof(path), "%s/libframe_%s.so", getenv("HOSTS"), builds[(random >> 16) % 3]);
		void *plugin = dlopen(path, RTLD_NOW);
		NEED(plugin != NULL);
		void (*call)(void (*)(void)) = (void (*)(void (*)(void)))dlsym(plugin, "plugin_call");
		for (int k = 0; k < CALLS; k++)
			call(allocate);
		dlclose(plugin);
	}
	return seed;
}

int main(void)
{
	pthread_t thread[THREADS];
	for (size_t i = 0; i < THREADS; i++)
		NEED(pthread_create(&thread[i], NULL, run, (void *)(i + 1)) == 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	puts("reopened in threads");
	return EXPECT_STATUS;
}
