/* The map of 4 MiB units; kinds.h has the picture. */
#include "preload/heap/kinds.h"

#include "preload/base/meta.h"

enum { LEAF_BITS = 12 };
#define LEAVES ((size_t)1 << (ADDRESS_BITS - KIND_UNIT_BITS - LEAF_BITS))

struct kind_leaf {
	_Atomic uint8_t unit[1 << LEAF_BITS];
};

struct kinds kinds;
static _Atomic(struct kind_leaf *) far[LEAVES];

static _Atomic uint8_t *far_unit(struct kind_leaf *leaf, uintptr_t unit)
{
	return &leaf->unit[unit & ((1 << LEAF_BITS) - 1)];
}

enum pool_kind pool_kind_far(const void *p)
{
	uintptr_t unit = (uintptr_t)p >> KIND_UNIT_BITS;
	if (unit >> LEAF_BITS >= LEAVES)
		return KIND_FOREIGN;
	struct kind_leaf *leaf = atomic_load_explicit(&far[unit >> LEAF_BITS], memory_order_acquire);
	return leaf ? (enum pool_kind)atomic_load_explicit(far_unit(leaf, unit), memory_order_relaxed) : KIND_FOREIGN;
}

/* Where the unit's byte stands; NULL when there is no memory for it. */
static _Atomic uint8_t *unit_make(uintptr_t unit)
{
	uintptr_t near = unit - kinds.near_first;
	if (near < KINDS_NEAR)
		return &kinds.near[near];
	_Atomic(struct kind_leaf *) *slot = &far[unit >> LEAF_BITS];
	struct kind_leaf *leaf = atomic_load_explicit(slot, memory_order_acquire);
	if (!leaf) {
		struct kind_leaf *fresh = meta_allocate(sizeof *fresh, META_BLOCKS);
		if (!fresh)
			return NULL;
		/* A lost race costs a leaf; it is too rare to give it back. */
		if (atomic_compare_exchange_strong(slot, &leaf, fresh))
			leaf = fresh;
	}
	return far_unit(leaf, unit);
}

bool kinds_enter(const void *p, size_t bytes, enum pool_kind kind)
{
	uintptr_t first = (uintptr_t)p >> KIND_UNIT_BITS,
		  last = ((uintptr_t)p + (bytes ? bytes - 1 : 0)) >> KIND_UNIT_BITS;
	if (last >> LEAF_BITS >= LEAVES)
		return false;
	if (!kinds.near_first)
		kinds.near_first = first > KINDS_NEAR / 2 ? first - KINDS_NEAR / 2 : 1;
	for (uintptr_t unit = first; unit <= last; unit++)
		if (!unit_make(unit))
			return false;
	for (uintptr_t unit = first; unit <= last; unit++)
		atomic_store_explicit(unit_make(unit), (uint8_t)kind, memory_order_release);
	return true;
}
