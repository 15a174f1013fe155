/*
 * See memory.h. The arena hands out slices of chunks that double up to a megabyte; a slice that is larger than a chunk
 * gets its own chunk.
 */
#include "report/base/memory.h"

#include "report/base/error.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_ALIGN = 16, ARENA_FIRST = 4096, ARENA_LARGEST = 1 << 20 };

struct arena_chunk {
	struct arena_chunk *older;
	size_t bytes;
};
_Static_assert(sizeof(struct arena_chunk) % ARENA_ALIGN == 0, "slices start aligned");

static _Noreturn void out_of_memory(void)
{
	/* Not by error_print(), which puts its line together in memory. */
	fputs("mudlark: out of memory\nhint: raise the memory limit (ulimit -v) or use a smaller snapshot\n", stderr);
	exit(EXIT_INPUT);
}

void *must_allocate(size_t count, size_t size)
{
	void *memory = calloc(count ? count : 1, size ? size : 1);
	if (!memory)
		out_of_memory();
	return memory;
}

void *must_resize(void *memory, size_t count, size_t size)
{
	void *resized = reallocarray(memory, count ? count : 1, size ? size : 1);
	if (!resized)
		out_of_memory();
	return resized;
}

char *must_copy(const char *text)
{
	char *copy = strdup(text);
	if (!copy)
		out_of_memory();
	return copy;
}

char *must_format_list(const char *format, va_list arguments)
{
	char *text;
	if (vasprintf(&text, format, arguments) < 0)
		out_of_memory();
	return text;
}

char *must_format(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	char *text = must_format_list(format, arguments);
	va_end(arguments);
	return text;
}

void *arena_allocate(struct arena *arena, size_t count, size_t size)
{
	size_t bytes;
	if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2)
		out_of_memory();
	bytes = (bytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if (bytes > arena->left) {
		size_t wanted = arena->chunks ? arena->chunks->bytes * 2 : ARENA_FIRST;
		if (wanted > ARENA_LARGEST)
			wanted = ARENA_LARGEST;
		if (wanted < bytes)
			wanted = bytes;
		struct arena_chunk *chunk = must_allocate(1, sizeof *chunk + wanted);
		chunk->older = arena->chunks;
		chunk->bytes = wanted;
		arena->chunks = chunk;
		arena->next = (char *)(chunk + 1);
		arena->left = wanted;
	}
	void *slice = arena->next;
	arena->next += bytes;
	arena->left -= bytes;
	return slice;
}

char *arena_text(struct arena *arena, const void *bytes, size_t length)
{
	char *text = arena_allocate(arena, length + 1, 1);
	if (length)
		memcpy(text, bytes, length);
	return text;
}

void arena_free(struct arena *arena)
{
	while (arena->chunks) {
		struct arena_chunk *chunk = arena->chunks;
		arena->chunks = chunk->older;
		free(chunk);
	}
	arena->next = NULL;
	arena->left = 0;
}
