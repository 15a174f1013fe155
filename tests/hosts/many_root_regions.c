/*
 * Keeps each of as many blocks as the argument says by a page of its own that cannot be written to, and registers the
 * page as a root region.
 *
 * Pitfall: there is room for so many regions only, and what the others keep is taken for lost.
 * Expected: nothing is lost, or that is not certain.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <sys/mman.h>

enum { PAGE_BYTES = 4096, BLOCK_BYTES = 40 };

extern void __lsan_register_root_region(const void *start, size_t bytes) __attribute__((weak));

static __attribute__((noinline)) void fill(char *pages, size_t count)
{
	for (size_t i = 0; i < count; i++)
		*(void **)(pages + i * PAGE_BYTES) = malloc(BLOCK_BYTES);
}

int main(int argc, char **argv)
{
	size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
	char *pages = mmap(NULL, count * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(pages != MAP_FAILED);
	fill(pages, count);
	NEED(mprotect(pages, count * PAGE_BYTES, PROT_READ) == 0);
	for (size_t i = 0; i < count && __lsan_register_root_region; i++)
		__lsan_register_root_region(pages + i * PAGE_BYTES, PAGE_BYTES);
	return EXPECT_STATUS;
}
