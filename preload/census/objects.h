/*
 * Every object of the interpreter: those that the garbage collector tracks, and what can be reached from them.
 *
 *   object[]   tracked ones first, in the order of the collector's lists; then what their tp_traverse visits, in the
 *              order of discovery: the array is its own queue, so a search along references needs no recursion
 *   slot[]     finds an object's number by its address: open addressing, at most half full
 *   type[]     the types of the objects; number 0 represents types that did not fit into the table
 *
 * `outside` is an object's reference count minus the references found: what the stack, C code and the interpreter
 * itself hold. For tracked objects it is what the collector computes as gc_refs (InternalDocs/garbage_collector.md of
 * CPython), on a copy: nothing is written into an object.
 *
 * No Python code may run meanwhile: the caller is a copy of the process, or the thread that holds the GIL.
 */
#ifndef MUDLARK_CENSUS_OBJECTS_H
#define MUDLARK_CENSUS_OBJECTS_H

#include "preload/python/versions.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TYPE_NAME = 24,
	TYPE_BASIC_SIZE = 32,
	TYPE_ITEM_SIZE = 40,
	TYPE_TRAVERSE = 184,
	TYPE_MEMBERS = 240,
	TYPE_BASE = 256,
	TYPE_DICT = 264,
	GC_HEAD_BYTES = 16,
	PRE_HEADER_BYTES = 16,
	CENSUS_TYPES_MAX = 1 << 16,
};

/* Include/object.h: bits of tp_flags; python/versions.h has those that came later. */
#define TYPE_IS_HEAP (1ul << 9)
#define TYPE_HAS_GC (1ul << 14)
#define TYPE_LONG_SUBCLASS (1ul << 24)
#define TYPE_LIST_SUBCLASS (1ul << 25)
#define TYPE_TUPLE_SUBCLASS (1ul << 26)
#define TYPE_BYTES_SUBCLASS (1ul << 27)
#define TYPE_UNICODE_SUBCLASS (1ul << 28)
#define TYPE_DICT_SUBCLASS (1ul << 29)
#define TYPE_TYPE_SUBCLASS (1ul << 31)

enum census_flag {
	OBJECT_TRACKED = 1,    /* in a generation of the collector */
	OBJECT_FROZEN = 2,     /* in the permanent one */
	OBJECT_REACHABLE = 4,  /* from outside the tracked objects */
	OBJECT_FOUND = 8,      /* was met by a search for a way back */
	OBJECT_RUNS = 16,      /* a frame that executes */
	OBJECT_IN_FRAME = 32,  /* such a frame refers to it */
	OBJECT_BY_FRAME = 128, /* only such a frame leads to it */
	OBJECT_SUSPECT = 64,   /* only what is no object leads to it */
};

struct census_object {
	uintptr_t address;
	uint32_t type;
	uint32_t flags; /* enum census_flag */
	int64_t outside;
};

struct census_type {
	uintptr_t address;
	uint64_t flags; /* tp_flags */
	uint64_t objects, bytes;
	uint64_t tracked; /* of the objects: tracked by the collector */
	uint64_t garbage; /* ... and part of unreachable cycles */
};

struct census_objects {
	const struct python_layout *layout;
	uintptr_t gc;             /* the generations */
	uintptr_t general_lookup; /* dict.h; 0 from 3.11 on */
	struct census_object *object;
	uint32_t count, capacity;
	uint32_t *slot; /* number + 1; 0: free */
	uint32_t slot_bits;
	struct census_type *type;
	uint32_t type_count; /* number 0 included */
	uint32_t *type_slot;
	bool failed; /* no memory: what is there is not all */
};

enum { OBJECT_NONE = UINT32_MAX, REFERENCES_IMMORTAL = 1 << 30 /* more than anybody holds */ };

/* False: there is no memory. */
bool census_objects_begin(struct census_objects *objects, const struct python_layout *layout, uintptr_t interp);
void census_objects_end(struct census_objects *objects);

/* All tracked objects; then all that they lead to, and what is outside of each. */
void census_objects_collect(struct census_objects *objects);

/* Number of the object at this address, or OBJECT_NONE. */
uint32_t census_find(const struct census_objects *objects, uintptr_t address);
/* The same; adds it when it is new. OBJECT_NONE when there is no memory. */
uint32_t census_add(struct census_objects *objects, uintptr_t address, uint32_t flags);
/* The object's reference count; of an immortal one REFERENCES_IMMORTAL. */
int64_t census_references(const struct census_objects *objects, uintptr_t object);
/* Number of a type that is known; 0: it is not. */
uint32_t census_find_type(const struct census_objects *objects, uintptr_t type);

typedef int census_visit(uintptr_t object, void *context);
/* Calls visit for what the object refers to, where it is known how: the keys of dicts included. */
void census_traverse(const struct census_objects *objects, const struct census_object *object, census_visit *visit,
		     void *context);

static inline const struct census_type *census_type_of(const struct census_objects *objects,
						       const struct census_object *object)
{
	return &objects->type[object->type];
}

#endif
