/* Large blocks on the private jemalloc, and the radix of their records. large.h has the picture. */
#include "preload/heap/large.h"

#include "preload/base/meta.h"
#include "preload/base/sandboxed.h"
#include "preload/base/sys.h"
#include "preload/heap/guard.h"
#include "preload/heap/jemalloc_glue.h"

#include <errno.h>
#include <string.h>

enum {
	PAGE_BITS = 12,
	LEAF_BITS = 10,
	MIDDLE_BITS = 13,
	ROOT_BITS = 12,
	LARGE_KIND_MASK = 7,      /* of a record's state */
	LARGE_GUARDED = 8,        /* likewise: a canary follows the block */
	DIAGNOSE_PAGES = 1 << 18, /* blocks up to 1 GiB are searched for their start */
	REMAPPED_MIN_BYTES = 1 << 20,
	FORESEEN_PART = 8,
};
_Static_assert(PAGE_BITS + LEAF_BITS + MIDDLE_BITS + ROOT_BITS == ADDRESS_BITS, "the radix covers user addresses");

/* The rest of the state. */
#define LARGE_OFFSET_MASK (~UINT32_C(15))

struct radix_leaf {
	struct large_record record[1 << LEAF_BITS];
};
struct radix_middle {
	_Atomic(struct radix_leaf *) leaf[1 << MIDDLE_BITS];
};

static struct {
	_Atomic(struct radix_middle *) root[1 << ROOT_BITS];
	_Atomic(void *) deferred; /* blocks of jemalloc's that nested calls freed, linked by their first word */
	_Atomic uint64_t direct_bytes;
	_Atomic uint64_t live_bytes; /* requested, of all large blocks */
	_Atomic bool distrusted;
} large;

static struct large_record *record_at(const void *p)
{
	uintptr_t page = (uintptr_t)p >> PAGE_BITS;
	if (page >> (ROOT_BITS + MIDDLE_BITS + LEAF_BITS))
		return NULL;
	struct radix_middle *middle =
		atomic_load_explicit(&large.root[page >> (MIDDLE_BITS + LEAF_BITS)], memory_order_acquire);
	if (!middle)
		return NULL;
	struct radix_leaf *leaf = atomic_load_explicit(&middle->leaf[(page >> LEAF_BITS) & ((1 << MIDDLE_BITS) - 1)],
						       memory_order_acquire);
	return leaf ? &leaf->record[page & ((1 << LEAF_BITS) - 1)] : NULL;
}

/* The same, with tables added where they are missing; NULL when there is no memory for them. */
static struct large_record *record_make(const void *p)
{
	uintptr_t page = (uintptr_t)p >> PAGE_BITS;
	if (page >> (ROOT_BITS + MIDDLE_BITS + LEAF_BITS))
		return NULL;
	_Atomic(struct radix_middle *) *root = &large.root[page >> (MIDDLE_BITS + LEAF_BITS)];
	if (!atomic_load_explicit(root, memory_order_acquire)) {
		struct radix_middle *none = NULL, *fresh = meta_allocate(sizeof *fresh, META_BLOCKS);
		if (!fresh)
			return NULL;
		/* Lost races cost one table; they are too rare to give it back. */
		atomic_compare_exchange_strong(root, &none, fresh);
	}
	struct radix_middle *middle = atomic_load_explicit(root, memory_order_acquire);
	_Atomic(struct radix_leaf *) *slot = &middle->leaf[(page >> LEAF_BITS) & ((1 << MIDDLE_BITS) - 1)];
	if (!atomic_load_explicit(slot, memory_order_acquire)) {
		struct radix_leaf *none = NULL, *fresh = meta_allocate(sizeof *fresh, META_BLOCKS);
		if (!fresh)
			return NULL;
		atomic_compare_exchange_strong(slot, &none, fresh);
	}
	return record_at(p);
}

static uint32_t offset_in_page(const void *p)
{
	return (uint32_t)((uintptr_t)p & (SYS_PAGE_BYTES - 1));
}

static enum large_kind record_kind(const struct large_record *record)
{
	return atomic_load_explicit(&record->state, memory_order_acquire) & LARGE_KIND_MASK;
}

static bool record_is_live(const struct large_record *record)
{
	enum large_kind kind = record_kind(record);
	return kind == LARGE_JEMALLOC || kind == LARGE_DIRECT;
}

struct large_record *large_find(const void *p)
{
	struct large_record *record = record_at(p);
	if (!record || !record_is_live(record))
		return NULL;
	uint32_t state = atomic_load_explicit(&record->state, memory_order_relaxed);
	return (state & LARGE_OFFSET_MASK) == offset_in_page(p) ? record : NULL;
}

enum snapshot_misuse large_diagnose(const void *p)
{
	const struct large_record *record = record_at(p);
	if (record && atomic_load_explicit(&record->state, memory_order_relaxed) == (LARGE_FREED | offset_in_page(p)))
		return MISUSE_DOUBLE_FREE;
	/* Is it inside a block that begins in an earlier page? Only a host in error waits for this. */
	uintptr_t page = (uintptr_t)p & ~(uintptr_t)(SYS_PAGE_BYTES - 1);
	for (size_t i = 0; i < DIAGNOSE_PAGES && page; i++, page -= SYS_PAGE_BYTES) {
		record = record_at((const void *)page);
		if (!record)
			page &= ~(uintptr_t)(((size_t)SYS_PAGE_BYTES << LEAF_BITS) -
					     1); /* no table: on to the one before */
		if (!record || !record_is_live(record))
			continue;
		uintptr_t start =
			page + (atomic_load_explicit(&record->state, memory_order_relaxed) & LARGE_OFFSET_MASK);
		if (start <= (uintptr_t)p && (uintptr_t)p < start + record->size)
			return MISUSE_NO_BLOCK;
		if (start < (uintptr_t)p)
			return MISUSE_NONE;
	}
	return MISUSE_NONE;
}

bool large_is_guarded(const struct large_record *record)
{
	return atomic_load_explicit(&record->state, memory_order_acquire) & LARGE_GUARDED;
}

/* Bytes of a new block with its canary. */
static size_t room_for(size_t size)
{
	return guard_on ? guard_room(size) : size;
}

/* ... and of a block that was there. */
static size_t record_room(const struct large_record *record)
{
	return large_is_guarded(record) ? guard_room(record->size) : record->size;
}

static bool record_set(void *p, size_t size, enum large_kind kind)
{
	struct large_record *record = record_make(p);
	/* A chunk of the pools can't be here; a mark that outlives the block only costs a look into the radix. */
	if (!record || !kinds_enter(p, size, KIND_LARGE))
		return false;
	if (guard_on)
		guard_put_canary(p, size, guard_room(size));
	record->size = size;
	atomic_fetch_add_explicit(&large.live_bytes, size, memory_order_relaxed);
	atomic_store_explicit(&record->cohort, 0, memory_order_relaxed);
	atomic_store_explicit(&record->state, kind | (guard_on ? LARGE_GUARDED : 0u) | offset_in_page(p),
			      memory_order_release);
	return true;
}

static size_t direct_bytes(size_t size)
{
	return (size + SYS_PAGE_BYTES - 1) & ~(size_t)(SYS_PAGE_BYTES - 1);
}

static void *direct_allocate(size_t size, size_t alignment)
{
	size_t room = room_for(size), bytes = direct_bytes(room ? room : 1);
	void *p = alignment > SYS_PAGE_BYTES ? sys_map_aligned(bytes, alignment) : sys_map(bytes);
	if (!p)
		return NULL;
	if (!record_set(p, size, LARGE_DIRECT)) {
		sys_unmap(p, bytes);
		return NULL;
	}
	atomic_fetch_add_explicit(&large.direct_bytes, bytes, memory_order_relaxed);
	return p;
}

static void drain_deferred(void)
{
	if (!atomic_load_explicit(&large.deferred, memory_order_relaxed))
		return;
	void *p = atomic_exchange_explicit(&large.deferred, NULL, memory_order_acquire);
	while (p) {
		void *next;
		memcpy(&next, p, sizeof next);
		pvt_dallocx(p, 0);
		p = next;
	}
}

static __attribute__((noinline)) bool jemalloc_meets(struct heap *heap)
{
	bool met = jemalloc_meet();
	if (heap_is_real(heap))
		heap->met_jemalloc = met;
	return met;
}

static bool jemalloc_usable(struct heap *heap)
{
	if (heap == &heap_busy || atomic_load_explicit(&large.distrusted, memory_order_relaxed))
		return false;
	return __builtin_expect(heap->met_jemalloc, 1) || jemalloc_meets(heap);
}

static int alignment_flag(size_t alignment)
{
	return alignment > SIZE_UNIT_BYTES ? JEMALLOC_LG_ALIGN(__builtin_ctzl(alignment)) : 0;
}

static void *jemalloc_allocate(size_t size, size_t alignment, bool zero)
{
	drain_deferred();
	/* Small sizes come here for their alignment: from 16 KiB on a block has pages of its own. */
	size_t room = room_for(size), bytes = room > SMALL_MAX_BYTES ? room : SMALL_MAX_BYTES;
	void *p = pvt_mallocx(bytes, alignment_flag(alignment) | (zero ? JEMALLOC_ZERO : 0));
	if (p && !record_set(p, size, LARGE_JEMALLOC)) {
		pvt_dallocx(p, 0);
		p = NULL;
	}
	return p;
}

void *large_allocate(struct heap *heap, size_t size, size_t alignment, bool zero)
{
	int saved = errno;
	void *p = jemalloc_usable(heap) ? jemalloc_allocate(size, alignment, zero) : NULL;
	if (!p)
		p = direct_allocate(size, alignment);
	/* The pools may keep what is wanted here. */
	if (!p && heap != &heap_busy && pool_purge(true))
		p = direct_allocate(size, alignment);
	errno = saved;
	return p;
}

enum large_kind large_retire(void *p, struct large_record *record)
{
	uint32_t state =
		atomic_exchange_explicit(&record->state, LARGE_FREED | offset_in_page(p), memory_order_acq_rel);
	enum large_kind kind = state & LARGE_KIND_MASK;
	atomic_store_explicit(&record->cohort, 0, memory_order_relaxed);
	if (kind == LARGE_DIRECT || kind == LARGE_JEMALLOC)
		atomic_fetch_sub_explicit(&large.live_bytes, record->size, memory_order_relaxed);
	else
		damage_found(MISUSE_DOUBLE_FREE, FOUND_BY_FREE, p); /* another thread freed it since it was looked up */
	return kind;
}

void large_release(struct heap *heap, void *p, enum large_kind kind, size_t room)
{
	int saved = errno;
	if (kind == LARGE_DIRECT) {
		/* The kernel may give these addresses to anybody now. */
		atomic_store_explicit(&record_at(p)->state, LARGE_NONE, memory_order_relaxed);
		size_t bytes = direct_bytes(room ? room : 1);
		atomic_fetch_sub_explicit(&large.direct_bytes, bytes, memory_order_relaxed);
		sys_unmap(p, bytes);
	} else if (kind == LARGE_JEMALLOC && jemalloc_usable(heap)) {
		pvt_dallocx(p, 0);
		drain_deferred();
	} else if (kind == LARGE_JEMALLOC) {
		void *first = atomic_load_explicit(&large.deferred, memory_order_relaxed);
		do {
			memcpy(p, &first, sizeof first);
		} while (!atomic_compare_exchange_weak_explicit(&large.deferred, &first, p, memory_order_release,
								memory_order_relaxed));
	}
	errno = saved;
}

void large_free(struct heap *heap, void *p, struct large_record *record)
{
	size_t room = record_room(record);
	large_release(heap, p, large_retire(p, record), room);
}

/*
 * A program grows a block in order to write behind what it has: the pages that it writes first come in one call, which
 * saves a quarter of what their faults cost. An eighth, so that one that grows by doubling holds little that it may not
 * use.
 */
static void direct_foresee(char *p, size_t bytes, size_t new_bytes)
{
	size_t foreseen = direct_bytes(bytes / FORESEEN_PART);
	if (new_bytes > bytes)
		sys_populate(p + bytes, foreseen < new_bytes - bytes ? foreseen : new_bytes - bytes);
}

/*
 * The kernel moves a direct block's pages; nothing is copied and the old and the new block are never there both. False
 * when it cannot; then the block is as it was. *p is where the block is then.
 */
static bool direct_resize(void **p, struct large_record *record, size_t size)
{
	size_t bytes = direct_bytes(record->size ? record->size : 1), new_bytes = direct_bytes(size);
	int error = new_bytes == bytes ? 0 : sys_extend(*p, bytes, new_bytes);
	if (!error) {
		atomic_fetch_add_explicit(&large.live_bytes, size - record->size, memory_order_relaxed);
		atomic_fetch_add_explicit(&large.direct_bytes, new_bytes - bytes, memory_order_relaxed);
		record->size = size;
		direct_foresee(*p, bytes, new_bytes);
		return true;
	}
	/* The program may have made several mappings of it, by madvise or mprotect: those cannot be moved at once. */
	void *fresh = error == -ENOMEM ? direct_allocate(size, SIZE_UNIT_BYTES) : NULL;
	if (!fresh)
		return false;
	/* From the move on the old addresses may be anybody's. */
	uint32_t state = atomic_exchange_explicit(&record->state, LARGE_NONE, memory_order_relaxed);
	if (!sys_move(*p, bytes, fresh, new_bytes)) {
		atomic_store_explicit(&record->state, state, memory_order_relaxed);
		large_free(&heap_busy, fresh, large_find(fresh));
		return false;
	}
	atomic_fetch_sub_explicit(&large.live_bytes, record->size, memory_order_relaxed);
	atomic_fetch_sub_explicit(&large.direct_bytes, bytes, memory_order_relaxed);
	direct_foresee(fresh, bytes, new_bytes);
	*p = fresh;
	return true;
}

/* The new size in place. Without a canary while it changes: a snapshot may read it. */
bool large_resize_guarded(struct heap *heap, void *p, struct large_record *record, size_t size)
{
	int saved = errno;
	size_t room = guard_room(size), bytes = direct_bytes(record_room(record)), new_bytes = direct_bytes(room);
	enum large_kind kind = record_kind(record);
	uint32_t state = atomic_fetch_and(&record->state, ~(uint32_t)LARGE_GUARDED);
	bool done;
	if (kind == LARGE_JEMALLOC)
		done = jemalloc_usable(heap) && pvt_xallocx(p, room, 0, 0) >= room;
	else
		done = new_bytes == bytes || (!sandboxed() && sys_extend(p, bytes, new_bytes) == 0);
	if (done) {
		if (kind == LARGE_DIRECT)
			atomic_fetch_add_explicit(&large.direct_bytes, new_bytes - bytes, memory_order_relaxed);
		atomic_fetch_add_explicit(&large.live_bytes, size - record->size, memory_order_relaxed);
		record->size = size;
		guard_put_canary(p, size, room);
		state |= LARGE_GUARDED;
	}
	atomic_store_explicit(&record->state, state, memory_order_release);
	errno = saved;
	return done;
}

void *large_resize(struct heap *heap, void *p, struct large_record *record, size_t size)
{
	uint32_t cohort = atomic_load_explicit(&record->cohort, memory_order_relaxed);
	int saved = errno;
	if (record_kind(record) == LARGE_JEMALLOC && jemalloc_usable(heap) && pvt_xallocx(p, size, 0, 0) >= size) {
		atomic_fetch_add_explicit(&large.live_bytes, size - record->size, memory_order_relaxed);
		record->size = size;
		errno = saved;
		return p;
	}
	errno = saved;
	bool remappable = !sandboxed();
	if (remappable && record_kind(record) == LARGE_DIRECT) {
		void *moved = p;
		if (direct_resize(&moved, record, size)) {
			atomic_store_explicit(&large_find(moved)->cohort, cohort, memory_order_relaxed);
			return moved;
		}
	}
	/*
	 * Not jemalloc's own way of moving: the new address must have its record before the old block is given up. What
	 * grows will grow again, so that it is worth a mapping of its own.
	 */
	bool worth_it = remappable && size >= REMAPPED_MIN_BYTES && size > record->size;
	void *fresh =
		worth_it ? direct_allocate(size, SIZE_UNIT_BYTES) : large_allocate(heap, size, SIZE_UNIT_BYTES, false);
	if (!fresh)
		return NULL;
	/* The program may have written all that malloc_usable_size() told it of. */
	size_t usable = large_usable(heap, p, record);
	memcpy(fresh, p, usable < size ? usable : size);
	atomic_store_explicit(&large_find(fresh)->cohort, cohort, memory_order_relaxed);
	large_free(heap, p, record);
	return fresh;
}

size_t large_usable(struct heap *heap, const void *p, const struct large_record *record)
{
	if (large_is_guarded(record))
		return record->size;
	if (record_kind(record) == LARGE_DIRECT)
		return direct_bytes(record->size ? record->size : 1);
	if (jemalloc_usable(heap))
		return pvt_sallocx(p, 0);
	/* A nested call: what was asked for, at least, may be used. */
	return record->size;
}

void large_purge(struct heap *heap)
{
	/* Who has not met it gave it nothing. */
	if (!heap->met_jemalloc || !jemalloc_usable(heap))
		return;
	drain_deferred();
	pvt_mallctl("arena.4096.purge", NULL, NULL, NULL, 0);
}

void large_walk_addresses(void (*visit)(const struct large_record *record, uintptr_t start, void *context),
			  void *context)
{
	for (size_t r = 0; r < sizeof large.root / sizeof large.root[0]; r++) {
		struct radix_middle *middle = atomic_load_explicit(&large.root[r], memory_order_acquire);
		for (size_t m = 0; middle && m < (size_t)1 << MIDDLE_BITS; m++) {
			struct radix_leaf *leaf = atomic_load_explicit(&middle->leaf[m], memory_order_acquire);
			for (size_t i = 0; leaf && i < (size_t)1 << LEAF_BITS; i++) {
				if (!record_is_live(&leaf->record[i]))
					continue;
				uintptr_t page = ((r << MIDDLE_BITS | m) << LEAF_BITS | i) << PAGE_BITS;
				uint32_t state = atomic_load_explicit(&leaf->record[i].state, memory_order_relaxed);
				visit(&leaf->record[i], page | (state & LARGE_OFFSET_MASK), context);
			}
		}
	}
}

struct plain_walk {
	void (*visit)(const struct large_record *record, void *context);
	void *context;
};

static void visit_plain(const struct large_record *record, uintptr_t start, void *context)
{
	const struct plain_walk *walk = context;
	(void)start;
	walk->visit(record, walk->context);
}

void large_walk(void (*visit)(const struct large_record *record, void *context), void *context)
{
	struct plain_walk walk = {visit, context};
	large_walk_addresses(visit_plain, &walk);
}

uint64_t large_mapped_bytes(void)
{
	return jemalloc_mapped_bytes() + atomic_load_explicit(&large.direct_bytes, memory_order_relaxed);
}

uint64_t large_live_bytes(void)
{
	return atomic_load_explicit(&large.live_bytes, memory_order_relaxed);
}

void large_distrust(void)
{
	atomic_store_explicit(&large.distrusted, true, memory_order_relaxed);
}
