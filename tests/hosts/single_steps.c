/*
 * Allocates in a signal handler after each instruction of functions of all shapes, of libc's raise(), and of the code
 * that finds a function when it is called for the first time: single_steps LIBRARY STACKS.
 *
 *   own         the handler runs on the stack that it interrupts
 *   signal      on a signal stack
 *   nested      on a signal stack, interrupted by another one, which allocates
 *   coroutine   what is interrupted runs on a coroutine's stack; the handler too
 *   both        what is interrupted runs on a coroutine's stack; the handler on a signal stack
 *   thread      on a signal stack, all in a thread
 *
 * Pitfall 28: the frame of a function that has not finished its prologue, or has begun its epilogue, is another one than
 * behind a call. Expected: "stepped".
 */
#define _GNU_SOURCE
#include "expect.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { TRAP_FLAG = 0x100, STACK_BYTES = 256 << 10, DEPTHS = 16 };

static void (*descend)(int, void (*)(void));
static volatile long steps, called, nests;

static void on_nested(int number)
{
	(void)number;
	free(malloc(200));
}

/* The processor's trap flag is off in here, and on again behind. */
static void on_step(int number)
{
	(void)number;
	size_t bytes = (size_t)(steps % 7) * 100 + 1;
	if (nests)
		raise(SIGUSR1);
	else
		free(malloc(bytes));
	steps = steps + 1;
}

static void nothing(void)
{
	called = called + 1;
}

/* Sets the flag in what is interrupted, from where it goes on. */
static void on_switch(int number, siginfo_t *unused, void *context)
{
	(void)number, (void)unused;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] ^= TRAP_FLAG;
}

static void run(void)
{
	for (int depth = 0; depth < DEPTHS; depth++) {
		raise(SIGUSR2);
		descend(depth, nothing);
		raise(SIGUSR2);
	}
}

static ucontext_t here, coroutine;

static void run_on_coroutine(void)
{
	char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(stack != MAP_FAILED);
	getcontext(&coroutine);
	coroutine.uc_stack.ss_sp = stack;
	coroutine.uc_stack.ss_size = STACK_BYTES;
	coroutine.uc_link = &here;
	makecontext(&coroutine, run, 0);
	swapcontext(&here, &coroutine);
	munmap(stack, STACK_BYTES);
}

static void use_signal_stack(void)
{
	static _Alignas(16) char stack[STACK_BYTES];
	stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
	NEED(sigaltstack(&alternate, NULL) == 0);
}

static void *run_in_thread(void *unused)
{
	use_signal_stack();
	run();
	return unused;
}

int main(int argc, char **argv)
{
	NEED(argc == 3);
	const char *stacks = argv[2];
	char path[4096];
	snprintf(path, sizeof(path), "%s/libframes_%s.so", getenv("HOSTS"), argv[1]);
	void *library = dlopen(path, RTLD_NOW);
	NEED(library != NULL);
	descend = (void (*)(int, void (*)(void)))dlsym(library, "frames_descend");
	bool coroutines = strcmp(stacks, "coroutine") == 0 || strcmp(stacks, "both") == 0;
	struct sigaction action = {.sa_handler = on_step};
	if (strcmp(stacks, "own") != 0 && strcmp(stacks, "coroutine") != 0)
		action.sa_flags = SA_ONSTACK;
	NEED(sigaction(SIGTRAP, &action, NULL) == 0);
	action.sa_handler = on_nested;
	NEED(sigaction(SIGUSR1, &action, NULL) == 0);
	action.sa_sigaction = on_switch;
	action.sa_flags = SA_SIGINFO;
	NEED(sigaction(SIGUSR2, &action, NULL) == 0);
	nests = strcmp(stacks, "nested") == 0;
	use_signal_stack();
	if (strcmp(stacks, "thread") == 0) {
		pthread_t thread;
		NEED(pthread_create(&thread, NULL, run_in_thread, NULL) == 0);
		pthread_join(thread, NULL);
	} else if (coroutines) {
		run_on_coroutine();
	} else {
		run();
	}
	EXPECT(steps > 500);
	puts("stepped");
	return EXPECT_STATUS;
}
