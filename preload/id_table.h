/*
 * A set of ids found by hash: open addressing, lookups without a lock, insertion under one, growth by doubling.
 *
 * An entry is hash bits and id in one 64-bit word, so that readers see both or neither. A table that was outgrown
 * stays mapped for readers that are still in it; all outgrown ones together are as large as the current one.
 */
#ifndef MUDLARK_ID_TABLE_H
#define MUDLARK_ID_TABLE_H

#include "preload/lock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct id_slots;

struct id_table {
	struct lock lock; /* held to insert */
	_Atomic(struct id_slots *) slots;
	uint32_t count; /* protected by lock */
};

/* Id of an entry with this hash for which match says yes, or 0. Lock-free. */
uint32_t id_table_find(struct id_table *table, uint64_t hash, bool (*match)(uint32_t id, const void *key),
		       const void *key);

/* Adds an id > 0 that is not in it. Caller holds table->lock. False when there is no memory. */
bool id_table_add(struct id_table *table, uint64_t hash, uint32_t id);

#endif
