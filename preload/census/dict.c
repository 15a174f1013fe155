/* The tables of dicts read by offset; dict.h. */
#include "preload/census/dict.h"

#include "preload/python/python.h"

enum {
	/* PyDictObject */
	DICT_KEYS = 32,
	DICT_VALUES = 40,
	/* PyDictKeysObject up to 3.10 */
	KEYS_SIZE = 8,
	KEYS_LOOKUP = 16,
	KEYS_ENTRIES = 32,
	KEYS_INDICES = 40,
	/* from 3.11 on */
	KEYS_LOG2_INDEX_BYTES = 9,
	KEYS_KIND = 10,
	KEYS_ENTRIES_3_11 = 24,
	KEYS_INDICES_3_11 = 32,
	KEYS_GENERAL = 0,
	WORD = sizeof(uintptr_t),
};

/* Bytes of the table of indices: one, two, four or eight for each slot. */
static size_t indices_bytes(uintptr_t size)
{
	return size * (size <= 0xff ? 1u : size <= 0xffff ? 2u : size <= 0xffffffff ? 4u : 8u);
}

void dict_keys_begin(struct dict_walk *walk, const struct python_layout *layout, uintptr_t keys, uintptr_t values)
{
	*walk = (struct dict_walk){.keys = keys, .values = values, .entry_bytes = (size_t)3 * WORD, .key_at = WORD};
	if (!keys)
		return;
	if (layout->dict_keys_by_log2) {
		walk->entries = python_word(keys, KEYS_ENTRIES_3_11);
		walk->first =
			keys + KEYS_INDICES_3_11 + ((size_t)1 << *(const uint8_t *)(keys + KEYS_LOG2_INDEX_BYTES));
		if (*(const uint8_t *)(keys + KEYS_KIND) != KEYS_GENERAL) {
			walk->entry_bytes = (size_t)2 * WORD;
			walk->key_at = 0;
		}
	} else {
		walk->entries = python_word(keys, KEYS_ENTRIES);
		walk->first = keys + KEYS_INDICES + indices_bytes(python_word(keys, KEYS_SIZE));
	}
}

void dict_begin(struct dict_walk *walk, const struct python_layout *layout, uintptr_t dict)
{
	uintptr_t values = python_word(dict, DICT_VALUES);
	dict_keys_begin(walk, layout, python_word(dict, DICT_KEYS), values ? values + layout->dict_values_array : 0);
}

bool dict_next(struct dict_walk *walk, struct dict_entry *entry)
{
	while (walk->next < walk->entries) {
		size_t i = walk->next++;
		uintptr_t at = walk->first + i * walk->entry_bytes + walk->key_at;
		entry->key = python_word(at, 0);
		entry->value = walk->values ? python_word(walk->values, i * WORD) : python_word(at, WORD);
		if (entry->key && entry->value)
			return true;
	}
	return false;
}

uintptr_t dict_lookup(const struct python_layout *layout, uintptr_t dict)
{
	uintptr_t keys = python_word(dict, DICT_KEYS);
	return layout->dict_keys_by_log2 || !keys ? 0 : python_word(keys, KEYS_LOOKUP);
}

bool dict_is_split(uintptr_t dict)
{
	return python_word(dict, DICT_VALUES) != 0;
}

bool dict_has_strings_only(const struct python_layout *layout, uintptr_t dict, uintptr_t general)
{
	uintptr_t keys = python_word(dict, DICT_KEYS);
	if (!keys)
		return false;
	return layout->dict_keys_by_log2 ? *(const uint8_t *)(keys + KEYS_KIND) != KEYS_GENERAL
					 : python_word(keys, KEYS_LOOKUP) != general;
}
