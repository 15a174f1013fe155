/*
 * Loses a block of 3 GiB of which it touches one page.
 * Pitfall: what an allocator remembers of such a block, the start of each GiB among it, is taken for a pointer to it.
 * Expected: the block is lost.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static __attribute__((noinline)) void lose(void)
{
	volatile char *block = malloc((size_t)3 << 30);
	if (!block) {
		fputs("skipped: no address space\n", stderr);
		_Exit(23);
	}
	block[0] = 1;
}

static __attribute__((noinline)) void clear_stack(void)
{
	volatile uintptr_t words[512];
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		words[i] = 0;
}

int main(void)
{
	lose();
	clear_stack();
	return 0;
}
