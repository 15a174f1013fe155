/*
 * Does the wrong thing that its argument names, once, and then goes on allocating.
 * The design's section 3: double, interior, misaligned and wild frees, a write into a freed block, and an overflow into
 * a free neighbour are caught; so are pointers into stacks, static data and mappings. on_error says what then.
 * Expected: on_error=abort (the default) one line "mudlark: ..." on stderr and SIGABRT; report: the line, and on;
 * ignore: on, silently. The program says "went on" when it did.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

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

/* realloc of it, or free. Words before it are what a header of libc's could be. */
static void give(const char *what, char *pointer)
{
	((size_t *)pointer)[-1] = strstr(what, "plausible") ? 0x51 : 0;
	if (strstr(what, "realloc"))
		EXPECT(realloc(hidden(pointer), 200) == NULL);
	else
		free(hidden(pointer));
}

static void *stray_into_stack(void *what)
{
	char local[256] __attribute__((aligned(64)));
	give(what, hidden(local + 64));
	return NULL;
}

static void *stray_from_thread(void *argument)
{
	void **arguments = argument;
	give(arguments[0], arguments[1]);
	return NULL;
}

static void on_coroutine(const char *what)
{
	ucontext_t context, back;
	char *stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(stack != MAP_FAILED && getcontext(&context) == 0);
	context.uc_stack.ss_sp = stack;
	context.uc_stack.ss_size = 65536;
	context.uc_link = &back;
	makecontext(&context, (void (*)(void))(uintptr_t)stray_into_stack, 1, what);
	swapcontext(&back, &context);
}

/* Pointers that no allocator gave out. */
static void stray(const char *what)
{
	static char storage[256] __attribute__((aligned(64)));
	pthread_t thread;
	if (strstr(what, "static")) {
		give(what, storage + 64);
	} else if (strstr(what, "thread-stack")) {
		NEED(pthread_create(&thread, NULL, stray_into_stack, (void *)(uintptr_t)what) == 0);
		pthread_join(thread, NULL);
	} else if (strstr(what, "others-stack")) {
		char local[256] __attribute__((aligned(64)));
		void *arguments[] = {(void *)(uintptr_t)what, hidden(local + 64)};
		NEED(pthread_create(&thread, NULL, stray_from_thread, arguments) == 0);
		pthread_join(thread, NULL);
	} else if (strstr(what, "coroutine-stack")) {
		on_coroutine(what);
	} else if (strstr(what, "stack")) {
		stray_into_stack((void *)(uintptr_t)what);
	} else if (strstr(what, "mapped")) {
		char *pages = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		NEED(pages != MAP_FAILED && munmap(pages, 4096) == 0);
		if (strstr(what, "first"))
			free(hidden(pages + 4096));
		else
			give(what, pages + 4096 + 64);
	}
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
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
	} else {
		stray(what);
	}
	allocate_many(48);
	puts("went on");
	return EXPECT_STATUS;
}
