/*
 * Allocates below frames of every shape, in a library that is named: frames LIBRARY [thread|coroutine].
 * Pitfall 31: what an unwinder finds is what the compiler left it to find.
 * Expected: "below frames 400".
 */
#include "expect.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>
#include <ucontext.h>

static void (*descend)(int, void (*)(void));
static int count;

static void allocate(void)
{
	free(malloc(100));
	count++;
}

static void *run(void *unused)
{
	for (int i = 0; i < 400; i++)
		descend(i * 7 % 61, allocate);
	return unused;
}

static ucontext_t here, coroutine;

static void run_coroutine(void)
{
	run(NULL);
}

int main(int argc, char **argv)
{
	char path[4096];
	NEED(argc > 1);
	snprintf(path, sizeof(path), "%s/libframes_%s.so", getenv("HOSTS"), argv[1]);
	void *library = dlopen(path, RTLD_NOW);
	NEED(library != NULL);
	descend = (void (*)(int, void (*)(void)))dlsym(library, "frames_descend");
	if (argc > 2 && strcmp(argv[2], "thread") == 0) {
		pthread_t thread;
		NEED(pthread_create(&thread, NULL, run, NULL) == 0);
		pthread_join(thread, NULL);
	} else if (argc > 2) {
		/* Its stack lies within this one. */
		static const size_t bytes = 512 << 10;
		char stack[512 << 10];
		getcontext(&coroutine);
		coroutine.uc_stack.ss_sp = stack;
		coroutine.uc_stack.ss_size = bytes;
		coroutine.uc_link = &here;
		makecontext(&coroutine, run_coroutine, 0);
		swapcontext(&here, &coroutine);
	} else {
		run(NULL);
	}
	printf("below frames %d\n", count);
	return EXPECT_STATUS;
}
