/*
 * Iterations that a program marks: `iterates N LEAKED HELD`: each of N iterations makes 200 blocks of which HELD live
 * on to the next, and loses LEAKED.
 */
#include "preload/interface/mudlark.h"

#include <stdlib.h>

enum { CHURN = 200, BYTES = 48, LEAKED_BYTES = 96 };

static void *kept[CHURN];
static void *volatile lost;

__attribute__((noinline)) static void work(int held)
{
	for (int i = 0; i < CHURN; i++) {
		free(kept[i]);
		kept[i] = malloc(BYTES);
	}
	for (int i = held; i < CHURN; i++) {
		free(kept[i]);
		kept[i] = NULL;
	}
}

__attribute__((noinline)) static void forget_one(void)
{
	lost = malloc(LEAKED_BYTES);
}

int main(int argc, char **argv)
{
	int iterations = argc > 1 ? atoi(argv[1]) : 20, leaked = argc > 2 ? atoi(argv[2]) : 0;
	int held = argc > 3 ? atoi(argv[3]) : 40;
	int status = argc > 4 ? atoi(argv[4]) : 0;
	for (int i = 0; i < iterations; i++) {
		work(held);
		for (int j = 0; j < leaked; j++)
			forget_one();
		MUDLARK(mark());
	}
	return status;
}
