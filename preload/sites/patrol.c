/* Checking all canaries; patrol.h. */
#include "preload/sites/patrol.h"

#include "preload/base/sys.h"
#include "preload/heap/damage.h"
#include "preload/heap/guard.h"
#include "preload/heap/large.h"
#include "preload/heap/pool.h"
#include "preload/sites/stacks.h"

#include <stdbool.h>

enum { LOOKS = 4 /* at a block that seems damaged */ };

uint32_t patrol_site(uint32_t cohort)
{
	return cohort > COHORT_IGNORED ? ((const struct cohort *)meta_table_at(&cohort_table, cohort))->site : 0;
}

static size_t size_of(struct slab *slab, uint32_t index)
{
	return slab->size - __atomic_load_n(&slab_slack(slab)[index], __ATOMIC_RELAXED);
}

struct damage patrol_describe(struct slab *slab, uint32_t index, size_t bytes, uint32_t cohort,
			      struct guard_change change)
{
	struct damage damage = {.misuse = MISUSE_WRITE_BEHIND,
				.p = slab->base + (size_t)index * slab->size,
				.bytes = bytes,
				.bytes_known = true,
				.first = change.first,
				.end = change.end,
				.allocated = patrol_site(cohort)};
	uint32_t next = index + 1 < slab->carved ? __atomic_load_n(&slab->cohorts[index + 1], __ATOMIC_ACQUIRE) : 0;
	if (next && change.first > (ptrdiff_t)bytes && change.end == (ptrdiff_t)slab->size) {
		damage.misuse = MISUSE_WRITE_BEFORE;
		damage.p = slab->base + (size_t)(index + 1) * slab->size;
		damage.bytes = size_of(slab, index + 1);
		damage.first -= (ptrdiff_t)slab->size;
		damage.end -= (ptrdiff_t)slab->size;
		damage.allocated = patrol_site(next);
	}
	return damage;
}

static void note(struct damage damage)
{
	damage.found_by = FOUND_BY_SNAPSHOT;
	damage_note(&damage);
}

/* Whether the slot's canary is changed, and was so at each look. */
static bool slot_is_damaged(struct slab *slab, uint32_t index, size_t *bytes, uint32_t *cohort,
			    struct guard_change *change)
{
	const char *p = slab->base + (size_t)index * slab->size;
	for (int look = 0; look < LOOKS; look++) {
		*cohort = __atomic_load_n(&slab->cohorts[index], __ATOMIC_ACQUIRE);
		*bytes = size_of(slab, index);
		if (!*cohort || *bytes > slab->size - GUARD_BYTES || guard_has_canary(p, *bytes, slab->size, change))
			return false;
		atomic_thread_fence(memory_order_seq_cst);
	}
	return true;
}

static void visit_slab(struct slab *slab, void *context)
{
	(void)context;
	if (slab->kind != SLAB_GUARDED)
		return;
	for (uint32_t i = 1; i < slab->carved; i++) {
		size_t bytes;
		uint32_t cohort;
		struct guard_change change;
		if (slot_is_damaged(slab, i, &bytes, &cohort, &change))
			note(patrol_describe(slab, i, bytes, cohort, change));
	}
	/* The slot that is never handed out: what changes it was written before the first block. */
	struct guard_change change;
	if (slab->carved > 1 && !guard_is_filled(slab->base, slab->size - GUARD_BYTES, slab->size, &change)) {
		uint32_t cohort = __atomic_load_n(&slab->cohorts[1], __ATOMIC_ACQUIRE);
		note((struct damage){.misuse = MISUSE_WRITE_BEFORE,
				     .p = slab->base + slab->size,
				     .bytes = size_of(slab, 1),
				     .bytes_known = cohort != 0,
				     .first = change.first - (ptrdiff_t)slab->size,
				     .end = change.end - (ptrdiff_t)slab->size,
				     .allocated = patrol_site(cohort)});
	}
}

/* Returns whether a large block's canary is changed; false if it cannot be read. */
static bool large_is_damaged(const struct large_record *record, uintptr_t start, struct guard_change *change)
{
	size_t size = record->size, from = size & ~(size_t)7, end = guard_room(size);
	uint64_t words[GUARD_BYTES / 8 + 1];
	if (end - from > sizeof words || !sys_read_memory((const void *)(start + from), words, end - from))
		return false;
	return !guard_is_canary(words, (const void *)start, size, end, change);
}

static void visit_large(const struct large_record *record, uintptr_t start, void *context)
{
	struct guard_change change;
	(void)context;
	for (int look = 0; look < LOOKS; look++) {
		if (!large_is_guarded(record) || !large_is_damaged(record, start, &change))
			return;
		atomic_thread_fence(memory_order_seq_cst);
	}
	note((struct damage){.misuse = MISUSE_WRITE_BEHIND,
			     .p = (const void *)start,
			     .bytes = record->size,
			     .bytes_known = true,
			     .first = change.first,
			     .end = change.end,
			     .allocated = patrol_site(atomic_load_explicit(&record->cohort, memory_order_relaxed))});
}

static void visit_quarantined(const struct quarantined *block, void *context)
{
	struct guard_change change;
	(void)context;
	size_t room = block->large ? guard_room(block->bytes) : slab_of(block->p)->size;
	if (guard_is_filled(block->p, 0, room, &change))
		return;
	note((struct damage){.misuse = MISUSE_WRITE_FREED,
			     .p = block->p,
			     .bytes = block->bytes,
			     .bytes_known = true,
			     .first = change.first,
			     .end = change.end,
			     .allocated = block->allocated,
			     .freed = block->freed ? sites_intern(block->freed, block->thread, 0) : 0});
}

void patrol(void)
{
	struct pool_usage usage;
	if (!guard_on)
		return;
	quarantine_walk(visit_quarantined, NULL);
	pool_walk(visit_slab, NULL, &usage);
	large_walk_addresses(visit_large, NULL);
}
