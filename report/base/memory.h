/*
 * Memory of the mudlark command: allocations that succeed or end the process, and an arena for data that lives as long
 * as a snapshot.
 *
 * The command is short-lived and has nothing to save, so running out of memory ends it with a message and EXIT_INPUT. A
 * size from a file reaches these functions only after it was bounded by the bytes that are really present.
 */
#ifndef MUDLARK_MEMORY_H
#define MUDLARK_MEMORY_H

#include <stdarg.h>
#include <stddef.h>

/* count * size zeroed bytes; the caller frees. Never NULL. Ends the process when there is not enough memory. */
void *must_allocate(size_t count, size_t size);
/* As reallocarray(); new bytes are not initialised. */
void *must_resize(void *memory, size_t count, size_t size);
char *must_copy(const char *text);
/* A new string; the caller frees. */
char *must_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *must_format_list(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));

/* Makes room for one more element: `list`, its `count` used and `capacity` allocated elements. */
#define must_grow(list, count, capacity)                                                                               \
	((count) < (capacity) ? (void)0                                                                                \
			      : (void)((capacity) = (capacity) ? (capacity)*2 : 16,                                    \
				       (list) = must_resize((list), (capacity), sizeof *(list))))

struct arena_chunk;
struct arena {
	struct arena_chunk *chunks; /* newest first */
	char *next;
	size_t left;
};

/* Bytes aligned to 16, zeroed; they live until arena_free(). Never NULL. */
void *arena_allocate(struct arena *arena, size_t count, size_t size);
/* A NUL-terminated copy of length bytes. */
char *arena_text(struct arena *arena, const void *bytes, size_t length);
void arena_free(struct arena *arena);

#endif
