/*
 * The keys and values of a dict, or of an instance's attributes, read by offset.
 *
 *   combined   keys -> header, indices, entries (hash, key, value), or (key, value) where all keys are str (3.11 on)
 *   split      the same keys for many instances; each has an array of values
 */
#ifndef MUDLARK_CENSUS_DICT_H
#define MUDLARK_CENSUS_DICT_H

#include "preload/census/objects.h"

struct dict_entry {
	uintptr_t key, value;
};

struct dict_walk {
	uintptr_t keys, values; /* values: the first one; 0: they are stored beside the keys */
	size_t entries, next;
	uintptr_t first; /* entry */
	size_t entry_bytes;
	size_t key_at; /* in the entry */
};

/* Begins a walk over shared or own keys. values: 0, or the address of the first of the values that stand apart. */
void dict_keys_begin(struct dict_walk *walk, const struct python_layout *layout, uintptr_t keys, uintptr_t values);
void dict_begin(struct dict_walk *walk, const struct python_layout *layout, uintptr_t dict);
/* Returns false at the end. */
bool dict_next(struct dict_walk *walk, struct dict_entry *entry);

/* Returns whether the dict shares its keys. */
bool dict_is_split(uintptr_t dict);

/*
 * Returns whether the dict's table is for str keys alone: then tp_traverse leaves its keys out. Up to 3.10 such a table
 * is known by its function for look-ups; general: the function of the tables that are for all keys, 0: no table has it.
 */
bool dict_has_strings_only(const struct python_layout *layout, uintptr_t dict, uintptr_t general);
/* The function for look-ups of the dict's table, up to 3.10; else 0. */
uintptr_t dict_lookup(const struct python_layout *layout, uintptr_t dict);

#endif
