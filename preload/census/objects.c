/* The collector's lists, the objects' numbers, and the way along references; objects.h has the model. */
#include "preload/census/objects.h"

#include "preload/base/sys.h"
#include "preload/census/dict.h"
#include "preload/interface/mix.h"
#include "preload/python/python.h"

#include <string.h>

enum {
	GENERATIONS = 3,
	GENERATION_BYTES = 24, /* struct gc_generation: a list's head, threshold, count */
	PERMANENT_AFTER = 80,  /* from generations to permanent_generation */
	OBJECTS_FIRST = 1 << 16,
	SLOT_BITS_FIRST = 18,
	TYPE_SLOT_BITS = 17,
};
/* _gc_next and _gc_prev; flags are stored in the low bits of _gc_prev, from 3.14 on of both (pycore_gc.h). */
#define GC_FLAG_BITS 3ul

bool census_objects_begin(struct census_objects *objects, const struct python_layout *layout, uintptr_t interp)
{
	*objects = (struct census_objects){.layout = layout, .capacity = OBJECTS_FIRST, .slot_bits = SLOT_BITS_FIRST};
	objects->gc = layout->gc_in_interp ? interp + layout->gc_in_interp : python.runtime + layout->gc_in_runtime;
	objects->object = sys_map(objects->capacity * sizeof *objects->object);
	objects->slot = sys_map(sizeof *objects->slot << objects->slot_bits);
	objects->type = sys_map(CENSUS_TYPES_MAX * sizeof *objects->type);
	objects->type_slot = sys_map(sizeof *objects->type_slot << TYPE_SLOT_BITS);
	objects->type_count = 1;
	bool good = objects->object && objects->slot && objects->type && objects->type_slot;
	if (!good)
		census_objects_end(objects);
	return good;
}

void census_objects_end(struct census_objects *objects)
{
	if (objects->object)
		sys_unmap(objects->object, objects->capacity * sizeof *objects->object);
	if (objects->slot)
		sys_unmap(objects->slot, sizeof *objects->slot << objects->slot_bits);
	if (objects->type)
		sys_unmap(objects->type, CENSUS_TYPES_MAX * sizeof *objects->type);
	if (objects->type_slot)
		sys_unmap(objects->type_slot, sizeof *objects->type_slot << TYPE_SLOT_BITS);
	*objects = (struct census_objects){0};
}

/* --- numbers --- */

static inline uint32_t slot_of(uintptr_t address, uint32_t bits)
{
	return (uint32_t)(address * MIX_MULTIPLIER >> (64 - bits));
}

/* The place of the address among the slots: its own, or the free one where it belongs. */
static inline uint32_t *slot_find(const struct census_objects *objects, uintptr_t address)
{
	uint32_t mask = (1u << objects->slot_bits) - 1;
	for (uint32_t i = slot_of(address, objects->slot_bits);; i = (i + 1) & mask) {
		uint32_t number = objects->slot[i];
		if (!number || objects->object[number - 1].address == address)
			return &objects->slot[i];
	}
}

static bool grow(struct census_objects *objects)
{
	struct census_objects larger = *objects;
	larger.capacity *= 2;
	larger.slot_bits++;
	larger.object = sys_map(larger.capacity * sizeof *larger.object);
	larger.slot = sys_map(sizeof *larger.slot << larger.slot_bits);
	if (!larger.object || !larger.slot) {
		if (larger.object)
			sys_unmap(larger.object, larger.capacity * sizeof *larger.object);
		objects->failed = true;
		return false;
	}
	memcpy(larger.object, objects->object, objects->count * sizeof *objects->object);
	for (uint32_t i = 0; i < larger.count; i++)
		*slot_find(&larger, larger.object[i].address) = i + 1;
	sys_unmap(objects->object, objects->capacity * sizeof *objects->object);
	sys_unmap(objects->slot, sizeof *objects->slot << objects->slot_bits);
	*objects = larger;
	return true;
}

static uint32_t *type_slot_find(const struct census_objects *objects, uintptr_t type)
{
	uint32_t mask = (1u << TYPE_SLOT_BITS) - 1;
	for (uint32_t i = slot_of(type, TYPE_SLOT_BITS);; i = (i + 1) & mask)
		if (!objects->type_slot[i] || objects->type[objects->type_slot[i]].address == type)
			return &objects->type_slot[i];
}

uint32_t census_find_type(const struct census_objects *objects, uintptr_t type)
{
	return *type_slot_find(objects, type);
}

static uint32_t type_number(struct census_objects *objects, uintptr_t type)
{
	uint32_t *slot = type_slot_find(objects, type);
	if (!*slot && objects->type_count < CENSUS_TYPES_MAX) {
		*slot = objects->type_count++;
		objects->type[*slot] = (struct census_type){.address = type, .flags = python_word(type, TYPE_FLAGS)};
	}
	return *slot;
}

uint32_t census_find(const struct census_objects *objects, uintptr_t address)
{
	return *slot_find(objects, address) - 1;
}

int64_t census_references(const struct census_objects *objects, uintptr_t object)
{
	uint64_t count = python_word(object, 0);
	return python_is_immortal(objects->layout, count) || count > REFERENCES_IMMORTAL ? REFERENCES_IMMORTAL
											 : (int64_t)count;
}

uint32_t census_add(struct census_objects *objects, uintptr_t address, uint32_t flags)
{
	uint32_t *slot = slot_find(objects, address);
	if (*slot)
		return *slot - 1;
	if (objects->count == objects->capacity) {
		if (!grow(objects))
			return OBJECT_NONE;
		slot = slot_find(objects, address);
	}
	uint32_t number = objects->count++;
	*slot = number + 1;
	objects->object[number] = (struct census_object){
		.address = address,
		.type = type_number(objects, python_word(address, OBJECT_TYPE)),
		.flags = flags,
		.outside = census_references(objects, address),
	};
	return number;
}

/* --- along references --- */

static bool is_plain_string(uintptr_t object)
{
	return python_word(object, OBJECT_TYPE) == python.str_type;
}

/*
 * Strings cannot be part of a cycle, so the collector has no need of them: keys of a table that has strings only are
 * not visited. A split table's keys are its class's.
 */
static void visit_string_keys(const struct census_objects *objects, uintptr_t dict, census_visit *visit, void *context)
{
	struct dict_walk walk;
	struct dict_entry entry;
	if (dict_is_split(dict) || !dict_has_strings_only(objects->layout, dict, objects->general_lookup))
		return;
	dict_begin(&walk, objects->layout, dict);
	while (dict_next(&walk, &entry))
		if (is_plain_string(entry.key))
			visit(entry.key, context);
}

/* Up to 3.10: a dict with a key that is no string shows the function. */
static void find_general_lookup(struct census_objects *objects)
{
	for (uint32_t i = 0; i < objects->count && !objects->general_lookup; i++) {
		const struct census_object *object = &objects->object[i];
		struct dict_walk walk;
		struct dict_entry entry;
		if (!(census_type_of(objects, object)->flags & TYPE_DICT_SUBCLASS))
			continue;
		dict_begin(&walk, objects->layout, object->address);
		if (dict_next(&walk, &entry) && !is_plain_string(entry.key))
			objects->general_lookup = dict_lookup(objects->layout, object->address);
	}
}

/*
 * Untracked objects are traversed only where that is surely safe: dicts and tuples, which the collector lets go of
 * while they hold nothing that can be part of a cycle. A static type must not be.
 */
void census_traverse(const struct census_objects *objects, const struct census_object *object, census_visit *visit,
		     void *context)
{
	const struct census_type *type = census_type_of(objects, object);
	bool whole = object->flags & (OBJECT_TRACKED | OBJECT_FROZEN);
	if (!(type->flags & TYPE_HAS_GC) || !(whole || type->flags & (TYPE_DICT_SUBCLASS | TYPE_TUPLE_SUBCLASS)))
		return;
	int (*traverse)(uintptr_t, census_visit *, void *) =
		(int (*)(uintptr_t, census_visit *, void *))python_word(type->address, TYPE_TRAVERSE);
	if (traverse)
		traverse(object->address, visit, context);
	if (type->flags & TYPE_DICT_SUBCLASS)
		visit_string_keys(objects, object->address, visit, context);
}

static void collect_list(struct census_objects *objects, uintptr_t head, uint32_t flags)
{
	for (uintptr_t gc = python_word(head, 0) & ~GC_FLAG_BITS; gc && gc != head && !objects->failed;
	     gc = python_word(gc, 0) & ~GC_FLAG_BITS)
		census_add(objects, gc + GC_HEAD_BYTES, flags);
}

struct closing {
	struct census_objects *objects;
	bool source_tracked;
};

/* A reference from an object that is looked at: it is not from outside. */
static int visit_closing(uintptr_t address, void *context)
{
	struct closing *closing = context;
	uint32_t number = address ? census_add(closing->objects, address, 0) : OBJECT_NONE;
	if (number == OBJECT_NONE)
		return 0;
	struct census_object *object = &closing->objects->object[number];
	/* The collector counts references from what it tracks only. */
	if (closing->source_tracked || !(object->flags & OBJECT_TRACKED))
		object->outside--;
	return 0;
}

void census_objects_collect(struct census_objects *objects)
{
	for (int i = 0; i < GENERATIONS; i++)
		collect_list(objects, objects->gc + (uintptr_t)i * GENERATION_BYTES, OBJECT_TRACKED);
	collect_list(objects, objects->gc + PERMANENT_AFTER, OBJECT_FROZEN);
	find_general_lookup(objects);
	for (uint32_t i = 0; i < objects->count && !objects->failed; i++) {
		struct census_object object = objects->object[i];
		struct closing closing = {objects, object.flags & OBJECT_TRACKED};
		census_traverse(objects, &object, visit_closing, &closing);
	}
}
