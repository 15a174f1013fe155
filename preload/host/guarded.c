/* Allocation and free with guard=1; guarded.h. */
#include "preload/host/guarded.h"

#include "preload/host/record.h"
#include "preload/host/slots.h"
#include "preload/sites/patrol.h"
#include "preload/sites/sample.h"
#include "preload/sites/stacks.h"

#include <string.h>

enum { REUSE_TRIES = 16 /* slots that were written to, one after the other, before one is taken as it is */ };

/* The site where a block in the quarantine was freed. */
static uint32_t site_of_free(const struct quarantined *block)
{
	return block->freed ? sites_intern(block->freed, block->thread, 0) : 0;
}

static size_t size_of(struct slab *slab, uint32_t index)
{
	return slab->size - __atomic_load_n(&slab_slack(slab)[index], __ATOMIC_RELAXED);
}

static void report(struct heap *heap, struct damage *damage, const struct registers *from)
{
	damage->found = record_site(heap, from);
	damage_report(damage);
}

/* --- allocation ------------------------------------------------------------------------------------------------- */

/* A changed slot is never used again: the code that wrote to it may do so once more. */
static bool is_untouched(struct heap *heap, const struct slab *slab, void *slot, const struct registers *from)
{
	struct guard_change change;
	if (guard_is_filled(slot, sizeof(uint64_t), slab->size, &change))
		return true;
	struct damage damage = {.misuse = MISUSE_WRITE_FREED,
				.found_by = FOUND_BY_REUSE,
				.p = slot,
				.first = change.first,
				.end = change.end};
	report(heap, &damage, from);
	return false;
}

static void *take_slot(struct heap **heap, unsigned size_class, const struct registers *from)
{
	void *p = pool_pop(heap, size_class, true);
	for (int tries = 0; p && tries < REUSE_TRIES && !is_untouched(*heap, slab_of(p), p, from); tries++)
		p = pool_pop(heap, size_class, true);
	return p;
}

static uint32_t birth(struct heap *heap, const void *p, size_t size, const struct registers *from)
{
	bool due = heap_is_real(heap) && recording_is_on() && sample_due(heap, size);
	return due ? record_birth(heap, p, size, from) : COHORT_IGNORED;
}

void *guarded_allocate(struct heap **heap, size_t size, size_t alignment, bool zero, const struct registers *from)
{
	unsigned size_class;
	heap_attach(heap);
	void *p = pool_class(guard_room(size), alignment, &size_class) ? take_slot(heap, size_class, from) : NULL;
	if (p) {
		struct slab *slab = slab_of(p);
		if (zero)
			memset(p, 0, size);
		/* Before the record: who sees that sees the canary. */
		guard_put_canary(p, size, slab->size);
		slot_record(slab, p, birth(*heap, p, size, from), size);
	} else {
		p = large_allocate(*heap, size, alignment, zero);
		if (p)
			atomic_store_explicit(&large_find(p)->cohort, birth(*heap, p, size, from),
					      memory_order_release);
	}
	atomic_store_explicit(&(*heap)->x_epoch_in_use, 0, memory_order_release);
	return p;
}

/* --- checks ----------------------------------------------------------------------------------------------------- */

static void report_canary(struct heap *heap, struct slab *slab, uint32_t index, size_t size, uint32_t cohort,
			  struct guard_change change, enum snapshot_found_by found_by, const struct registers *from)
{
	struct damage damage = patrol_describe(slab, index, size, cohort, change);
	damage.found_by = found_by;
	report(heap, &damage, from);
}

/* The bytes before a block are changed: they are the canary of the one before it, if that lives. */
static void report_edge(struct heap *heap, struct slab *slab, void *p, size_t size, uint32_t cohort,
			struct guard_change change, enum snapshot_found_by found_by, const struct registers *from)
{
	uint32_t before = slab_index(slab, p) - 1;
	uint32_t cohort_before = __atomic_load_n(&slab->cohorts[before], __ATOMIC_ACQUIRE);
	size_t bytes = size_of(slab, before);
	struct guard_change whole;
	if (cohort_before && !guard_has_canary((char *)p - slab->size, bytes, slab->size, &whole) &&
	    whole.first == (ptrdiff_t)bytes) {
		report_canary(heap, slab, before, bytes, cohort_before, whole, found_by, from);
		return;
	}
	struct damage damage = {.misuse = MISUSE_WRITE_BEFORE,
				.found_by = found_by,
				.p = p,
				.bytes = size,
				.bytes_known = true,
				.first = change.first,
				.end = change.end,
				.allocated = patrol_site(cohort)};
	report(heap, &damage, from);
	/* Or it would be found there once more. */
	guard_edge_repair(p, cohort_before != 0);
}

static void check(struct heap *heap, struct slab *slab, void *p, uint32_t cohort, enum snapshot_found_by found_by,
		  const struct registers *from)
{
	uint32_t index = slab_index(slab, p);
	size_t size = size_of(slab, index);
	struct guard_change change;
	if (!guard_has_canary(p, size, slab->size, &change))
		report_canary(heap, slab, index, size, cohort, change, found_by, from);
	if (!guard_edge_intact(p, &change))
		report_edge(heap, slab, p, size, cohort, change, found_by, from);
}

static void check_large(struct heap *heap, void *p, const struct large_record *record, uint32_t cohort,
			enum snapshot_found_by found_by, const struct registers *from)
{
	struct guard_change change;
	if (guard_has_canary(p, record->size, guard_room(record->size), &change))
		return;
	struct damage damage = {.misuse = MISUSE_WRITE_BEHIND,
				.found_by = found_by,
				.p = p,
				.bytes = record->size,
				.bytes_known = true,
				.first = change.first,
				.end = change.end,
				.allocated = patrol_site(cohort)};
	report(heap, &damage, from);
}

void guarded_check(struct heap *heap, struct slab *slab, void *p, const struct registers *from)
{
	uint32_t index = slab_index(slab, p);
	check(heap, slab, p, slab->cohorts[index], FOUND_BY_REALLOC, from);
	/* If it moves it is freed, which need not find the same again. */
	guard_put_canary(p, size_of(slab, index), slab->size);
}

void guarded_check_large(struct heap *heap, void *p, const struct large_record *record, const struct registers *from)
{
	check_large(heap, p, record, atomic_load_explicit(&record->cohort, memory_order_relaxed), FOUND_BY_REALLOC,
		    from);
	guard_put_canary(p, record->size, guard_room(record->size));
}

void guarded_misused(struct heap *heap, enum snapshot_misuse misuse, enum snapshot_found_by found_by, const void *p,
		     const struct registers *from)
{
	struct quarantined block;
	struct damage damage = {.misuse = misuse, .found_by = found_by, .p = p};
	if (misuse == MISUSE_DOUBLE_FREE && quarantine_find(p, &block)) {
		damage.bytes = block.bytes;
		damage.bytes_known = true;
		damage.allocated = block.allocated;
		damage.freed = site_of_free(&block);
	}
	report(heap, &damage, from);
}

bool guarded_slot_is_live(struct heap *heap, struct slab *slab, const void *p, enum snapshot_found_by found_by,
			  const struct registers *from)
{
	uint32_t index = slab_index(slab, p);
	bool is_slot = atomic_load_explicit(&slab->heap, memory_order_acquire) && slab_is_slot(slab, p, index);
	if (is_slot && __atomic_load_n(&slab->cohorts[index], __ATOMIC_RELAXED))
		return true;
	guarded_misused(heap, is_slot ? MISUSE_DOUBLE_FREE : MISUSE_NO_BLOCK, found_by, p, from);
	return false;
}

void guarded_check_size(struct heap *heap, const void *p, size_t given, const struct registers *from)
{
	struct damage damage = {.misuse = MISUSE_SIZE, .found_by = FOUND_BY_FREE, .p = p, .given = given};
	enum pool_kind kind = pool_kind_of(p);
	if (kind == KIND_POOL) {
		struct slab *slab = slab_of(p);
		uint32_t index = slab_index(slab, p);
		uint32_t cohort = slab->kind == SLAB_GUARDED && slab_is_slot(slab, p, index) ? slab->cohorts[index] : 0;
		if (!cohort)
			return; /* the free says what it is */
		damage.bytes = size_of(slab, index);
		damage.allocated = patrol_site(cohort);
	} else {
		const struct large_record *record = kind == KIND_LARGE ? large_find(p) : NULL;
		if (!record || !large_is_guarded(record))
			return;
		damage.bytes = record->size;
		damage.allocated = patrol_site(atomic_load_explicit(&record->cohort, memory_order_relaxed));
	}
	damage.bytes_known = true;
	if (damage.bytes != given)
		report(heap, &damage, from);
}

/* --- free ------------------------------------------------------------------------------------------------------- */

static size_t room_of(const struct quarantined *block)
{
	return block->large ? guard_room(block->bytes) : slab_of(block->p)->size;
}

static void give_slot(struct heap *heap, void *p)
{
	struct slab *slab = slab_of(p);
	if (atomic_load_explicit(&slab->heap, memory_order_acquire) == heap)
		heap_give(heap, slab, p);
	else
		heap_give_remote(slab, p);
}

/* A block has waited long enough. A slot that was written to is never used again. */
static void leave_quarantine(struct heap *heap, const struct quarantined *block, const struct registers *from)
{
	struct guard_change change;
	size_t room = room_of(block);
	bool untouched = guard_is_filled(block->p, 0, room, &change);
	if (!untouched) {
		struct damage damage = {.misuse = MISUSE_WRITE_FREED,
					.found_by = FOUND_BY_REUSE,
					.p = block->p,
					.bytes = block->bytes,
					.bytes_known = true,
					.first = change.first,
					.end = change.end,
					.allocated = block->allocated,
					.freed = site_of_free(block)};
		report(heap, &damage, from);
	}
	damage_close(block->p);
	if (block->large)
		large_release(heap, block->p, (enum large_kind)block->large, room);
	else if (untouched)
		give_slot(heap, block->p);
}

/* False: it does not wait. */
static bool enter_quarantine(struct heap *heap, const struct quarantined *block, const struct registers *from)
{
	struct quarantined oldest;
	if (!heap_is_real(heap) || !quarantine_add(block, room_of(block)))
		return false;
	while (quarantine_take(&oldest, room_of))
		leave_quarantine(heap, &oldest, from);
	return true;
}

void guarded_free(struct heap *heap, struct slab *slab, void *p, uint32_t before, const struct registers *from)
{
	uint32_t index = slab_index(slab, p);
	if (!guarded_slot_is_live(heap, slab, p, FOUND_BY_FREE, from))
		return;
	size_t size = size_of(slab, index);
	check(heap, slab, p, before ? before : slab->cohorts[index], FOUND_BY_FREE, from);
	/* If two threads free it now, the later one is reported. */
	uint32_t cohort = __atomic_exchange_n(&slab->cohorts[index], 0, __ATOMIC_ACQ_REL);
	if (!cohort) {
		guarded_misused(heap, MISUSE_DOUBLE_FREE, FOUND_BY_FREE, p, from);
		return;
	}
	if (heap_is_real(heap))
		record_death(heap, p, size, cohort);
	else
		record_death_apart(size, cohort);
	damage_close(p);
	guard_fill(p, 0, slab->size);
	struct quarantined block = {.p = p,
				    .bytes = (uint32_t)size,
				    .allocated = patrol_site(before ? before : cohort),
				    .freed = record_stack(heap, from),
				    .thread = record_thread(heap)};
	if (!enter_quarantine(heap, &block, from))
		give_slot(heap, p);
}

void guarded_free_large(struct heap *heap, void *p, struct large_record *record, uint32_t cohort,
			const struct registers *from)
{
	size_t size = record->size, room = guard_room(size);
	check_large(heap, p, record, cohort, FOUND_BY_FREE, from);
	damage_close(p);
	enum large_kind kind = large_retire(p, record);
	if (kind == LARGE_FREED)
		return;
	struct quarantined block = {.p = p,
				    .bytes = (uint32_t)size,
				    .allocated = patrol_site(cohort),
				    .freed = record_stack(heap, from),
				    .thread = record_thread(heap),
				    .large = (uint8_t)kind};
	bool waits = room <= QUARANTINE_BLOCK_MAX && heap_is_real(heap);
	if (waits)
		guard_fill(p, 0, room);
	if (!waits || !enter_quarantine(heap, &block, from))
		large_release(heap, p, kind, room);
}

bool guarded_resize(struct heap *heap, struct slab *slab, void *p, size_t size, const struct registers *from)
{
	uint32_t index = slab_index(slab, p);
	if (size > SMALL_MAX_BYTES)
		return false;
	size_t room = guard_room(size);
	/* Down to half of the slot, as without a guard. */
	if (room > slab->size || (room < slab->size / 2 && slab->size > size_class_bytes[size_class_of(guard_room(0))]))
		return false;
	uint32_t cohort = slab->cohorts[index];
	damage_close(p);
	guard_put_canary(p, size, slab->size);
	if (heap_is_real(heap)) {
		record_death(heap, p, size_of(slab, index), cohort);
		cohort = birth(heap, p, size, from);
	}
	slot_record(slab, p, cohort, size);
	atomic_store_explicit(&heap->x_epoch_in_use, 0, memory_order_release);
	return true;
}
