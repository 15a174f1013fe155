/*
 * Allocates from many different stacks: exact_stacks STACKS ROUNDS KEEP: each of the stacks allocates ROUNDS blocks of
 * 48 bytes and keeps the first KEEP of them. Prints its resident KiB at the end.
 */
#include "expect.h"

#include <stdint.h>

enum { DIGITS = 5, BASE = 8 };

static void *walk(uint32_t path, int digits);

/* Eight functions that do the same: which of them is called at each level makes the stack. */
#define LEVEL(k)                                                                                                       \
	static __attribute__((noinline)) void *level_##k(uint32_t path, int digits)                                    \
	{                                                                                                              \
		void *p = digits ? walk(path, digits) : malloc(48);                                                    \
		__asm__ volatile("" : "+r"(p) : "i"(k));                                                               \
		return p;                                                                                              \
	}
/* clang-format off */
LEVEL(0) LEVEL(1) LEVEL(2) LEVEL(3) LEVEL(4) LEVEL(5) LEVEL(6) LEVEL(7)
	/* clang-format on */

	static inline __attribute__((always_inline)) void *step(uint32_t path, int digits)
{
	static void *(*const level[BASE])(uint32_t, int) = {level_0, level_1, level_2, level_3,
							    level_4, level_5, level_6, level_7};
	return level[path % BASE](path / BASE, digits - 1);
}

static __attribute__((noinline)) void *walk(uint32_t path, int digits)
{
	void *p = step(path, digits);
	__asm__ volatile("" : "+r"(p));
	return p;
}

int main(int argc, char **argv)
{
	NEED(argc == 4);
	uint32_t stacks = (uint32_t)atoi(argv[1]);
	int rounds = atoi(argv[2]), keep = atoi(argv[3]);
	static void *kept;
	NEED(stacks <= BASE * BASE * BASE * BASE * BASE);
	for (int round = 0; round < rounds; round++) {
		for (uint32_t i = 0; i < stacks; i++) {
			void **p = walk(i, DIGITS);
			NEED(p);
			if (round < keep)
				*p = kept, kept = p;
			else
				free(p);
		}
	}
	printf("%ld\n", resident_kib());
	return 0;
}
