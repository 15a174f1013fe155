/*
 * Calls every entry point of the malloc family, those of C23 through weak symbols, and frees each one's block.
 * Pitfall 13 (native-peers 0.6; bytehound #70; research F4): a missing one comes from libc and its block crashes
 * in the tool's free. Pitfall 15b (gperftools NEWS 2.18): free_sized after a realloc in place.
 * Expected: "entry points called"; under the preload all of them are the preload's.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <dlfcn.h>
#include <malloc.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

extern void free_sized(void *, size_t) __attribute__((weak));
extern void free_aligned_sized(void *, size_t, size_t) __attribute__((weak));

static void fill(void *block, size_t bytes, size_t alignment)
{
	NEED(block != NULL);
	EXPECT((uintptr_t)block % alignment == 0);
	EXPECT(malloc_usable_size(block) >= bytes);
	memset(block, 0x5a, bytes);
	free(block);
}

static void sized(void)
{
	for (size_t bytes = 1; bytes < 200000; bytes = bytes * 2 + 3) {
		char *block = malloc(bytes);
		free_sized(block, bytes);
		block = malloc(bytes);
		block = realloc(block, bytes * 2 + 7);
		free_sized(block, bytes * 2 + 7);
		block = malloc(bytes * 2);
		block = realloc(block, bytes + 1); /* perhaps in place */
		free_sized(block, bytes + 1);
		block = calloc(bytes, 1);
		free_sized(block, bytes);
		block = aligned_alloc(64, bytes * 64);
		free_aligned_sized(block, 64, bytes * 64);
	}
	free_sized(NULL, 0);
	free_aligned_sized(NULL, 16, 0);
	free_sized(malloc(0), 0);
}

/* Where each name is bound: one object for all of them, or blocks meet a free that does not know them. */
static void same_object(void)
{
	const char *names[] = {"malloc",       "free",          "calloc",         "realloc", "reallocarray",
			       "memalign",     "aligned_alloc", "valloc",         "pvalloc", "malloc_usable_size",
			       "malloc_trim",  "mallinfo",      "posix_memalign", "mallopt", "mallinfo2",
			       "malloc_stats", "malloc_info"};
	Dl_info first = {0}, other;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		void *symbol = dlsym(RTLD_DEFAULT, names[i]);
		NEED(symbol != NULL && dladdr(symbol, &other) != 0);
		if (i == 0)
			first = other;
		if (other.dli_fbase != first.dli_fbase)
			fprintf(stderr, "%s is in %s\n", names[i], other.dli_fname);
		EXPECT(other.dli_fbase == first.dli_fbase);
	}
}

int main(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	for (size_t bytes = 1; bytes < 5000000; bytes = bytes * 3 + 5) {
		void *block = NULL;
		fill(malloc(bytes), bytes, 16);
		fill(calloc(bytes, 1), bytes, 16);
		fill(realloc(NULL, bytes), bytes, 16);
		fill(reallocarray(NULL, bytes, 3), bytes * 3, 16);
		fill(valloc(bytes), bytes, page);
		fill(pvalloc(bytes), (bytes + page - 1) / page * page, page);
		for (size_t alignment = 8; alignment <= 4 << 20; alignment *= 4) {
			fill(memalign(alignment, bytes), bytes, alignment);
			fill(aligned_alloc(alignment, bytes), bytes, alignment);
			EXPECT(posix_memalign(&block, alignment, bytes) == 0);
			fill(block, bytes, alignment);
		}
	}
	if (free_sized != NULL && free_aligned_sized != NULL)
		sized();
	void (*cfree)(void *) = (void (*)(void *))dlsym(RTLD_DEFAULT, "cfree");
	if (cfree != NULL)
		cfree(malloc(100));
	EXPECT(mallopt(M_MMAP_THRESHOLD, 1 << 20) == 1);
	EXPECT(mallopt(M_PERTURB, 0) == 1);
	malloc_trim(0);
	struct mallinfo2 numbers = mallinfo2();
	void *block = malloc(300000);
	struct mallinfo2 more = mallinfo2();
	EXPECT(more.uordblks + more.hblkhd >= numbers.uordblks + numbers.hblkhd + 300000);
	free(block);
	char *text = NULL;
	size_t bytes = 0;
	FILE *stream = open_memstream(&text, &bytes);
	EXPECT(malloc_info(0, stream) == 0);
	EXPECT(malloc_info(1, stream) != 0);
	fclose(stream);
	EXPECT(strncmp(text, "<malloc version=", 16) == 0);
	free(text);
	same_object();
	puts("entry points called");
	return EXPECT_STATUS;
}
