/*
 * Loses blocks in two functions: 10 of 64 bytes in lose_pairs(), each with another of 32 behind it, and 3 of 100 in
 * lose_alone(). What its first argument says is what its __lsan_default_suppressions() returns; with a second one it
 * asks for a check before its end, and prints "alive" after it; with "clean" as the second one it has lost nothing
 * then.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAIRS = 10, PAIR_BYTES = 64, SECOND_BYTES = 32, ALONE = 3, ALONE_BYTES = 100, DEAD_STACK_BYTES = 8192 };

static const char *own_suppressions = "";

const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return own_suppressions;
}

extern void __lsan_do_leak_check(void) __attribute__((weak));

static __attribute__((noinline)) void *make_second(void)
{
	return memset(malloc(SECOND_BYTES), 0, SECOND_BYTES);
}

static __attribute__((noinline)) void lose_pairs(void)
{
	for (int i = 0; i < PAIRS; i++) {
		void **first = memset(malloc(PAIR_BYTES), 0, PAIR_BYTES);
		first[1] = make_second();
	}
}

static __attribute__((noinline)) void lose_alone(void)
{
	for (int i = 0; i < ALONE; i++)
		memset(malloc(ALONE_BYTES), 0, ALONE_BYTES);
}

/* What the two have left behind on the stack. */
static __attribute__((noinline)) void forget(void)
{
	char dead[DEAD_STACK_BYTES];
	memset(dead, 0, sizeof dead);
	__asm__ volatile("" : : "r"(dead) : "memory");
}

int main(int argc, char **argv)
{
	if (argc > 1)
		own_suppressions = argv[1];
	if (argc <= 2 || strcmp(argv[2], "clean") != 0) {
		lose_pairs();
		lose_alone();
	}
	forget();
	if (argc > 2 && __lsan_do_leak_check) {
		__lsan_do_leak_check();
		puts("alive");
	}
	return 0;
}
