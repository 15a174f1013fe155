/* Dicts, tuples, code and instances read by offset; census_names.h says what for. */
#include "preload/census_names.h"

#include "preload/python.h"
#include "preload/python_text.h"
#include "preload/request.h"

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

/* A part of a tuple, or of the array at `items`, that is `to`; SIZE_MAX: none. */
static size_t find_item(uintptr_t items, size_t count, uintptr_t to)
{
	for (size_t i = 0; items && i < count; i++)
		if (python_word(items, i * WORD) == to)
			return i;
	return SIZE_MAX;
}

static uintptr_t tuple_item(uintptr_t tuple, size_t index)
{
	bool there = tuple && index < python_word(tuple, VAR_OBJECT_SIZE);
	return there ? python_word(tuple, TUPLE_ITEMS + index * WORD) : 0;
}

/* --- code --- */

enum {
	/* up to 3.10 */
	CODE_NLOCALS = 28,
	CODE_VARNAMES = 72,
	CODE_FREEVARS = 80,
	CODE_CELLVARS = 88,
	/* from 3.11 on */
	CODE_NAMES_3_11 = 96,
	/* PyFrameObject: its _PyInterpreterFrame, from 3.11 on */
	FRAME_OBJECT_FRAME = 24,
};

static size_t tuple_size(uintptr_t tuple)
{
	return tuple ? python_word(tuple, VAR_OBJECT_SIZE) : 0;
}

uint32_t census_locals(const struct census_objects *objects, uintptr_t code)
{
	if (objects->layout.version < 11)
		return (uint32_t)(python_int(code, CODE_NLOCALS) + tuple_size(python_word(code, CODE_CELLVARS)) +
				  tuple_size(python_word(code, CODE_FREEVARS)));
	return (uint32_t)tuple_size(python_word(code, CODE_NAMES_3_11));
}

void census_local_name(const struct census_objects *objects, uintptr_t code, uint32_t index, struct text *out)
{
	if (objects->layout.version >= 11) {
		add_str(out, tuple_item(python_word(code, CODE_NAMES_3_11), index));
		return;
	}
	static const size_t parts[] = {CODE_VARNAMES, CODE_CELLVARS, CODE_FREEVARS};
	size_t left = index;
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		uintptr_t names = python_word(code, parts[i]);
		/* Arguments that are cells, too, stand in both. */
		size_t count = i ? tuple_size(names) : python_int(code, CODE_NLOCALS);
		if (left < count) {
			add_str(out, tuple_item(names, left));
			return;
		}
		left -= count;
	}
}

void census_code_label(uintptr_t code, struct text *out)
{
	add_str(out, python_word(code, python.layout.code_name));
}

void census_free_variable(const struct census_objects *objects, uintptr_t function, uintptr_t cell, struct text *out)
{
	uintptr_t code = python_word(function, objects->layout.function_code);
	uintptr_t closure = python_word(function, objects->layout.function_closure);
	if (!code || !closure)
		return;
	size_t index = find_item(closure + TUPLE_ITEMS, tuple_size(closure), cell);
	if (index == SIZE_MAX)
		return;
	/* Free variables are the last ones. */
	uint32_t all = census_locals(objects, code);
	census_local_name(objects, code, (uint32_t)(all - tuple_size(closure) + index), out);
}

/* --- what an object is called, and how it holds another one --- */

static bool type_is(const struct census_objects *objects, const struct census_object *object, const char *name)
{
	return strcmp((const char *)python_word(census_type_of(objects, object)->address, TYPE_NAME), name) == 0;
}

/* The code of a frame that is an object. */
static uintptr_t frame_code_of(const struct census_objects *objects, uintptr_t frame, uintptr_t *locals)
{
	uintptr_t inner = objects->layout.version < 11 ? frame : python_word(frame, FRAME_OBJECT_FRAME);
	*locals = inner + objects->layout.frame_locals;
	return inner ? python_word(inner, python.layout.frame_code) : 0;
}

void census_label(const struct census_objects *objects, const struct census_object *object, struct text *out)
{
	uintptr_t locals, at = object->address;
	if (type_is(objects, object, "module")) {
		uintptr_t dict = python_word(at, MODULE_DICT), name = dict ? dict_get(objects, dict, "__name__") : 0;
		add_str(out, name);
	} else if (census_type_of(objects, object)->flags & TYPE_TYPE_SUBCLASS) {
		census_type_name(objects, at, out);
	} else if (type_is(objects, object, "function")) {
		add_str(out, python_word(at, objects->layout.function_qualname));
	} else if (type_is(objects, object, "frame")) {
		uintptr_t code = frame_code_of(objects, at, &locals);
		if (code && python_word(code, OBJECT_TYPE) == python.code_type)
			census_code_label(code, out);
	}
}

static void add_key(struct text *out, uintptr_t key, bool is_namespace)
{
	if (is_text(key)) {
		text_add(out, is_namespace ? "." : "['");
		add_str(out, key);
		text_add(out, is_namespace ? "" : "']");
	} else {
		text_add(out, "[...]");
	}
}

static bool edge_of_keys(struct dict_walk *walk, uintptr_t to, bool is_namespace, struct text *out)
{
	struct dict_entry entry;
	while (dict_next(walk, &entry)) {
		if (entry.value == to) {
			add_key(out, entry.key, is_namespace);
			return true;
		}
		if (entry.key == to) {
			text_add(out, "{key}");
			return true;
		}
	}
	return false;
}

/* Attributes whose values stand in the object or beside it, under the keys of its type. */
static void edge_of_values(const struct census_objects *objects, const struct census_object *from, uintptr_t to,
			   struct text *out)
{
	const struct census_type *type = census_type_of(objects, from);
	uintptr_t values = 0;
	if (objects->layout.version >= 13 && type->flags & TYPE_INLINE_VALUES) {
		values =
			from->address + python_word(type->address, TYPE_BASIC_SIZE) + objects->layout.dict_values_array;
	} else if (objects->layout.version == 12 && type->flags & TYPE_MANAGED_DICT) {
		/* Marked by its lowest bit; else it is a dict. */
		uintptr_t word = python_word(from->address - VALUES_BEFORE_3_12, 0);
		values = word & 1 ? word + 1 : 0;
	} else if (objects->layout.version == 11 && type->flags & TYPE_MANAGED_DICT) {
		values = python_word(from->address - VALUES_BEFORE_3_11, 0);
	}
	if (!values || !(type->flags & TYPE_IS_HEAP))
		return;
	struct dict_walk walk;
	keys_begin(&walk, &objects->layout, python_word(type->address, objects->layout.cached_keys), values);
	edge_of_keys(&walk, to, true, out);
}

static void add_index(struct text *out, size_t index)
{
	if (index == SIZE_MAX)
		return;
	text_add(out, "[");
	text_add_number(out, index);
	text_add(out, "]");
}

void census_edge(const struct census_objects *objects, const struct census_object *from, bool is_namespace,
		 const struct census_object *to, struct text *out)
{
	unsigned long flags = census_type_of(objects, from)->flags;
	uintptr_t at = from->address, locals;
	if (flags & TYPE_DICT_SUBCLASS) {
		struct dict_walk walk;
		dict_begin(&walk, &objects->layout, at);
		edge_of_keys(&walk, to->address, is_namespace, out);
	} else if (flags & TYPE_LIST_SUBCLASS) {
		add_index(out, find_item(python_word(at, LIST_ITEMS), python_word(at, VAR_OBJECT_SIZE), to->address));
	} else if (flags & TYPE_TUPLE_SUBCLASS) {
		add_index(out, find_item(at + TUPLE_ITEMS, python_word(at, VAR_OBJECT_SIZE), to->address));
	} else if (type_is(objects, from, "frame")) {
		uintptr_t code = frame_code_of(objects, at, &locals);
		if (!code || python_word(code, OBJECT_TYPE) != python.code_type)
			return;
		size_t index = find_item(locals, census_locals(objects, code), to->address);
		if (index == SIZE_MAX)
			return;
		text_add(out, "(");
		census_local_name(objects, code, (uint32_t)index, out);
		text_add(out, ")");
	} else {
		edge_of_values(objects, from, to->address, out);
	}
}

bool census_type_matches(const struct census_objects *objects, uintptr_t type, uint32_t hash)
{
	char name[NAME_BYTES_MAX * 2];
	struct text text = text_in(name, sizeof name);
	census_type_name(objects, type, &text);
	const char *last = strrchr(name, '.');
	return request_hash(name) == hash || (last && request_hash(last + 1) == hash);
}
