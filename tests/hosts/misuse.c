/*
 * Does the wrong thing that its argument names, once, and then goes on allocating.
 * The design's section 3: double, interior, misaligned and wild frees, a write into a freed block, and an overflow into
 * a free neighbour are caught; on_error says what then.
 * Expected: on_error=abort (the default) one line "mudlark: ..." on stderr and SIGABRT; report: the line, and on;
 * ignore: on, silently. The program says "went on" when it did.
 */
#include "expect.h"

#include <malloc.h>
#include <stdint.h>
#include <string.h>

static void *hidden(void *pointer)
{
	__asm__ volatile("" : "+r"(pointer) : : "memory");
	return pointer;
}

/* Takes blocks until every slot that may have been damaged has been handed out again. */
static void allocate_many(size_t bytes)
{
	static void *blocks[5000];
	for (int i = 0; i < 5000; i++)
		blocks[i] = hidden(malloc(bytes));
	for (int i = 0; i < 5000; i++)
		free(blocks[i]);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	static char storage[256] __attribute__((aligned(64)));
	char *blocks[64];
	for (int i = 0; i < 64; i++)
		blocks[i] = malloc(112);
	char *large = malloc(100000);
	if (strcmp(what, "double-free") == 0) {
		free(hidden(blocks[10]));
		free(hidden(blocks[10]));
	} else if (strcmp(what, "double-free-later") == 0) {
		free(hidden(blocks[10]));
		free(hidden(blocks[11]));
		free(hidden(blocks[12]));
		free(hidden(blocks[10]));
	} else if (strcmp(what, "double-free-large") == 0) {
		free(hidden(large));
		free(hidden(large));
	} else if (strcmp(what, "interior-free") == 0) {
		free(hidden(blocks[10] + 32));
	} else if (strcmp(what, "misaligned-free") == 0) {
		free(hidden(blocks[10] + 1));
	} else if (strcmp(what, "interior-free-large") == 0) {
		free(hidden(large + 4096));
	} else if (strcmp(what, "realloc-freed") == 0) {
		free(hidden(blocks[10]));
		char *again = realloc(hidden(blocks[10]), 500);
		if (again != NULL)
			memset(hidden(again), 1, 10);
	} else if (strcmp(what, "write-after-free") == 0) {
		free(hidden(blocks[10]));
		memset(hidden(blocks[10]), 0x41, 16);
		allocate_many(112);
	} else if (strcmp(what, "overflow") == 0) {
		/* Every second one is free, so whichever lies behind a block that is kept has a damaged link. */
		size_t usable = malloc_usable_size(blocks[20]);
		for (int i = 0; i < 64; i += 2)
			free(hidden(blocks[i]));
		for (int i = 1; i < 64; i += 2)
			memset((char *)hidden(blocks[i]) + usable, 0x42, 16);
		allocate_many(112);
	} else if (strcmp(what, "static-free") == 0) {
		free(hidden(storage + 64));
	} else if (strcmp(what, "stack-free") == 0) {
		char local[64] __attribute__((aligned(16)));
		free(hidden(local));
	}
	allocate_many(48);
	puts("went on");
	return EXPECT_STATUS;
}
