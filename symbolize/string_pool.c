/*
 * Strings that are stored once: a hash set of pointers over chunks that only grow. See string_pool.h.
 */
#include "symbolize/string_pool.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 64 << 10, FIRST_SLOTS = 1024 };

struct string_pool_chunk {
	struct string_pool_chunk *next;
	size_t used, bytes;
	char text[];
};

void string_pool_close(struct string_pool *pool)
{
	while (pool->chunks != NULL) {
		struct string_pool_chunk *next = pool->chunks->next;
		free(pool->chunks);
		pool->chunks = next;
	}
	free(pool->slots);
	memset(pool, 0, sizeof *pool);
}

/* FNV-1a: the texts are short and hashing them is nowhere near the cost of reading DWARF. */
static uint64_t hash_text(const char *text, size_t bytes)
{
	uint64_t hash = 0xcbf29ce484222325u;
	for (size_t i = 0; i < bytes; i++)
		hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3u;
	return hash ^ hash >> 29;
}

static bool grow_slots(struct string_pool *pool)
{
	size_t count = pool->slot_count == 0 ? FIRST_SLOTS : pool->slot_count * 2;
	const char **slots = calloc(count, sizeof *slots);
	if (slots == NULL)
		return false;
	for (size_t i = 0; i < pool->slot_count; i++) {
		const char *text = pool->slots[i];
		if (text == NULL)
			continue;
		size_t at = hash_text(text, strlen(text)) & (count - 1);
		while (slots[at] != NULL)
			at = (at + 1) & (count - 1);
		slots[at] = text;
	}
	free(pool->slots);
	pool->slots = slots;
	pool->slot_count = count;
	return true;
}

static char *allocate_text(struct string_pool *pool, size_t bytes)
{
	struct string_pool_chunk *chunk = pool->chunks;
	if (chunk == NULL || chunk->bytes - chunk->used < bytes) {
		size_t chunk_bytes = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
		chunk = malloc(sizeof *chunk + chunk_bytes);
		if (chunk == NULL)
			return NULL;
		chunk->used = 0;
		chunk->bytes = chunk_bytes;
		chunk->next = pool->chunks;
		pool->chunks = chunk;
	}
	char *text = chunk->text + chunk->used;
	chunk->used += bytes;
	return text;
}

const char *string_pool_add(struct string_pool *pool, const char *text, size_t bytes)
{
	if (pool->string_count * 4 >= pool->slot_count * 3 && !grow_slots(pool))
		return NULL;
	size_t at = hash_text(text, bytes) & (pool->slot_count - 1);
	while (pool->slots[at] != NULL) {
		const char *known = pool->slots[at];
		if (strncmp(known, text, bytes) == 0 && known[bytes] == '\0')
			return known;
		at = (at + 1) & (pool->slot_count - 1);
	}
	char *copy = allocate_text(pool, bytes + 1);
	if (copy == NULL)
		return NULL;
	memcpy(copy, text, bytes);
	copy[bytes] = '\0';
	pool->slots[at] = copy;
	pool->string_count++;
	return copy;
}

const char *string_pool_add_text(struct string_pool *pool, const char *text)
{
	return text == NULL ? NULL : string_pool_add(pool, text, strlen(text));
}
