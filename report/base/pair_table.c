/*
 * See pair_table.h. Open addressing with linear probing, as in intern.c. The hash is XXH3's, because the pairs come
 * from files, and a simpler mix of them can collide by accident.
 */
#define XXH_INLINE_ALL
#include "report/base/pair_table.h"

#include "report/base/memory.h"

#include <stdlib.h>
#include <xxhash.h>

enum { FIRST_SLOTS = 1024 };

static uint32_t first_slot(const struct pair_table *table, struct pair pair)
{
	return (uint32_t)XXH3_64bits(&pair, sizeof pair) & (table->slot_count - 1);
}

static void set_slots(struct pair_table *table, uint32_t slot_count)
{
	free(table->slots);
	table->slot_count = slot_count;
	table->slots = must_allocate(table->slot_count, sizeof *table->slots);
	for (uint32_t number = 1; number <= table->count; number++) {
		uint32_t slot = first_slot(table, table->pairs[number - 1]);
		while (table->slots[slot])
			slot = (slot + 1) & (table->slot_count - 1);
		table->slots[slot] = number;
	}
}

void pair_table_reserve(struct pair_table *table, uint32_t pairs)
{
	uint32_t slot_count = table->slot_count ? table->slot_count : FIRST_SLOTS;
	/* Up to 2^31 slots; what is beyond grows as it comes. */
	while (slot_count / 2 <= pairs && slot_count < 1u << 31)
		slot_count *= 2;
	if (slot_count > table->slot_count)
		set_slots(table, slot_count);
	if (pairs > table->capacity) {
		table->pairs = must_resize(table->pairs, pairs, sizeof *table->pairs);
		table->capacity = pairs;
	}
}

uint32_t pair_number(struct pair_table *table, uint64_t first, uint64_t second)
{
	struct pair pair = {first, second};
	if (table->count >= table->slot_count / 2)
		set_slots(table, table->slot_count ? table->slot_count * 2 : FIRST_SLOTS);
	uint32_t slot = first_slot(table, pair);
	for (; table->slots[slot]; slot = (slot + 1) & (table->slot_count - 1)) {
		const struct pair *known = &table->pairs[table->slots[slot] - 1];
		if (known->first == first && known->second == second)
			return table->slots[slot];
	}
	must_grow(table->pairs, table->count, table->capacity);
	table->pairs[table->count++] = pair;
	table->slots[slot] = table->count;
	return table->count;
}

void pair_table_free(struct pair_table *table)
{
	free(table->pairs);
	free(table->slots);
	*table = (struct pair_table){0};
}
