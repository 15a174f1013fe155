/* Dicts, tuples, code and instances read by offset; names.h says what for. */
#include "preload/census/names.h"

#include "preload/census/dict.h"
#include "preload/interface/request.h"
#include "preload/python/python.h"
#include "preload/python/text.h"

#include <string.h>

enum {
	NAME_BYTES_MAX = 200,
	WORD = sizeof(uintptr_t),
	LIST_ITEMS = 24,
	TUPLE_ITEMS = 24,
	MODULE_DICT = 16,
	DEFAULTS_BEFORE_CLOSURE = 16, /* func_defaults, then func_kwdefaults, then func_closure */
	CONTEXT_VARIABLE_NAME = 16,
};

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
	dict_begin(&walk, objects->layout, dict);
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
};

static size_t tuple_size(uintptr_t tuple)
{
	return tuple ? python_word(tuple, VAR_OBJECT_SIZE) : 0;
}

uint32_t census_locals(const struct census_objects *objects, uintptr_t code)
{
	size_t names = objects->layout->code_names;
	if (!names)
		return (uint32_t)(python_int(code, CODE_NLOCALS) + tuple_size(python_word(code, CODE_CELLVARS)) +
				  tuple_size(python_word(code, CODE_FREEVARS)));
	return (uint32_t)tuple_size(python_word(code, names));
}

void census_local_name(const struct census_objects *objects, uintptr_t code, uint32_t index, struct text *out)
{
	if (objects->layout->code_names) {
		add_str(out, tuple_item(python_word(code, objects->layout->code_names), index));
		return;
	}
	static const size_t parts[] = {CODE_VARNAMES, CODE_CELLVARS, CODE_FREEVARS};
	size_t left = index;
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		uintptr_t names = python_word(code, parts[i]);
		/* Arguments that are also cells are stored in both. */
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
	uintptr_t code = python_word(function, objects->layout->function_code);
	uintptr_t closure = python_word(function, objects->layout->function_closure);
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
	size_t at = objects->layout->frame_object_frame;
	uintptr_t inner = at ? python_word(frame, at) : frame;
	*locals = inner + objects->layout->frame_locals;
	return inner ? python_word(inner, python.layout.frame_code) : 0;
}

static bool is_generator(const struct census_objects *objects, const struct census_object *object)
{
	return type_is(objects, object, "generator") || type_is(objects, object, "coroutine") ||
	       type_is(objects, object, "async_generator");
}

/* How a frame holds the object: the name of its variable. */
static void edge_of_frame(const struct census_objects *objects, uintptr_t code, uintptr_t locals, uintptr_t to,
			  struct text *out)
{
	if (!code || python_word(code, OBJECT_TYPE) != python.code_type)
		return;
	size_t index = find_item(locals, census_locals(objects, code), to);
	if (index == SIZE_MAX)
		return;
	text_add(out, "(");
	census_local_name(objects, code, (uint32_t)index, out);
	text_add(out, ")");
}

/* A node of a context's tree stores keys and values alternately. */
static void edge_of_context(const struct census_objects *objects, const struct census_object *node, uintptr_t to,
			    struct text *out)
{
	enum { NODE_ITEMS = 32 };
	uintptr_t items = node->address + NODE_ITEMS;
	size_t index = find_item(items, python_word(node->address, VAR_OBJECT_SIZE), to);
	uint32_t key = index != SIZE_MAX && index % 2 ? census_find(objects, python_word(items, (index - 1) * WORD))
						      : OBJECT_NONE;
	if (key == OBJECT_NONE)
		return;
	text_add(out, "['");
	census_label(objects, &objects->object[key], out);
	text_add(out, "']");
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
		add_str(out, python_word(at, objects->layout->function_qualname));
	} else if (type_is(objects, object, "frame")) {
		uintptr_t code = frame_code_of(objects, at, &locals);
		if (code && python_word(code, OBJECT_TYPE) == python.code_type)
			census_code_label(code, out);
	} else if (is_generator(objects, object)) {
		add_str(out, python_word(at, objects->layout->generator_name));
	} else if (type_is(objects, object, "_contextvars.ContextVar") || type_is(objects, object, "ContextVar")) {
		add_str(out, python_word(at, CONTEXT_VARIABLE_NAME));
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

/* Attributes whose values are stored in the object or beside it, under the keys of its type. */
static void edge_of_values(const struct census_objects *objects, const struct census_object *from, uintptr_t to,
			   struct text *out)
{
	const struct python_layout *layout = objects->layout;
	const struct census_type *type = census_type_of(objects, from);
	uintptr_t values = 0;
	if (layout->values_inline && type->flags & TYPE_INLINE_VALUES) {
		values = from->address + python_word(type->address, TYPE_BASIC_SIZE) + layout->dict_values_array;
	} else if (layout->values_before && type->flags & TYPE_MANAGED_DICT) {
		values = python_word(from->address - layout->values_before, 0);
		if (layout->values_marked)
			values = values & 1 ? values + 1 : 0;
	}
	if (!values || !(type->flags & TYPE_IS_HEAP))
		return;
	struct dict_walk walk;
	dict_keys_begin(&walk, layout, python_word(type->address, layout->cached_keys), values);
	edge_of_keys(&walk, to, true, out);
}

/* Members that a type tells of, its __slots__ among them: PyMemberDef. */
enum {
	MEMBER_BYTES = 40,
	MEMBER_KIND = 8,
	MEMBER_OFFSET = 16,
	MEMBER_OBJECT = 6,
	MEMBER_OBJECT_OR_ERROR = 16,
	MEMBERS_MAX = 1 << 10,
	BASES_MAX = 1 << 6,
};

static void edge_of_members(const struct census_objects *objects, const struct census_object *from, uintptr_t to,
			    struct text *out)
{
	uintptr_t type = census_type_of(objects, from)->address;
	for (int bases = 0; type && bases < BASES_MAX; bases++, type = python_word(type, TYPE_BASE)) {
		uintptr_t member = python_word(type, TYPE_MEMBERS);
		uint64_t bytes = python_word(type, TYPE_BASIC_SIZE);
		for (int i = 0; member && python_word(member, 0) && i < MEMBERS_MAX; i++, member += MEMBER_BYTES) {
			uint32_t kind = python_int(member, MEMBER_KIND);
			uint64_t offset = python_word(member, MEMBER_OFFSET);
			/* The way to attributes, which are named themselves. */
			if (strcmp((const char *)python_word(member, 0), "__dict__") == 0)
				continue;
			if ((kind != MEMBER_OBJECT && kind != MEMBER_OBJECT_OR_ERROR) || offset + WORD > bytes ||
			    python_word(from->address, offset) != to)
				continue;
			text_add(out, ".");
			text_add(out, (const char *)python_word(member, 0));
			return;
		}
	}
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
		dict_begin(&walk, objects->layout, at);
		edge_of_keys(&walk, to->address, is_namespace, out);
	} else if (flags & TYPE_LIST_SUBCLASS) {
		add_index(out, find_item(python_word(at, LIST_ITEMS), python_word(at, VAR_OBJECT_SIZE), to->address));
	} else if (flags & TYPE_TUPLE_SUBCLASS) {
		add_index(out, find_item(at + TUPLE_ITEMS, python_word(at, VAR_OBJECT_SIZE), to->address));
	} else if (type_is(objects, from, "frame")) {
		uintptr_t code = frame_code_of(objects, at, &locals);
		edge_of_frame(objects, code, locals, to->address, out);
	} else if (is_generator(objects, from) && objects->layout->generator_frame) {
		uintptr_t frame = at + objects->layout->generator_frame;
		edge_of_frame(objects, python_word(frame, python.layout.frame_code),
			      frame + objects->layout->frame_locals, to->address, out);
	} else if (type_is(objects, from, "hamt_bitmap_node") || type_is(objects, from, "hamt_collision_node")) {
		edge_of_context(objects, from, to->address, out);
	} else if (type_is(objects, from, "function") &&
		   python_word(at, objects->layout->function_closure - DEFAULTS_BEFORE_CLOSURE) == to->address) {
		text_add(out, ".__defaults__");
	} else {
		edge_of_values(objects, from, to->address, out);
		if (!out->length)
			edge_of_members(objects, from, to->address, out);
	}
}

bool census_is_instance_dict(const struct census_objects *objects, const struct census_object *owner,
			     const struct census_object *dict)
{
	char edge[NAME_BYTES_MAX];
	struct text text = text_in(edge, sizeof edge);
	const struct census_type *type = census_type_of(objects, owner);
	if (!(census_type_of(objects, dict)->flags & TYPE_DICT_SUBCLASS) || !(type->flags & TYPE_IS_HEAP) ||
	    type->flags & TYPE_TYPE_SUBCLASS)
		return false;
	census_edge(objects, owner, false, dict, &text);
	return !edge[0];
}

bool census_type_matches(const struct census_objects *objects, uintptr_t type, uint32_t hash)
{
	char name[NAME_BYTES_MAX * 2];
	struct text text = text_in(name, sizeof name);
	census_type_name(objects, type, &text);
	const char *last = strrchr(name, '.');
	return request_hash(name) == hash || (last && request_hash(last + 1) == hash);
}
