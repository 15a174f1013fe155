/*
 * other_stacks [PAIRS]: one malloc and free from a place, again and again, on the thread's own stack, in signal handlers,
 * on a signal stack and on coroutines' stacks, shallow and deep. Prints a line of JSON for each: ns a pair, medians of
 * interleaved rounds.
 */
#include "tools/bench/workload.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <ucontext.h>

enum { PAIRS = 20000, ROUNDS = 15, SHALLOW = 2, DEEP = 40, STACK_BYTES = 256 << 10, GOAL_TIMES = 3 };

static long pairs;
static int depth;
static double ns;
static ucontext_t here, coroutine;
static _Alignas(64) char signal_stack[STACK_BYTES], coroutine_stack[STACK_BYTES];

static double now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static __attribute__((noinline)) void allocate(int calls)
{
	if (calls > 0) {
		allocate(calls - 1);
	} else {
		double begun = now_ns();
		for (long i = 0; i < pairs; i++) {
			char *block = malloc(100);
			*(volatile char *)block = 1;
			free(block);
		}
		ns = (now_ns() - begun) / (double)pairs;
	}
	__asm__ volatile("");
}

static void run(void)
{
	allocate(depth);
}

static void on_signal(int number)
{
	(void)number;
	run();
}

static void in_handler(void)
{
	raise(SIGUSR1);
}

static void on_signal_stack(void)
{
	raise(SIGUSR2);
}

static void on_coroutine(void)
{
	getcontext(&coroutine);
	coroutine.uc_stack.ss_sp = coroutine_stack;
	coroutine.uc_stack.ss_size = sizeof coroutine_stack;
	coroutine.uc_link = &here;
	makecontext(&coroutine, run, 0);
	swapcontext(&here, &coroutine);
}

static const struct {
	const char *name;
	void (*run)(void);
} places[] = {{"on the thread's own stack", run},
	      {"in a signal handler", in_handler},
	      {"on a signal stack", on_signal_stack},
	      {"on a coroutine", on_coroutine}};

enum { PLACES = sizeof places / sizeof places[0] };

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void measure(int calls)
{
	static double took[PLACES][ROUNDS];
	depth = calls;
	for (int round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < PLACES; i++) {
			places[i].run();
			took[i][round] = ns;
		}
	for (size_t i = 0; i < PLACES; i++)
		qsort(took[i], ROUNDS, sizeof took[i][0], ascending);
	double own = took[0][ROUNDS / 2];
	for (size_t i = 0; i < PLACES; i++)
		printf("{\"figure\": \"malloc and free %s, %d calls deep\", \"value\": %.1f, \"unit\": \"ns\", "
		       "\"goal\": \"at most %.0f\", \"note\": \"%.2f times as on the thread's own\"}\n",
		       places[i].name, calls, took[i][ROUNDS / 2], GOAL_TIMES * own, took[i][ROUNDS / 2] / own);
}

int main(int argc, char **argv)
{
	stack_t alternate = {.ss_sp = signal_stack, .ss_size = sizeof signal_stack};
	struct sigaction action = {.sa_handler = on_signal};
	pairs = argument_number(argc, argv, 1, PAIRS);
	sigaction(SIGUSR1, &action, NULL);
	action.sa_flags = SA_ONSTACK;
	sigaltstack(&alternate, NULL);
	sigaction(SIGUSR2, &action, NULL);
	measure(SHALLOW);
	measure(DEEP);
	return 0;
}
