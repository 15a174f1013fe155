/*
 * The malloc family, as the program and libc see it: glibc 2.36's functions with glibc's edge cases.
 *
 *   malloc(0), calloc(0, 0), realloc(NULL, 0)      a block
 *   more than PTRDIFF_MAX bytes                    NULL, ENOMEM
 *   realloc(p, 0)                                  frees, NULL, errno kept
 *   posix_memalign with a bad alignment            EINVAL returned; *out and errno untouched
 *   posix_memalign without memory                  ENOMEM returned and in errno; *out untouched
 *   aligned_alloc, alignment not a power of two    NULL, EINVAL (as glibc from 2.38 on)
 *   memalign, alignment not a power of two         rounded up
 *   free                                           errno kept
 *   every block                                    16-byte aligned
 *
 * A block of up to 16 KiB comes from the pools, a larger one from jemalloc. While recording is on, blocks come from
 * tracked slabs and get a cohort; the first frame of their stack is the caller of the function here.
 *
 * The set is complete: with one function missing, libc's own would meet our free. strdup, getline and the like
 * are not here on purpose: libc's call our malloc, and an executable with its own malloc would meet ours otherwise.
 */
#include "preload/host/interpose.h"
#include "preload/base/losses.h"
#include "preload/base/meta.h"
#include "preload/base/sys.h"
#include "preload/heap/damage.h"
#include "preload/heap/foreign.h"
#include "preload/heap/heap.h"
#include "preload/heap/large.h"
#include "preload/host/control.h"
#include "preload/host/guarded.h"
#include "preload/host/record.h"
#include "preload/host/slots.h"
#include "preload/host/stray.h"
#include "preload/sites/recording.h"
#include "preload/sites/sample.h"
#include "preload/sites/stacks.h"
#include "preload/unwind/unwind.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
/* Of the hook that uses it, never of a function that it calls. */
#define CALLER ((struct caller){(uintptr_t)__builtin_return_address(0), (uintptr_t)__builtin_dwarf_cfa()})
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Where a hook was called from. Its registers() are complete in any function of this file: see registers.h. */
struct caller {
	uintptr_t ip, sp;
};

static inline __attribute__((always_inline)) struct registers registers(struct caller caller)
{
	return (struct registers){caller.ip, caller.sp, registers_fp()};
}

static void *no_memory(void)
{
	errno = ENOMEM;
	return NULL;
}

static void *allocate_recorded(struct heap **heap, size_t size, size_t alignment, bool zero, struct caller caller)
{
	struct registers from = registers(caller);
	unsigned size_class;
	void *p = pool_class(size, alignment, &size_class) ? pool_pop(heap, size_class, true) : NULL;
	if (p) {
		slot_record(slab_of(p), p, record_birth(*heap, p, size, &from), size);
		if (zero)
			memset(p, 0, size);
	} else {
		/* It is large, or no slab is available. */
		p = large_allocate(*heap, size, alignment, zero);
		if (p)
			atomic_store_explicit(&large_find(p)->cohort, record_birth(*heap, p, size, &from),
					      memory_order_release);
	}
	atomic_store_explicit(&(*heap)->x_epoch_in_use, 0, memory_order_release);
	return p;
}

static void *allocate_plain(struct heap **heap, size_t size, size_t alignment, bool zero)
{
	unsigned size_class;
	void *p;
	if (pool_class(size, alignment, &size_class)) {
		p = pool_pop(heap, size_class, false);
		if (p) {
			if (zero)
				memset(p, 0, size);
			return p;
		}
		/* No slab available: a nested call under the central lock, or out of memory. */
	}
	return large_allocate(*heap, size, alignment, zero);
}

/*
 * The common allocation when all are recorded: a small block from the slab in use. NULL when it is anything else; then
 * nothing has changed.
 */
static inline void *allocate_recorded_fast(struct heap *heap, size_t size, size_t alignment, struct caller caller)
{
	if (UNLIKELY(!sample_is_all(heap) || size > SMALL_MAX_BYTES || alignment != SIZE_UNIT_BYTES))
		return NULL;
	struct slab *slab = heap->queue[true][size_class_of(size)];
	void *p = slab_pop_fast(slab);
	if (UNLIKELY(!p))
		return NULL;
	struct registers from = registers(caller);
	slot_record(slab, p, record_birth(heap, p, size, &from), size);
	atomic_store_explicit(&heap->x_epoch_in_use, 0, memory_order_release);
	return p;
}

/* Every allocation but the fastest one. */
static __attribute__((noinline)) void *allocate(size_t size, size_t alignment, bool zero, struct caller caller)
{
	if (UNLIKELY(size > PTRDIFF_MAX))
		return no_memory();
	struct heap *heap = heap_enter();
	void *p = allocate_recorded_fast(heap, size, alignment, caller);
	if (LIKELY(p)) {
		heap_leave(heap);
		control_poll(heap);
		return zero ? memset(p, 0, size) : p;
	}
	bool attached = heap_attach(&heap);
	if (UNLIKELY(guard_on)) {
		struct registers from = registers(caller);
		p = guarded_allocate(&heap, size, alignment, zero, &from);
	} else if (attached && sample_due(heap, size)) {
		p = allocate_recorded(&heap, size, alignment, zero, caller);
	} else {
		p = allocate_plain(&heap, size, alignment, zero);
	}
	if (UNLIKELY(!attached) && recording_is_on() && !unwind_owns_call(caller.ip))
		loss_count(LOSS_NESTED_BLOCKS);
	heap_leave(heap);
	control_poll(heap);
	return LIKELY(p) ? p : no_memory();
}

/* The countdown has ended: nearly always since every block is recorded. Called inside, leaves. */
static __attribute__((noinline)) void *allocate_due(struct heap *heap, size_t size, bool zero, struct caller caller)
{
	void *p = allocate_recorded_fast(heap, size, SIZE_UNIT_BYTES, caller);
	if (UNLIKELY(!p))
		sample_refund(heap, size_class_bytes[size_class_of(size)]);
	heap_leave(heap);
	if (UNLIKELY(!p))
		return allocate(size, SIZE_UNIT_BYTES, zero, caller);
	control_poll(heap);
	return zero ? memset(p, 0, size) : p;
}

/* No recent slot of the class: the slab in use, or everything that there is. Called inside, leaves. */
static __attribute__((noinline)) void *allocate_from_slab(struct heap *heap, size_t size, bool zero,
							  struct caller caller)
{
	unsigned size_class = size_class_of(size);
	recent_drop_damaged(heap, size_class);
	void *p = slab_pop_fast(heap->queue[false][size_class]);
	if (LIKELY(p))
		slot_mark(p);
	else
		sample_refund(heap, size_class_bytes[size_class]);
	heap_leave(heap);
	if (UNLIKELY(!p))
		return allocate(size, SIZE_UNIT_BYTES, zero, caller);
	return zero ? memset(p, 0, size) : p;
}

/*
 * The common allocation: not recorded, what the thread freed last. The sentinels' countdowns mean nothing: without
 * slabs they come to allocate() either way.
 */
static inline __attribute__((always_inline)) void *allocate_fast(size_t size, bool zero, struct caller caller)
{
	if (UNLIKELY(size > SMALL_MAX_BYTES))
		return allocate(size, SIZE_UNIT_BYTES, zero, caller);
	struct heap *heap = heap_enter();
	unsigned size_class = size_class_of(size);
	if (UNLIKELY(!sample_spend(heap, size_class_bytes[size_class])))
		return allocate_due(heap, size, zero, caller);
	void *p = recent_pop(heap, size_class);
	if (UNLIKELY(!p))
		return allocate_from_slab(heap, size, zero, caller);
	heap_leave(heap);
	return zero ? memset(p, 0, size) : p;
}

EXPORT void *malloc(size_t size)
{
	return allocate_fast(size, false, CALLER);
}

EXPORT void *calloc(size_t count, size_t size)
{
	size_t bytes;
	if (__builtin_mul_overflow(count, size, &bytes))
		return no_memory();
	return allocate_fast(bytes, true, CALLER);
}

/* Whether p, in a chunk, is a block that can be freed; says so if not. */
static bool slot_is_live(const struct slab *slab, const void *p, enum snapshot_found_by found_by)
{
	if (!slab_is_slot(slab, p, slab_index(slab, p))) {
		damage_found(MISUSE_NO_BLOCK, found_by, p);
		return false;
	}
	if (slot_link_plausible(slot_next(p), p) || (!slab->tracked && !slot_is_marked(p))) {
		damage_found(MISUSE_DOUBLE_FREE, found_by, p);
		return false;
	}
	return true;
}

/* The thread has recent slots enough. Called inside, leaves. */
static __attribute__((noinline)) void free_to_slab(struct heap *heap, struct slab *slab, void *p)
{
	heap_give(heap, slab, p);
	heap_leave(heap);
}

/*
 * A block of a tracked slab. Its cohort says whether it lives: the block itself, which may be cold, is only written.
 */
static __attribute__((noinline)) void free_tracked(struct slab *slab, void *p)
{
	struct heap *heap = heap_enter();
	/* It may adopt the very heap that owns the slab, or one that has just lost it to another: look afterwards. */
	heap_attach(&heap);
	struct heap *owner = atomic_load_explicit(&slab->heap, memory_order_acquire);
	uint32_t index = slab_index(slab, p);
	if (UNLIKELY(!owner || !slab_is_slot(slab, p, index))) {
		damage_found(MISUSE_NO_BLOCK, FOUND_BY_FREE, p);
	} else if (UNLIKELY(!slab->cohorts[index])) {
		damage_found(MISUSE_DOUBLE_FREE, FOUND_BY_FREE, p);
	} else {
		slot_forget(heap, slab, p, index);
		if (LIKELY(owner == heap))
			heap_give(heap, slab, p);
		else
			heap_give_remote(slab, p);
	}
	heap_leave(heap);
	control_poll_freed(heap);
}

/* Every other block of a chunk: of another thread, or none at all. */
static __attribute__((noinline)) void free_pool_slow(struct slab *slab, void *p)
{
	struct heap *heap = heap_enter();
	struct heap *owner = atomic_load_explicit(&slab->heap, memory_order_acquire);
	/* It may be among what others freed, and its slab gone with that. */
	if (owner == heap && heap_collect(heap))
		owner = atomic_load_explicit(&slab->heap, memory_order_acquire);
	if (!owner) {
		damage_found(MISUSE_NO_BLOCK, FOUND_BY_FREE, p);
	} else if (slot_is_live(slab, p, FOUND_BY_FREE)) {
		if (owner == heap) {
			slot_unmark(p);
			heap_give(heap, slab, p);
		} else {
			heap_give_remote(slab, p);
		}
	}
	heap_leave(heap);
	control_poll_freed(heap);
}

/* An untracked block that is not simple, or a guarded one. */
static __attribute__((noinline)) void free_rare(struct slab *slab, void *p, struct caller caller)
{
	if (slab->kind != SLAB_GUARDED) {
		free_pool_slow(slab, p);
		return;
	}
	struct registers from = registers(caller);
	struct heap *heap = heap_enter();
	heap_attach(&heap);
	guarded_free(heap, slab, p, 0, &from);
	heap_leave(heap);
	control_poll_freed(heap);
}

/*
 * A block of a chunk. of: where the hook was called from; NULL: this is the hook, which then finds it out on the rare way
 * only.
 */
static inline __attribute__((always_inline)) void free_in_chunk(void *p, const struct caller *of)
{
	struct slab *slab = slab_of(p);
	if (UNLIKELY(atomic_load_explicit(&slab->xlocal, memory_order_relaxed) != heap_mine)) {
		if (LIKELY(slab->kind == SLAB_TRACKED))
			free_tracked(slab, p);
		else
			free_rare(slab, p, of ? *of : CALLER);
		return;
	}
	struct heap *heap = heap_enter();
	if (UNLIKELY(!slot_unmark(p))) {
		heap_leave(heap);
		free_pool_slow(slab, p);
		return;
	}
	if (UNLIKELY(!recent_push(slab->recent, p))) {
		free_to_slab(heap, slab, p);
		return;
	}
	heap_leave(heap);
}

/* before: the block's cohort, where its record no longer has it; 0: it has. */
static void free_large(void *p, struct large_record *record, uint32_t before, struct caller caller)
{
	struct registers from = registers(caller);
	struct heap *heap = heap_enter();
	uint32_t cohort = atomic_load_explicit(&record->cohort, memory_order_relaxed);
	if (cohort && heap_attach(&heap))
		record_death(heap, p, record->size, cohort);
	else if (cohort)
		record_death_apart(record->size, cohort);
	if (UNLIKELY(large_is_guarded(record)))
		guarded_free_large(heap, p, record, before ? before : cohort, &from);
	else
		large_free(heap, p, record);
	heap_leave(heap);
	control_poll_freed(heap);
}

/* What is wrong with a pointer that is no block of ours, as far as can be known. */
static enum snapshot_misuse misuse_of(const void *p, enum pool_kind kind)
{
	enum snapshot_misuse misuse = kind == KIND_LARGE ? large_diagnose(p) : MISUSE_NONE;
	return misuse ? misuse : stray_misuse(p);
}

static void misused(enum snapshot_misuse misuse, enum snapshot_found_by found_by, const void *p, struct caller caller)
{
	struct registers from = registers(caller);
	struct heap *heap = heap_enter();
	heap_attach(&heap);
	guarded_misused(heap, misuse, found_by, p, &from);
	heap_leave(heap);
}

/* NULL, a large block, another allocator's, or a block of a chunk outside the window (kinds.h). */
static __attribute__((noinline)) void free_other(void *p, struct caller caller)
{
	if (!p)
		return;
	enum pool_kind kind = pool_kind_of(p);
	if (UNLIKELY(kind == KIND_POOL)) {
		free_in_chunk(p, &caller);
		return;
	}
	int saved = errno;
	struct large_record *record = kind == KIND_LARGE ? large_find(p) : NULL;
	enum snapshot_misuse misuse = record ? MISUSE_NONE : misuse_of(p, kind);
	if (record)
		free_large(p, record, 0, caller);
	else if (misuse)
		misused(misuse, FOUND_BY_FREE, p, caller);
	else
		foreign_free(p);
	errno = saved;
}

/* In a hook, which it becomes a part of: CALLER is the hook's. */
static inline __attribute__((always_inline)) void release(void *p)
{
	__builtin_prefetch(p, 1); /* for the seal: a block that is out of the caches arrives meanwhile */
	if (LIKELY(pool_is_near(p)))
		free_in_chunk(p, NULL);
	else
		free_other(p, CALLER);
}

EXPORT void free(void *p)
{
	release(p);
}

/* Bytes that the program may use; what it can have written. 0 for a foreign block of unknown size. */
static size_t usable_size(void *p)
{
	switch (pool_kind_of(p)) {
	case KIND_POOL: {
		struct slab *slab = slab_of(p);
		if (!atomic_load_explicit(&slab->heap, memory_order_relaxed))
			return 0;
		return slab->kind == SLAB_GUARDED ? slab->size - slab_slack(slab)[slab_index(slab, p)] : slab->size;
	}
	case KIND_LARGE: {
		struct large_record *record = large_find(p);
		if (record) {
			struct heap *heap = heap_enter();
			size_t usable = large_usable(heap, p, record);
			heap_leave(heap);
			return usable;
		}
		break;
	}
	case KIND_FOREIGN:
		break;
	}
	return foreign_usable_size(p);
}

/* Whether an allocation is no sample: one that is has to move to a tracked slab. */
static bool stays_unrecorded(size_t size)
{
	struct heap *heap = heap_enter();
	bool stays = !heap_attach(&heap) || sample_passes(heap, size);
	heap_leave(heap);
	return stays;
}

/*
 * A realloc that changes nothing but the size. For the records it is a free and an allocation, whether the block
 * moves or not: what lives there now is what its latest caller asked for.
 */
static bool resize_in_place(void *p, size_t size, struct caller caller)
{
	struct slab *slab = slab_of(p);
	/* Down to half of the slot, as glibc and others do: moving would cost more than it saves. */
	if (size > slab->size || (size < slab->size / 2 && slab->size > SIZE_UNIT_BYTES))
		return false;
	if (!slab->cohorts)
		return sample_bytes == 0 || stays_unrecorded(size);
	struct registers from = registers(caller);
	struct heap *heap = heap_enter();
	if (heap_attach(&heap)) {
		uint32_t index = slab_index(slab, p);
		uint32_t cohort = slab->cohorts[index];
		record_death(heap, p, slab->size - slab_slack(slab)[index], cohort);
		cohort = recording_is_on() && sample_due(heap, size) ? record_birth(heap, p, size, &from)
								     : COHORT_IGNORED;
		slot_record(slab, p, cohort, size);
		atomic_store_explicit(&heap->x_epoch_in_use, 0, memory_order_release);
	}
	heap_leave(heap);
	return true;
}

/* A large block of `cohort` (0: not recorded) and old_size bytes is now at p, with `size` bytes. */
static void count_resized(struct heap *heap, const void *p, size_t old_size, uint32_t cohort, size_t size,
			  const struct registers *from)
{
	bool due = recording_is_on() && sample_due(heap, size);
	if (!cohort && !due)
		return;
	if (cohort)
		record_death(heap, p, old_size, cohort);
	cohort = due ? record_birth(heap, p, size, from) : COHORT_IGNORED;
	atomic_store_explicit(&large_find(p)->cohort, cohort, memory_order_release);
	atomic_store_explicit(&heap->x_epoch_in_use, 0, memory_order_release);
}

static void *resize_large(void *p, struct large_record *record, size_t size, struct caller caller)
{
	struct registers from = registers(caller);
	struct heap *heap = heap_enter();
	bool real = heap_attach(&heap);
	uint32_t cohort = atomic_load_explicit(&record->cohort, memory_order_relaxed);
	size_t old_size = record->size;
	void *moved = large_resize(heap, p, record, size);
	if (moved && real)
		count_resized(heap, moved, old_size, cohort, size, &from);
	heap_leave(heap);
	control_poll(heap);
	return moved ? moved : no_memory();
}

/*
 * A block that moves is dead before its successor is born, or both would count for the peak. Until it is freed it is
 * one that is not looked at.
 */
struct replaced {
	_Atomic uint32_t *cohort; /* the block's record, NULL: it has none */
	uint32_t cohort_before;
	size_t bytes;
};

static void replace_begin(struct replaced *replaced, void *p, struct large_record *record)
{
	*replaced = (struct replaced){0};
	struct slab *slab = pool_kind_of(p) == KIND_POOL ? slab_of(p) : NULL;
	if (slab && slab->cohorts) {
		uint32_t index = slab_index(slab, p);
		replaced->cohort = (_Atomic uint32_t *)&slab->cohorts[index];
		replaced->bytes = slab->size - slab_slack(slab)[index];
	} else if (record) {
		replaced->cohort = &record->cohort;
		replaced->bytes = record->size;
	}
	struct heap *heap = heap_enter();
	if (replaced->cohort)
		replaced->cohort_before = atomic_load_explicit(replaced->cohort, memory_order_relaxed);
	if (replaced->cohort_before && heap_attach(&heap)) {
		record_death(heap, p, replaced->bytes, replaced->cohort_before);
		atomic_store_explicit(replaced->cohort, COHORT_IGNORED, memory_order_relaxed);
	} else {
		replaced->cohort = NULL;
	}
	heap_leave(heap);
}

static void replace_undo(struct replaced *replaced)
{
	if (!replaced->cohort)
		return;
	struct heap *heap = heap_enter();
	if (replaced->cohort_before != COHORT_IGNORED && heap_attach(&heap))
		record_revival(heap, replaced->bytes);
	atomic_store_explicit(replaced->cohort, replaced->cohort_before, memory_order_relaxed);
	heap_leave(heap);
}

/* With guard=1: frees a block that has moved. */
static void release_replaced(const struct replaced *replaced, void *p, struct large_record *record,
			     struct caller caller)
{
	struct slab *slab = pool_kind_of(p) == KIND_POOL ? slab_of(p) : NULL;
	if (record) {
		free_large(p, record, replaced->cohort_before, caller);
	} else if (slab && slab->kind == SLAB_GUARDED) {
		struct registers from = registers(caller);
		struct heap *heap = heap_enter();
		guarded_free(heap, slab, p, replaced->cohort_before, &from);
		heap_leave(heap);
	} else {
		free(p);
	}
}

/* With guard=1: whether the block stays where it is. *wrong: it is none that lives, which has been said. */
static bool resize_guarded(struct slab *slab, void *p, size_t size, struct caller caller, bool *wrong)
{
	struct registers from = registers(caller);
	struct heap *heap = heap_enter();
	heap_attach(&heap);
	*wrong = !guarded_slot_is_live(heap, slab, p, FOUND_BY_REALLOC, &from);
	bool stays = false;
	if (!*wrong) {
		guarded_check(heap, slab, p, &from);
		stays = guarded_resize(heap, slab, p, size, &from);
	}
	heap_leave(heap);
	return stays;
}

static bool resize_guarded_large(void *p, struct large_record *record, size_t size, struct caller caller)
{
	struct registers from = registers(caller);
	struct heap *heap = heap_enter();
	bool real = heap_attach(&heap), stays = false;
	uint32_t cohort = atomic_load_explicit(&record->cohort, memory_order_relaxed);
	size_t old_size = record->size;
	if (large_is_guarded(record)) {
		guarded_check_large(heap, p, record, &from);
		stays = size > SMALL_MAX_BYTES && large_resize_guarded(heap, p, record, size);
	}
	if (stays)
		damage_close(p);
	if (stays && real)
		count_resized(heap, p, old_size, cohort, size, &from);
	heap_leave(heap);
	control_poll(heap);
	return stays;
}

/* To no bytes, too: then it is a block of none, as malloc(0) gives. */
static void *resize(void *p, size_t size, struct caller caller)
{
	if (!p)
		return allocate(size, SIZE_UNIT_BYTES, false, caller);
	if (size > PTRDIFF_MAX)
		return no_memory();
	enum pool_kind kind = pool_kind_of(p);
	struct large_record *record = kind == KIND_LARGE ? large_find(p) : NULL;
	enum snapshot_misuse misuse = kind != KIND_POOL && !record ? misuse_of(p, kind) : MISUSE_NONE;
	if (misuse) {
		misused(misuse, FOUND_BY_REALLOC, p, caller);
		return no_memory();
	}
	if (kind == KIND_POOL) {
		struct slab *slab = slab_of(p);
		if (!atomic_load_explicit(&slab->heap, memory_order_relaxed)) {
			misused(MISUSE_NO_BLOCK, FOUND_BY_REALLOC, p, caller);
			return no_memory();
		}
		if (slab->kind == SLAB_GUARDED) {
			bool wrong;
			if (resize_guarded(slab, p, size, caller, &wrong))
				return p;
			if (wrong)
				return no_memory();
		} else {
			if (!slot_is_live(slab, p, FOUND_BY_REALLOC))
				return no_memory();
			if (resize_in_place(p, size, caller))
				return p;
		}
	} else if (record && UNLIKELY(guard_on)) {
		if (resize_guarded_large(p, record, size, caller))
			return p;
	} else if (record && size > SMALL_MAX_BYTES) {
		return resize_large(p, record, size, caller);
	}
	struct replaced replaced;
	size_t old = usable_size(p);
	replace_begin(&replaced, p, record);
	void *moved = allocate(size, SIZE_UNIT_BYTES, false, caller);
	if (!moved) {
		replace_undo(&replaced);
		return NULL;
	}
	memcpy(moved, p, old < size ? old : size);
	if (UNLIKELY(guard_on))
		release_replaced(&replaced, p, record, caller);
	else
		free(p);
	return moved;
}

static inline void *resize_or_free(void *p, size_t size, struct caller caller)
{
	if (size || !p)
		return resize(p, size, caller);
	free(p);
	return NULL;
}

EXPORT void *realloc(void *p, size_t size)
{
	return resize_or_free(p, size, CALLER);
}

EXPORT void *reallocarray(void *p, size_t count, size_t size)
{
	size_t bytes;
	if (__builtin_mul_overflow(count, size, &bytes))
		return no_memory();
	return resize_or_free(p, bytes, CALLER);
}

/* CPython's objects, see python/objects.h. */
static void *object_malloc(void *context, size_t size)
{
	(void)context;
	return allocate_fast(size, false, CALLER);
}

static void *object_calloc(void *context, size_t count, size_t size)
{
	size_t bytes;
	(void)context;
	if (__builtin_mul_overflow(count, size, &bytes))
		return no_memory();
	return allocate_fast(bytes, true, CALLER);
}

/* Never a free: CPython asks for what is there and stays, if only with no bytes. */
static void *object_realloc(void *context, void *p, size_t size)
{
	(void)context;
	return resize(p, size, CALLER);
}

static void object_free(void *context, void *p)
{
	(void)context;
	release(p);
}

const struct python_allocator interpose_objects = {NULL, object_malloc, object_calloc, object_realloc, object_free};

static bool is_power_of_two(size_t n)
{
	return n && (n & (n - 1)) == 0;
}

static void *allocate_aligned(size_t alignment, size_t size, struct caller caller)
{
	/* glibc refuses a sum that overflows; the larger of the two decides. */
	if (size > PTRDIFF_MAX || alignment > PTRDIFF_MAX - size)
		return no_memory();
	return allocate(size, alignment < SIZE_UNIT_BYTES ? SIZE_UNIT_BYTES : alignment, false, caller);
}

EXPORT void *memalign(size_t alignment, size_t size)
{
	if (alignment > SIZE_MAX / 2 + 1) {
		errno = EINVAL;
		return NULL;
	}
	size_t rounded = SIZE_UNIT_BYTES;
	while (rounded < alignment)
		rounded *= 2;
	return allocate_aligned(rounded, size, CALLER);
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
	if (!is_power_of_two(alignment)) {
		errno = EINVAL;
		return NULL;
	}
	return allocate_aligned(alignment, size, CALLER);
}

EXPORT int posix_memalign(void **out, size_t alignment, size_t size)
{
	if (!is_power_of_two(alignment) || alignment % sizeof(void *))
		return EINVAL;
	void *p = allocate_aligned(alignment, size, CALLER);
	if (!p)
		return ENOMEM;
	*out = p;
	return 0;
}

EXPORT void *valloc(size_t size)
{
	return allocate_aligned(SYS_PAGE_BYTES, size, CALLER);
}

EXPORT void *pvalloc(size_t size)
{
	if (size > PTRDIFF_MAX)
		return no_memory();
	size_t pages = (size + SYS_PAGE_BYTES - 1) & ~(size_t)(SYS_PAGE_BYTES - 1);
	return allocate_aligned(SYS_PAGE_BYTES, pages ? pages : SYS_PAGE_BYTES, CALLER);
}

EXPORT void cfree(void *p);
EXPORT void cfree(void *p)
{
	free(p);
}

/* With guard=1: whether the caller's promise holds. */
static __attribute__((noinline)) void check_size(const void *p, size_t size, struct caller caller)
{
	struct registers from = registers(caller);
	struct heap *heap = heap_enter();
	heap_attach(&heap);
	guarded_check_size(heap, p, size, &from);
	heap_leave(heap);
}

/* C23 7.24.3.4 and 7.24.3.5: the size is a promise of the caller's, which we do not need but may look at. */
EXPORT void free_sized(void *p, size_t size);
EXPORT void free_sized(void *p, size_t size)
{
	if (UNLIKELY(guard_on) && p)
		check_size(p, size, CALLER);
	release(p);
}

EXPORT void free_aligned_sized(void *p, size_t alignment, size_t size);
EXPORT void free_aligned_sized(void *p, size_t alignment, size_t size)
{
	(void)alignment;
	if (UNLIKELY(guard_on) && p)
		check_size(p, size, CALLER);
	release(p);
}

EXPORT size_t malloc_usable_size(void *p)
{
	return p ? usable_size(p) : 0;
}

EXPORT int malloc_trim(size_t pad)
{
	(void)pad;
	int saved = errno;
	struct heap *heap = heap_enter();
	bool any = false;
	if (heap_is_real(heap)) {
		heap_tidy(heap);
		large_purge(heap);
		any = pool_purge(true);
	}
	heap_leave(heap);
	control_poll(heap);
	errno = saved;
	return any;
}

/* glibc's parameters mean nothing here; 1 is success, which programs check. */
EXPORT int mallopt(int parameter, int value)
{
	(void)parameter, (void)value;
	return 1;
}

static void add_used(struct slab *slab, void *context)
{
	*(size_t *)context += (size_t)slab->used * slab->size;
}

EXPORT struct mallinfo2 mallinfo2(void)
{
	size_t used = 0;
	struct pool_usage usage;
	struct heap *heap = heap_enter();
	pool_walk(add_used, &used, &usage);
	uint64_t recent_slots, recent_bytes;
	heap_recent(&recent_slots, &recent_bytes);
	used -= recent_bytes < used ? recent_bytes : used; /* not one moment's figures while other threads go on */
	heap_leave(heap);
	control_poll(heap);
	return (struct mallinfo2){
		.arena = usage.mapped_bytes,
		.hblkhd = large_live_bytes(),
		.uordblks = used,
		.fordblks = usage.mapped_bytes - used,
	};
}

/* The old structure has ints: what does not fit is cut, as in glibc. */
EXPORT struct mallinfo mallinfo(void)
{
	struct mallinfo2 info = mallinfo2();
	return (struct mallinfo){
		.arena = (int)info.arena,
		.hblkhd = (int)info.hblkhd,
		.uordblks = (int)info.uordblks,
		.fordblks = (int)info.fordblks,
	};
}

/* As in glibc this is no cancellation point, though stdio's calls are, and malloc_info() is one where its stream
 * writes. */
EXPORT void malloc_stats(void)
{
	struct mallinfo2 info = mallinfo2();
	int cancel_state;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	fprintf(stderr, "Mudlark: small blocks: %zu bytes in use, %zu mapped; large blocks: %zu; records: %llu\n",
		info.uordblks, info.arena, info.hblkhd, (unsigned long long)meta_bytes());
	pthread_setcancelstate(cancel_state, NULL);
}

EXPORT int malloc_info(int options, FILE *file)
{
	if (options != 0)
		return EINVAL;
	struct mallinfo2 info = mallinfo2();
	fprintf(file,
		"<malloc version=\"1\">\n<heap nr=\"0\">\n<total type=\"rest\" count=\"0\" size=\"%zu\"/>\n"
		"<system type=\"current\" size=\"%zu\"/>\n</heap>\n"
		"<system type=\"current\" size=\"%zu\"/>\n</malloc>\n",
		info.fordblks, info.arena, info.arena + info.hblkhd);
	return 0;
}
