/* Keeps BLOCKS blocks alive, of 16 to 115 bytes, from ten places; prints how many bytes those are. */
#include "expect.h"

#include <stdint.h>
#include <unistd.h>

#define KEEP(k)                                                                                                        \
	static __attribute__((noinline)) void *keep_##k(size_t n)                                                      \
	{                                                                                                              \
		void *p = malloc(n);                                                                                   \
		__asm__ volatile("" : "+r"(p) : "i"(k));                                                               \
		return p;                                                                                              \
	}
/* clang-format off */
KEEP(0) KEEP(1) KEEP(2) KEEP(3) KEEP(4) KEEP(5) KEEP(6) KEEP(7) KEEP(8) KEEP(9)
	/* clang-format on */

	static void *(*const keep[])(size_t) = {keep_0, keep_1, keep_2, keep_3, keep_4,
						keep_5, keep_6, keep_7, keep_8, keep_9};

int main(int argc, char **argv)
{
	static void *kept;
	uint64_t bytes = 0;
	NEED(argc == 2);
	for (int i = 0; i < atoi(argv[1]); i++) {
		size_t n = 16 + (size_t)i % 100;
		void **p = keep[i % 10](n);
		NEED(p);
		*p = kept;
		kept = p;
		bytes += n;
	}
	/* Not by stdio, whose buffer would be a block more. */
	char text[24];
	int length = snprintf(text, sizeof text, "%lu\n", bytes);
	return write(1, text, (size_t)length) == length ? 0 : 1;
}
