// Leaks in functions that are inlined into others. argv: blocks that an iteration loses in the first, and in the second.
#include "mudlark.h"

#include <stdlib.h>
#include <string.h>

#define INTO static inline __attribute__((always_inline))

static void *volatile last;

INTO void lose_row(void)
{
	void *block = malloc(96);
	if (!block)
		abort();
	memset(block, 1, 96);
	last = block;
	last = NULL;
}

INTO void lose_name(void)
{
	void *block = malloc(96);
	if (!block)
		abort();
	memset(block, 2, 96);
	last = block;
	last = NULL;
}

__attribute__((noinline)) static void handle(int rows, int names)
{
	for (int i = 0; i < rows; i++)
		lose_row();
	for (int i = 0; i < names; i++)
		lose_name();
	__asm__ volatile("" ::: "memory");
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	for (int i = 0; i < 25; i++) {
		handle(atoi(argv[1]), atoi(argv[2]));
		mudlark_mark();
	}
	return 0;
}
