/*
 * Dlopens a library with static TLS, and uses it from threads that existed before and after.
 * Pitfall 21 (jemalloc #937, #1237, #1249, #1890): the tool's TLS exhausts the surplus for late libraries.
 * Expected: "static TLS found".
 */
#include "expect.h"

#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>

static int (*sum)(void);
static pthread_barrier_t opened;

static void *use(void *wait)
{
	free(malloc(10));
	if (wait != NULL)
		pthread_barrier_wait(&opened);
	EXPECT(sum() == 1);
	free(malloc(10));
	return NULL;
}

int main(void)
{
	pthread_t before, after;
	char path[4096];
	pthread_barrier_init(&opened, NULL, 2);
	NEED(pthread_create(&before, NULL, use, &opened) == 0);
	snprintf(path, sizeof(path), "%s/liblarge_tls.so", getenv("HOSTS"));
	void *library = dlopen(path, RTLD_NOW);
	if (library == NULL)
		fprintf(stderr, "%s\n", dlerror());
	NEED(library != NULL);
	sum = (int (*)(void))dlsym(library, "tls_plugin_sum");
	pthread_barrier_wait(&opened);
	NEED(pthread_create(&after, NULL, use, NULL) == 0);
	pthread_join(before, NULL);
	pthread_join(after, NULL);
	EXPECT(sum() == 1);
	puts("static TLS found");
	return EXPECT_STATUS;
}
