/*
 * Sets the rounding mode, the x87 control word, the exception flags and errno, and checks them after every kind of
 * call; then sums floating point across calls that capture.
 * Pitfall 42: the hook clobbers state that the C library's functions keep.
 * Expected: "registers kept".
 */
#define _GNU_SOURCE
#include "expect.h"

#include <errno.h>
#include <fenv.h>
#include <stdint.h>

static void expect_state(uint32_t mxcsr, uint16_t control)
{
	uint16_t now;
	__asm__ volatile("fnstcw %0" : "=m"(now));
	EXPECT((__builtin_ia32_stmxcsr() & ~63u) == (mxcsr & ~63u));
	EXPECT(now == control);
	EXPECT(errno == 4242);
}

int main(void)
{
	const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
	for (int i = 0; i < 4; i++)
		for (int flush = 0; flush < 2; flush++) {
			uint16_t control;
			fesetround(modes[i]);
			uint32_t mxcsr = __builtin_ia32_stmxcsr() | (flush ? 0x8040u : 0);
			__builtin_ia32_ldmxcsr(mxcsr);
			__asm__ volatile("fnstcw %0" : "=m"(control));
			control = (uint16_t)(control & ~0x300); /* single precision on the x87 */
			__asm__ volatile("fldcw %0" : : "m"(control));
			errno = 4242;
			for (size_t bytes = 1; bytes < 9000000; bytes = bytes * 2 + 1) {
				void *block = malloc(bytes);
				expect_state(mxcsr, control);
				block = realloc(block, bytes * 3);
				expect_state(mxcsr, control);
				free(block);
				expect_state(mxcsr, control);
				free(calloc(bytes, 1));
				free(aligned_alloc(4096, bytes));
				expect_state(mxcsr, control);
			}
			control |= 0x300;
			__asm__ volatile("fldcw %0" : : "m"(control));
			__builtin_ia32_ldmxcsr(0x1f80);
		}
	feclearexcept(FE_ALL_EXCEPT);
	free(malloc(1234567));
	EXPECT(fetestexcept(FE_ALL_EXCEPT & ~FE_INEXACT) == 0);
	double sum = 0, check = 0;
	for (int i = 1; i < 20000; i++) {
		sum += 1.0 / i;
		free(malloc((size_t)i));
	}
	for (int i = 1; i < 20000; i++)
		check += 1.0 / i;
	EXPECT(sum == check);
	puts("registers kept");
	return EXPECT_STATUS;
}
