/*
 * Blocks of libc's own malloc, got from it by name past the preload, meet the preload's free, realloc and
 * malloc_usable_size.
 * Pitfall 11, the part that clearing RTLD_DEEPBIND cannot cure (research/allocator.md F5).
 * Expected: "foreign blocks handled", nothing on stderr.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <dlfcn.h>
#include <malloc.h>
#include <string.h>

int main(void)
{
	void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
	NEED(libc != NULL);
	void *(*allocate)(size_t) = (void *(*)(size_t))dlsym(libc, "__libc_malloc");
	void *(*aligned)(size_t, size_t) = (void *(*)(size_t, size_t))dlsym(libc, "__libc_memalign");
	NEED(allocate != NULL && aligned != NULL);
	for (size_t bytes = 1; bytes < 3000000; bytes = bytes * 3 + 1) {
		char *block = allocate(bytes);
		NEED(block != NULL);
		memset(block, 'x', bytes);
		EXPECT(malloc_usable_size(block) >= bytes);
		block = realloc(block, bytes + 5000);
		EXPECT(block != NULL && block[bytes - 1] == 'x');
		free(block);
		free(allocate(bytes));
		free(aligned(256, bytes));
		block = realloc(allocate(bytes), 0);
		EXPECT(block == NULL);
	}
	puts("foreign blocks handled");
	return EXPECT_STATUS;
}
