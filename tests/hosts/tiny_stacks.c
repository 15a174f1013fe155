/*
 * Allocates in threads whose stack is PTHREAD_STACK_MIN (16 KiB), and in handlers on an alternate stack of 8 KiB.
 * Pitfall 29 (perfetto's sigaltstack tests; libunwind's x64-unwind-badjmp): the tool's frames overflow the stack.
 * Expected: "tiny stacks suffice".
 */
#define _GNU_SOURCE
#include "expect.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile sig_atomic_t handled;

static void allocate_some(void)
{
	void *blocks[8];
	for (size_t i = 0; i < 8; i++)
		blocks[i] = malloc(i * 5000 + 10);
	for (int i = 0; i < 8; i++)
		free(blocks[i]);
}

static void *run(void *unused)
{
	allocate_some();
	free(strdup("on a tiny stack"));
	return unused;
}

static void handler(int number)
{
	(void)number;
	allocate_some();
	handled = handled + 1;
}

static void *run_with_alternate_stack(void *unused)
{
	/* Below the alternate stack lies a page that must not be touched. */
	char *memory = mmap(NULL, 4096 + 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(memory, 4096, PROT_NONE);
	stack_t stack = {.ss_sp = memory + 4096, .ss_size = 8192};
	EXPECT(sigaltstack(&stack, NULL) == 0);
	for (int i = 0; i < 20; i++)
		pthread_kill(pthread_self(), SIGUSR1);
	stack.ss_flags = SS_DISABLE;
	sigaltstack(&stack, NULL);
	munmap(memory, 4096 + 8192);
	return unused;
}

int main(void)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
	sigaction(SIGUSR1, &action, NULL);
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	NEED(pthread_attr_setstacksize(&attributes, (size_t)PTHREAD_STACK_MIN) == 0);
	for (int i = 0; i < 100; i++) {
		pthread_t thread;
		NEED(pthread_create(&thread, &attributes, run, NULL) == 0);
		pthread_join(thread, NULL);
	}
	for (int i = 0; i < 20; i++) {
		pthread_t thread;
		NEED(pthread_create(&thread, NULL, run_with_alternate_stack, NULL) == 0);
		pthread_join(thread, NULL);
	}
	EXPECT(handled == 400);
	puts("tiny stacks suffice");
	return EXPECT_STATUS;
}
