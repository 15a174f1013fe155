/*
 * Linked with tcmalloc_minimal, with jemalloc, or with a malloc of its own in the executable.
 * Pitfall 20 (heaptrack PR #43): symbols in the executable win over the preload, those of its libraries do not; blocks
 * then meet the wrong free.
 * Expected: "allocated"; nothing crashes, whichever allocator serves the blocks.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <malloc.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#ifdef OWN_MALLOC
/* A bump allocator in the executable: it serves the whole process, libc included. */
static char *arena;
static size_t used;
enum { ARENA_BYTES = 256 << 20 };

void *malloc(size_t bytes)
{
	if (arena == NULL)
		arena = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
			     0);
	size_t whole = (bytes + 31) & ~(size_t)15;
	char *block = arena + __atomic_fetch_add(&used, whole, __ATOMIC_RELAXED) + 16;
	((size_t *)(void *)block)[-1] = bytes;
	return block;
}

void free(void *block)
{
	if (block != NULL && ((char *)block < arena || (char *)block >= arena + ARENA_BYTES))
		__builtin_trap();
}

void *calloc(size_t count, size_t bytes)
{
	return malloc(count * bytes); /* fresh pages are zero */
}

void *realloc(void *block, size_t bytes)
{
	void *other = malloc(bytes);
	if (block != NULL) {
		size_t held = ((size_t *)block)[-1];
		__builtin_memcpy(other, block, held < bytes ? held : bytes);
	}
	return other;
}
#endif

static void *work(void *unused)
{
	(void)unused;
	for (size_t i = 0; i < 2000; i++) {
		char *block = malloc(i * 17 % 9000 + 1);
		block[0] = 1;
		block = realloc(block, i * 31 % 30000 + 1);
		NEED(block != NULL && block[0] == 1);
		free(block);
	}
	char *copy = strdup("copied by libc");
	EXPECT(strcmp(copy, "copied by libc") == 0);
	free(copy);
	char *text = NULL;
	EXPECT(asprintf(&text, "%500d", 1) == 500);
	free(text);
	return NULL;
}

int main(void)
{
	pthread_t threads[3];
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, work, NULL);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	work(NULL);
#ifndef OWN_MALLOC
	void *block = NULL;
	EXPECT(posix_memalign(&block, 256, 1000) == 0);
	EXPECT(malloc_usable_size(block) >= 1000);
	free(block);
	free(memalign(64, 100));
	free(valloc(100));
#endif
	puts("allocated");
	return EXPECT_STATUS;
}
