/*
 * Allocates through a plugin's function, closes it, opens another plugin, which the loader maps to the same place and
 * whose function has another frame around the same return address; on the thread's stack, in a thread, and in a
 * coroutine.
 * Pitfall 27 (libunwind #537, #648): frames are walked by what an unwinder remembers of the closed library. Where it
 * takes a number for a frame pointer, the host crashes.
 * Expected: "reopened at the same place".
 */
#include "expect.h"

#include <dlfcn.h>
#include <pthread.h>
#include <ucontext.h>

static void allocate(void)
{
	free(malloc(100));
}

static int moved;

static void *run(void *unused)
{
	enum { BUILDS = 6 };
	static const char *const builds[BUILDS] = {"pointer", "small", "large", "pointer", "large", "small"};
	void *first = NULL;
	for (int i = 0; i < 60; i++) {
		char path[4096];
		snprintf(path, sizeof(path), "%s/libframe_%s.so", getenv("HOSTS"), builds[i % BUILDS]);
		void *plugin = dlopen(path, RTLD_NOW);
		NEED(plugin != NULL);
		void (*call)(void (*)(void)) = (void (*)(void (*)(void)))dlsym(plugin, "plugin_call");
		for (int k = 0; k < 5; k++)
			call(allocate);
		/* In the first round, what is allocated for the first time takes places. */
		moved += i >= BUILDS && first != (void *)call;
		first = (void *)call;
		dlclose(plugin);
	}
	return unused;
}

static ucontext_t here, coroutine;
static char stack[256 << 10];

static void run_coroutine(void)
{
	run(NULL);
}

int main(void)
{
	pthread_t thread;
	run(NULL);
	NEED(pthread_create(&thread, NULL, run, NULL) == 0);
	pthread_join(thread, NULL);
	getcontext(&coroutine);
	coroutine.uc_stack.ss_sp = stack;
	coroutine.uc_stack.ss_size = sizeof(stack);
	coroutine.uc_link = &here;
	makecontext(&coroutine, run_coroutine, 0);
	swapcontext(&here, &coroutine);
	EXPECT(moved == 0);
	puts("reopened at the same place");
	return EXPECT_STATUS;
}
