/*
 * Slots and their records, as the hooks of malloc and free (interpose.c, guarded.c) take and give them. All between
 * heap_enter() and heap_leave().
 */
#ifndef MUDLARK_SLOTS_H
#define MUDLARK_SLOTS_H

#include "preload/heap/heap.h"
#include "preload/host/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Alignments up to this are met by a size class that is a multiple of it. */
enum { POOL_ALIGNMENT_MAX = 4096 };

/* Whether the block comes from a pool, and its class. */
static inline bool pool_class(size_t size, size_t alignment, unsigned *size_class)
{
	if (size > SMALL_MAX_BYTES || alignment > POOL_ALIGNMENT_MAX)
		return false;
	unsigned c = size_class_of(size);
	while (size_class_bytes[c] % alignment)
		c++;
	*size_class = c;
	return true;
}

static inline void *pool_pop(struct heap **heap, unsigned size_class, bool tracked)
{
	void *p = slab_pop((*heap)->queue[tracked][size_class]);
	if (__builtin_expect(!p, 0))
		return heap_take(heap, size_class, tracked);
	if (!tracked)
		slot_mark(p);
	return p;
}

static inline void slot_record(struct slab *slab, const void *p, uint32_t cohort, size_t size)
{
	uint32_t index = slab_index(slab, p);
	__atomic_store_n(&slab_slack(slab)[index], (uint16_t)(slab->size - size), __ATOMIC_RELAXED);
	/* The id last: a survey that sees it sees the slack. */
	__atomic_store_n(&slab->cohorts[index], cohort, __ATOMIC_RELEASE);
}

/* The block's record ends: counted as freed. */
static inline void slot_forget(struct heap *heap, struct slab *slab, const void *p, uint32_t index)
{
	uint32_t cohort = slab->cohorts[index];
	size_t size = slab->size - slab_slack(slab)[index];
	if (__builtin_expect(heap_is_real(heap), 1))
		record_death(heap, p, size, cohort);
	else
		record_death_apart(size, cohort);
	__atomic_store_n(&slab->cohorts[index], 0, __ATOMIC_RELAXED);
}

#endif
