/*
 * Python objects and the blocks that contain them.
 *
 *   block of an object    | values | weak references | gc head | object ... |      from the left, as its type has them
 *                         0        8                 16        32
 *
 * The way back, from a block to the object in it, is a guess that is checked: the word at the place of the type must be
 * a type that the census has met, the reference count must not look like a pointer, and the size must fit.
 */
#ifndef MUDLARK_CENSUS_BLOCKS_H
#define MUDLARK_CENSUS_BLOCKS_H

#include "preload/census/objects.h"

struct census_block {
	uint64_t bytes;
	uint32_t site;  /* 0: not known */
	uint32_t epoch; /* that it was born in; 0: not known */
};

/* The bytes of the object's block and buffers, and the site of the block. */
struct census_block census_measure(const struct census_objects *objects, const struct census_object *object,
				   uint32_t sites);

/* The live block of ours that the address is in, by its bytes asked for. A large block only by its start. */
bool census_block_around(uintptr_t address, uintptr_t *start, uint64_t *bytes);
/* The object that the block is of, or OBJECT_NONE. */
uint32_t census_object_in(const struct census_objects *objects, uintptr_t block);

/* Adds objects that no reference was found to: what C code alone holds. Their number. */
uint64_t census_add_unreached(struct census_objects *objects);

#endif
