/* exact_pairs PAIRS DEPTH: that many malloc and free pairs of 64 bytes, DEPTH calls below main. For counting
 * instructions. */
#include "expect.h"

static __attribute__((noinline)) long pairs(long count)
{
	for (long i = 0; i < count; i++) {
		void *p = malloc(64);
		__asm__ volatile("" : "+r"(p));
		free(p);
	}
	return count;
}

static __attribute__((noinline)) long down(long count, int depth)
{
	long done = depth > 0 ? down(count, depth - 1) : pairs(count);
	__asm__ volatile("" : "+r"(done));
	return done;
}

int main(int argc, char **argv)
{
	NEED(argc == 3);
	return down(atol(argv[1]), atoi(argv[2])) == atol(argv[1]) ? 0 : 1;
}
