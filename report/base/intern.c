/*
 * See intern.h. Open addressing with linear probing over 4-byte slots: a miss costs one cache line of slots and one
 * of entries, which is what makes 1,000,000 trie nodes cheap.
 */
#define XXH_INLINE_ALL
#include "report/base/intern.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static void grow(struct intern *intern)
{
	uint32_t slot_count = intern->slot_count ? intern->slot_count * 2 : 256;
	uint32_t *slots = must_allocate(slot_count, sizeof *slots);
	for (uint32_t number = 1; number <= intern->count; number++) {
		const struct intern_entry *entry = &intern->entries[number - 1];
		uint64_t hash = XXH3_64bits(entry->bytes, entry->length);
		uint32_t slot = (uint32_t)hash & (slot_count - 1);
		while (slots[slot])
			slot = (slot + 1) & (slot_count - 1);
		slots[slot] = number;
	}
	free(intern->slots);
	intern->slots = slots;
	intern->slot_count = slot_count;
}

uint32_t intern_bytes(struct intern *intern, const void *bytes, size_t length)
{
	if (intern->count >= intern->slot_count / 2)
		grow(intern);
	uint64_t hash = XXH3_64bits(bytes, length);
	uint32_t upper = (uint32_t)(hash >> 32);
	uint32_t slot = (uint32_t)hash & (intern->slot_count - 1);
	for (; intern->slots[slot]; slot = (slot + 1) & (intern->slot_count - 1)) {
		const struct intern_entry *entry = &intern->entries[intern->slots[slot] - 1];
		if (entry->hash == upper && entry->length == length && !memcmp(entry->bytes, bytes, length))
			return intern->slots[slot];
	}
	must_grow(intern->entries, intern->count, intern->capacity);
	intern->entries[intern->count++] =
		(struct intern_entry){arena_text(&intern->arena, bytes, length), (uint32_t)length, upper};
	intern->slots[slot] = intern->count;
	return intern->count;
}

uint32_t intern_text(struct intern *intern, const char *text)
{
	return text ? intern_bytes(intern, text, strlen(text)) : 0;
}

const char *intern_get(const struct intern *intern, uint32_t number)
{
	return number ? intern->entries[number - 1].bytes : "";
}

void intern_free(struct intern *intern)
{
	free(intern->entries);
	free(intern->slots);
	arena_free(&intern->arena);
	*intern = (struct intern){0};
}
