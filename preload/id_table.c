/* Hash sets of ids with lock-free lookups; see id_table.h. */
#include "preload/id_table.h"

#include "preload/meta.h"

enum { ID_TABLE_FIRST_SLOTS = 256 };

struct id_slots {
	uint32_t mask;
	_Atomic uint64_t entry[]; /* upper half of the hash << 32 | id; 0: empty */
};

uint32_t id_table_find(struct id_table *table, uint64_t hash, bool (*match)(uint32_t id, const void *key),
		       const void *key)
{
	struct id_slots *slots = atomic_load_explicit(&table->slots, memory_order_acquire);
	if (!slots)
		return 0;
	uint32_t part = (uint32_t)(hash >> 32);
	for (uint32_t i = part & slots->mask;; i = (i + 1) & slots->mask) {
		uint64_t entry = atomic_load_explicit(&slots->entry[i], memory_order_acquire);
		if (!entry)
			return 0;
		if (entry >> 32 == part && match((uint32_t)entry, key))
			return (uint32_t)entry;
	}
}

static void slots_put(struct id_slots *slots, uint64_t entry)
{
	uint32_t i = (uint32_t)(entry >> 32) & slots->mask;
	while (atomic_load_explicit(&slots->entry[i], memory_order_relaxed))
		i = (i + 1) & slots->mask;
	atomic_store_explicit(&slots->entry[i], entry, memory_order_release);
}

static bool id_table_grow(struct id_table *table, struct id_slots *old)
{
	uint32_t size = old ? (old->mask + 1) * 2 : ID_TABLE_FIRST_SLOTS;
	struct id_slots *fresh = meta_allocate(sizeof *fresh + size * sizeof fresh->entry[0]);
	if (!fresh)
		return false;
	fresh->mask = size - 1;
	for (uint32_t i = 0; old && i <= old->mask; i++) {
		uint64_t entry = atomic_load_explicit(&old->entry[i], memory_order_relaxed);
		if (entry)
			slots_put(fresh, entry);
	}
	atomic_store_explicit(&table->slots, fresh, memory_order_release);
	return true;
}

bool id_table_add(struct id_table *table, uint64_t hash, uint32_t id)
{
	struct id_slots *slots = atomic_load_explicit(&table->slots, memory_order_relaxed);
	/* At most half full, so that a search that finds nothing stays short. */
	if ((!slots || table->count >= slots->mask / 2) && !id_table_grow(table, slots) &&
	    (!slots || table->count >= slots->mask - 1))
		return false;
	slots_put(atomic_load_explicit(&table->slots, memory_order_relaxed), (hash >> 32) << 32 | id);
	table->count++;
	return true;
}
