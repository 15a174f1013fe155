/* Hash sets of ids with lock-free lookups; see id_table.h. */
#include "preload/base/id_table.h"

#include "preload/base/meta.h"

enum { ID_TABLE_FIRST_SLOTS = 256, ID_BITS = META_TABLE_BITS, TAG_BITS = 32 - ID_BITS };

struct id_slots {
	uint32_t mask;
	_Atomic uint32_t entry[]; /* tag << ID_BITS | id; 0: empty */
};

/* The slot at which the search for a hash starts. The tag uses other bits, to distinguish neighbours. */
static uint32_t slots_first(const struct id_slots *slots, uint64_t hash)
{
	return (uint32_t)(hash >> 32) & slots->mask;
}

/* The part of an entry above the id. */
static uint32_t tag_of(uint64_t hash)
{
	return (uint32_t)(hash >> (64 - TAG_BITS)) << ID_BITS;
}

uint32_t id_table_find(struct id_table *table, uint64_t hash, bool (*match)(uint32_t id, const void *key),
		       const void *key)
{
	struct id_slots *slots = atomic_load_explicit(&table->slots, memory_order_acquire);
	if (!slots)
		return 0;
	uint32_t tag = tag_of(hash);
	for (uint32_t i = slots_first(slots, hash);; i = (i + 1) & slots->mask) {
		uint32_t entry = atomic_load_explicit(&slots->entry[i], memory_order_acquire);
		if (!entry)
			return 0;
		uint32_t id = entry ^ tag; /* when the tags are equal */
		if (!(id >> ID_BITS) && match(id, key))
			return id;
	}
}

static void slots_put(struct id_slots *slots, uint64_t hash, uint32_t id)
{
	uint32_t i = slots_first(slots, hash);
	while (atomic_load_explicit(&slots->entry[i], memory_order_relaxed))
		i = (i + 1) & slots->mask;
	atomic_store_explicit(&slots->entry[i], tag_of(hash) | id, memory_order_release);
}

static bool id_table_grow(struct id_table *table, struct id_slots *old)
{
	uint32_t size = old ? (old->mask + 1) * 2 : ID_TABLE_FIRST_SLOTS;
	struct id_slots *fresh = meta_allocate(sizeof *fresh + size * sizeof fresh->entry[0], table->part);
	if (!fresh)
		return false;
	fresh->mask = size - 1;
	for (uint32_t i = 0; old && i <= old->mask; i++) {
		uint32_t entry = atomic_load_explicit(&old->entry[i], memory_order_relaxed);
		uint32_t id = entry & ((1 << ID_BITS) - 1);
		if (id)
			slots_put(fresh, table->hash(id), id);
	}
	atomic_store_explicit(&table->slots, fresh, memory_order_release);
	return true;
}

bool id_table_add(struct id_table *table, uint32_t id)
{
	struct id_slots *slots = atomic_load_explicit(&table->slots, memory_order_relaxed);
	/* At most three quarters full, so that a search that finds nothing stays short. */
	if ((!slots || table->count >= slots->mask / 4 * 3) && !id_table_grow(table, slots) &&
	    (!slots || table->count >= slots->mask - 1))
		return false;
	slots_put(atomic_load_explicit(&table->slots, memory_order_relaxed), table->hash(id), id);
	table->count++;
	return true;
}

uint32_t id_table_intern_new(struct id_table *table, uint32_t seen, uint64_t hash,
			     bool (*match)(uint32_t id, const void *key), uint32_t (*add)(const void *key),
			     const void *key)
{
	uint32_t id = 0;
	lock_acquire(&table->lock);
	if (atomic_load_explicit(&table->count, memory_order_relaxed) != seen)
		id = id_table_find(table, hash, match, key);
	if (!id) {
		id = add(key);
		if (id && !id_table_add(table, id))
			id = 0; /* the element is lost, but never seen half-made */
	}
	lock_release(&table->lock);
	return id;
}

uint32_t id_table_intern(struct id_table *table, uint64_t hash, bool (*match)(uint32_t id, const void *key),
			 uint32_t (*add)(const void *key), const void *key)
{
	uint32_t seen = atomic_load_explicit(&table->count, memory_order_acquire);
	uint32_t id = id_table_find(table, hash, match, key);
	return id ? id : id_table_intern_new(table, seen, hash, match, add, key);
}
