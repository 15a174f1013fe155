/*
 * A set of ids found by hash: open addressing, lookups without a lock, insertion under one, growth by doubling.
 *
 * An entry is one 32-bit word, so that readers see all of it or nothing. It contains the id and, in the bits above, ten
 * bits of its hash, which avoid nearly all comparisons with other elements. Growth needs the whole hash again and calls
 * for it. That costs a little at each doubling, and saves half of the memory that hashes would take in the entries.
 *
 * A table that was outgrown stays mapped for readers that still use it. All outgrown tables together are as large as
 * the current one.
 */
#ifndef MUDLARK_ID_TABLE_H
#define MUDLARK_ID_TABLE_H

#include "preload/base/lock.h"
#include "preload/base/meta.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct id_slots;

struct id_table {
	struct lock lock;              /* held to insert */
	enum meta_part part;           /* what its memory is counted as */
	uint64_t (*hash)(uint32_t id); /* of an id that is in the table or being added; always the same */
	_Atomic(struct id_slots *) slots;
	_Atomic uint32_t count; /* written under lock */
};

/* Id of an entry for which match says yes, or 0. Lock-free. match is also asked about entries with other hashes. */
uint32_t id_table_find(struct id_table *table, uint64_t hash, bool (*match)(uint32_t id, const void *key),
		       const void *key);

/*
 * Finds the key or adds it: looks without the lock, then again under it. add() makes the element and returns its id,
 * 0 when full. 0: there is no room for it.
 */
uint32_t id_table_intern(struct id_table *table, uint64_t hash, bool (*match)(uint32_t id, const void *key),
			 uint32_t (*add)(const void *key), const void *key);

/* The second half of it: the key was not found when table->count was `seen`. */
uint32_t id_table_intern_new(struct id_table *table, uint32_t seen, uint64_t hash,
			     bool (*match)(uint32_t id, const void *key), uint32_t (*add)(const void *key),
			     const void *key);

/* Adds an element of a meta_table that is not in it, by its id. Caller holds table->lock. False: there is no memory. */
bool id_table_add(struct id_table *table, uint32_t id);

#endif
