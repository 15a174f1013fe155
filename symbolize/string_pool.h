/*
 * Strings that are stored once until the pool is closed.
 *
 * Names and paths repeat by the thousand (one header, one std::vector), and callers compare the results. Equal texts
 * have equal addresses here.
 */
#ifndef MUDLARK_SYMBOLIZE_STRING_POOL_H
#define MUDLARK_SYMBOLIZE_STRING_POOL_H

#include <stddef.h>
#include <stdint.h>

struct string_pool_chunk;

struct string_pool {
	struct string_pool_chunk *chunks; /* newest first */
	const char **slots;               /* open addressing, linear probing; NULL: free */
	size_t slot_count;                /* a power of two, at least 4/3 of string_count */
	size_t string_count;
};

void string_pool_close(struct string_pool *pool);

/* Returns the pool's copy, NUL-terminated, or NULL when out of memory. text must not contain NUL. */
const char *string_pool_add(struct string_pool *pool, const char *text, size_t bytes);

/* The same for a C string; NULL for NULL. */
const char *string_pool_add_text(struct string_pool *pool, const char *text);

#endif
