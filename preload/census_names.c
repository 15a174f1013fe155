/* Dicts, tuples, code and instances read by offset; census_names.h says what for. */
#include "preload/census_names.h"

#include "preload/python.h"
#include "preload/python_text.h"

#include <string.h>

enum {
	NAME_BYTES_MAX = 200,
	/* PyDictObject */
	DICT_KEYS = 32,
	DICT_VALUES = 40,
	/* PyDictKeysObject up to 3.10 */
	KEYS_SIZE = 8,
	KEYS_ENTRIES = 32,
	KEYS_INDICES = 40,
	/* from 3.11 on */
	KEYS_LOG2_INDEX_BYTES = 9,
	KEYS_KIND = 10,
	KEYS_ENTRIES_3_11 = 24,
	KEYS_INDICES_3_11 = 32,
	KEYS_GENERAL = 0,
	WORD = sizeof(uintptr_t),
	LIST_ITEMS = 24,
	TUPLE_ITEMS = 24,
	MODULE_DICT = 16,
	MODULE_NAME = 48,
	CELL_CONTENTS = 16,
	VALUES_BEFORE_3_11 = 32, /* the pointer to values, before the object */
	VALUES_BEFORE_3_12 = 24,
};

/* --- dicts --- */

struct dict_entry {
	uintptr_t key, value;
};

struct dict_walk {
	uintptr_t keys, values; /* values: the first one; 0: they stand beside the keys */
	size_t entries, next;
	uintptr_t first; /* entry */
	size_t entry_bytes;
	size_t key_at; /* in the entry */
};

/* Bytes of the table of indices: one, two, four or eight for each slot. */
static size_t indices_bytes(uintptr_t size)
{
	return size * (size <= 0xff ? 1u : size <= 0xffff ? 2u : size <= 0xffffffff ? 4u : 8u);
}

/* Over shared or own keys; values: 0, or the first of the values that stand apart. */
static void keys_begin(struct dict_walk *walk, const struct census_layout *layout, uintptr_t keys, uintptr_t values)
{
	*walk = (struct dict_walk){.keys = keys, .values = values, .entry_bytes = 3u * WORD, .key_at = WORD};
	if (!keys)
		return;
	if (layout->dict_keys_by_log2) {
		walk->entries = python_word(keys, KEYS_ENTRIES_3_11);
		walk->first =
			keys + KEYS_INDICES_3_11 + ((size_t)1 << *(const uint8_t *)(keys + KEYS_LOG2_INDEX_BYTES));
		if (*(const uint8_t *)(keys + KEYS_KIND) != KEYS_GENERAL) {
			walk->entry_bytes = 2u * WORD;
			walk->key_at = 0;
		}
	} else {
		walk->entries = python_word(keys, KEYS_ENTRIES);
		walk->first = keys + KEYS_INDICES + indices_bytes(python_word(keys, KEYS_SIZE));
	}
}

static void dict_begin(struct dict_walk *walk, const struct census_layout *layout, uintptr_t dict)
{
	uintptr_t values = python_word(dict, DICT_VALUES);
	keys_begin(walk, layout, python_word(dict, DICT_KEYS), values ? values + layout->dict_values_array : 0);
}

static bool dict_next(struct dict_walk *walk, struct dict_entry *entry)
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

/* --- texts --- */

static bool is_text(uintptr_t object)
{
	return object && python_word(python_word(object, OBJECT_TYPE), TYPE_FLAGS) & TYPE_UNICODE_SUBCLASS;
}

static void add_str(struct text *out, uintptr_t str)
{
	char name[NAME_BYTES_MAX];
	size_t bytes = is_text(str) ? python_text(str, name, sizeof name) : 0;
	for (size_t i = 0; i < bytes; i++)
		text_add_char(out, name[i] ? name[i] : ' ');
}

/* The value of a key of ASCII characters; 0: it is not there. */
static uintptr_t dict_get(const struct census_objects *objects, uintptr_t dict, const char *key)
{
	struct dict_walk walk;
	struct dict_entry entry;
	char name[NAME_BYTES_MAX];
	size_t length = strlen(key);
	dict_begin(&walk, &objects->layout, dict);
	while (dict_next(&walk, &entry))
		if (is_text(entry.key) && python_text(entry.key, name, sizeof name) == length &&
		    memcmp(name, key, length) == 0)
			return entry.value;
	return 0;
}

void census_type_name(const struct census_objects *objects, uintptr_t type, struct text *out)
{
	const char *name = (const char *)python_word(type, TYPE_NAME);
	uintptr_t dict = python_word(type, TYPE_DICT);
	uintptr_t module = 0;
	if (python_word(type, TYPE_FLAGS) & TYPE_IS_HEAP && dict)
		module = dict_get(objects, dict, "__module__");
	/* A type that C code made of a specification has its module in its name already. */
	if (is_text(module) && !strchr(name, '.')) {
		size_t before = out->length;
		add_str(out, module);
		if (out->length - before == sizeof "builtins" - 1 && strcmp(out->data + before, "builtins") == 0)
			out->data[out->length = before] = '\0';
		else
			text_add_char(out, '.');
	}
	text_add(out, name);
}
