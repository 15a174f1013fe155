/*
 * The slow paths of the per-thread heaps: new slabs, remote frees, thread exit, nested and late calls, fork.
 * heap.h says how a thread enters and leaves, and why nested calls are safe.
 */
#include "preload/heap/heap.h"

#include "preload/base/meta.h"
#include "preload/base/sys.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>

enum {
	FALLBACK_HEAPS = 8, /* a thread holds one for each level of nesting, so eight never run out */
	FALLBACK_ROUNDS = 1000,
	SLOW_CALLS_PER_TICK = 64, /* slabs used up, after which the pools look at the clock */
	ORPHANS_LOOKED_AT = 4,    /* by a thread that is about to ask for a new slab */
};

void *recent_none[1];

#define NO_SLOTS                                                                                                       \
	.recent = {[0 ... SIZE_CLASSES - 1] = {recent_none + 1, recent_none + 1}},                                     \
	.queue = {[0 ... 1] = {[0 ... SIZE_CLASSES - 1] = &slab_none}}

struct heap heap_unborn = {NO_SLOTS};
struct heap heap_busy = {NO_SLOTS};
struct heap heap_gone = {NO_SLOTS};
_Thread_local struct heap *heap_mine = &heap_unborn;

static struct heap heap_fallback[FALLBACK_HEAPS] = {
	[0 ... FALLBACK_HEAPS - 1] = {NO_SLOTS, .lock = LOCK_INIT(RANK_FALLBACK)},
};

static struct {
	_Atomic(struct heap *) heaps;
	_Atomic uint32_t users;
	struct lock orphans_lock;
	struct heap *orphans; /* protected by orphans_lock */
	pthread_key_t key;
	bool key_exists;
	void (*thread_ends)(struct heap *heap);
} heaps = {.orphans_lock = LOCK_INIT(RANK_ORPHANS)};

/* The remote list of a slab: offset of its first slot in units of 16, its length, and whether it is queued. */
#define REMOTE_QUEUED ((uint64_t)1 << 32)

static void queue_insert(struct heap *heap, struct slab *slab)
{
	struct slab **first = &heap->queue[slab->tracked][slab->size_class];
	slab->full = false;
	slab->notice = 0;
	if (*first == &slab_none) {
		slab->prev = slab->next = &slab_none;
		*first = slab;
		return;
	}
	(*first)->notice = 0; /* if it was alone, it is no more */
	/* Behind the first one: that is the one in use, with its free list in the cache. */
	slab->prev = *first;
	slab->next = (*first)->next;
	if (slab->next != &slab_none)
		slab->next->prev = slab;
	(*first)->next = slab;
}

static void queue_remove(struct heap *heap, struct slab *slab)
{
	if (slab->prev != &slab_none)
		slab->prev->next = slab->next;
	else
		heap->queue[slab->tracked][slab->size_class] = slab->next;
	if (slab->next != &slab_none)
		slab->next->prev = slab->prev;
	slab->next = slab->prev = &slab_none;
}

/*
 * A full slab comes back to its queue when a sixteenth of it is free: with one slot at a time, a program that frees at
 * random would take the slow path at each call.
 */
static uint32_t full_notice(const struct slab *slab)
{
	uint32_t slots = slab_capacity(slab), batch = slots / 16;
	return slots - (batch ? batch : 1);
}

void heap_give_slow(struct heap *heap, struct slab *slab)
{
	if (slab->full && slab->used <= slab->notice)
		queue_insert(heap, slab);
	if (slab->used || slab->full)
		return;
	if (slab_is_alone(slab)) {
		slab->notice = NOTICE_NEVER; /* the last one is kept */
	} else if (!heap->impatient) {
		queue_remove(heap, slab);
		pool_release(slab);
	}
}

static void pending_push(struct heap *owner, struct slab *slab)
{
	struct slab *first = atomic_load_explicit(&owner->xpending, memory_order_relaxed);
	do {
		atomic_store_explicit(&slab->xpending_next, first, memory_order_relaxed);
	} while (!atomic_compare_exchange_weak_explicit(&owner->xpending, &first, slab, memory_order_release,
							memory_order_relaxed));
}

void heap_give_remote(struct slab *slab, void *slot)
{
	uint64_t old = atomic_load_explicit(&slab->xremote, memory_order_relaxed);
	uint64_t new;
	uint32_t here = (uint32_t)((uintptr_t)slot & (SLAB_BYTES - 1)) / SIZE_UNIT_BYTES;
	do {
		char *next =
			HEAP_REMOTE_COUNT(old) ? slab->base + (size_t)HEAP_REMOTE_HEAD(old) * SIZE_UNIT_BYTES : NULL;
		slot_link(slot, next);
		new = REMOTE_QUEUED | (uint64_t)(HEAP_REMOTE_COUNT(old) + 1) << 16 | here;
	} while (!atomic_compare_exchange_weak_explicit(&slab->xremote, &old, new, memory_order_seq_cst,
							memory_order_relaxed));
	if (old & REMOTE_QUEUED)
		return;
	atomic_store_explicit(&slab->xlocal, NULL, memory_order_relaxed);
	pending_push(atomic_load_explicit(&slab->heap, memory_order_seq_cst), slab);
}

/* Moves the remote list to slab->free. Caller owns the slab and took it from the pending list. */
static void remote_splice(struct slab *slab, struct heap *heap)
{
	if (!slab->tracked)
		atomic_store_explicit(&slab->xlocal, heap, memory_order_relaxed);
	uint64_t remote = atomic_exchange_explicit(&slab->xremote, 0, memory_order_acquire);
	uint32_t count = HEAP_REMOTE_COUNT(remote);
	if (count == 0)
		return;
	char *head = slab->base + (size_t)HEAP_REMOTE_HEAD(remote) * SIZE_UNIT_BYTES;
	void *tail = head;
	for (uint32_t i = 1; i < count; i++) {
		void *next = slot_next(tail);
		if (!next || !slot_link_plausible(next, tail)) {
			damage_found(MISUSE_WRITE_FREED, FOUND_BY_REUSE, tail);
			break; /* the slots behind are lost; they stay counted as used */
		}
		slot_unmark(tail);
		tail = next;
		slab->used--;
	}
	slot_unmark(tail);
	slab->used--;
	if (slot_next(tail) && !slot_link_plausible(slot_next(tail), tail))
		damage_found(MISUSE_WRITE_FREED, FOUND_BY_REUSE, tail);
	slot_link(tail, slab->free);
	slab->free = head;
}

bool heap_collect(struct heap *heap)
{
	if (!atomic_load_explicit(&heap->xpending, memory_order_relaxed))
		return false;
	struct slab *slab = atomic_exchange_explicit(&heap->xpending, NULL, memory_order_acquire);
	while (slab) {
		struct slab *next = atomic_load_explicit(&slab->xpending_next, memory_order_relaxed);
		struct heap *owner = atomic_load_explicit(&slab->heap, memory_order_relaxed);
		if (owner != heap) {
			pending_push(owner, slab); /* another thread took the slab over meanwhile */
		} else {
			remote_splice(slab, heap);
			if (slab->full || slab->used == 0)
				heap_give_slow(heap, slab);
		}
		slab = next;
	}
	return true;
}

/* Slabs of a heap that hold nothing go back. Caller owns the heap. */
static void heap_release_empty(struct heap *heap)
{
	for (int tracked = 0; tracked < 2; tracked++) {
		for (int c = 0; c < SIZE_CLASSES; c++) {
			struct slab *next;
			for (struct slab *slab = heap->queue[tracked][c]; slab != &slab_none; slab = next) {
				next = slab->next;
				if (slab->used == 0) {
					queue_remove(heap, slab);
					pool_release(slab);
				}
			}
		}
	}
}

void recent_drop_damaged(struct heap *heap, unsigned size_class)
{
	void **top = heap->recent[size_class].top;
	if (!top[-1])
		return;
	/* It stays counted as used: what was written there may be anybody's. */
	heap->recent[size_class].top = top - 1;
	damage_found(MISUSE_WRITE_FREED, FOUND_BY_REUSE, top[-1]);
}

void heap_flush(struct heap *heap)
{
	for (unsigned c = 0; c < SIZE_CLASSES; c++) {
		void **slots;
		size_t count = recent_slots(heap, c, &slots);
		heap->recent[c].top = slots;
		for (size_t i = 0; i < count; i++) {
			if (*(uint64_t *)slots[i] == slot_seal(slots[i]))
				heap_give(heap, slab_of(slots[i]), slots[i]);
			else
				damage_found(MISUSE_WRITE_FREED, FOUND_BY_REUSE, slots[i]);
		}
	}
}

void heap_recent(uint64_t *slots, uint64_t *bytes)
{
	*slots = *bytes = 0;
	for (struct heap *heap = heap_first(); heap; heap = heap->next_heap) {
		for (unsigned c = 0; c < SIZE_CLASSES; c++) {
			void **unused;
			uint64_t count = recent_slots(heap, c, &unused);
			*slots += count;
			*bytes += count * size_class_bytes[c];
		}
	}
}

/* Whoever frees a slot of it from now on sees the new owner, or its free is seen here. */
static void slab_hand_over(struct slab *slab, struct heap *heap)
{
	atomic_store_explicit(&slab->heap, heap, memory_order_seq_cst);
	if (slab->tracked)
		return;
	slab->recent = &heap->recent[slab->size_class];
	atomic_store_explicit(&slab->xlocal, heap, memory_order_seq_cst);
	if (atomic_load_explicit(&slab->xremote, memory_order_seq_cst) & REMOTE_QUEUED)
		atomic_store_explicit(&slab->xlocal, NULL, memory_order_relaxed);
}

/* Moves a slab with room from an orphan to the heap. Caller owns both. */
static bool orphan_take_slab(struct heap *orphan, struct heap *heap, unsigned size_class, bool tracked)
{
	struct slab *slab = orphan->queue[tracked][size_class];
	if (slab == &slab_none)
		return false;
	queue_remove(orphan, slab);
	slab_hand_over(slab, heap);
	queue_insert(heap, slab);
	return true;
}

/* Looks at a few orphans, in turn, before a new slab is asked for. Whether the heap has room now. */
static bool orphans_help(struct heap *heap, unsigned size_class, bool tracked)
{
	if (heap->impatient || !lock_try(&heaps.orphans_lock))
		return false;
	bool found = false;
	struct heap **link = &heaps.orphans;
	for (int i = 0; i < ORPHANS_LOOKED_AT && *link && !found; i++, link = &(*link)->next_orphan) {
		heap_collect(*link);
		heap_release_empty(*link);
		found = orphan_take_slab(*link, heap, size_class, tracked);
	}
	lock_release(&heaps.orphans_lock);
	return found;
}

/* A slot from a heap that the caller owns; NULL when memory is short. */
static void *heap_take_owned(struct heap *heap, unsigned size_class, bool tracked)
{
	for (;;) {
		struct slab *slab = heap->queue[tracked][size_class];
		void *slot = slab_pop(slab);
		if (slot) {
			if (!tracked)
				slot_mark(slot);
			return slot;
		}
		if (slab != &slab_none) {
			if (slab_carve(slab))
				continue;
			if (heap_collect(heap))
				continue;
			queue_remove(heap, slab);
			slab->full = true;
			slab->notice = full_notice(slab);
			if (++heap->slow_calls % SLOW_CALLS_PER_TICK == 0 && !heap->impatient)
				pool_tick();
			continue;
		}
		if (heap_collect(heap) && heap->queue[tracked][size_class] != &slab_none)
			continue;
		if (orphans_help(heap, size_class, tracked))
			continue;
		slab = pool_acquire(heap, size_class, tracked, !heap->impatient);
		if (!slab)
			return NULL;
		slab->recent = &heap->recent[size_class];
		queue_insert(heap, slab);
	}
}

/*
 * For signal handlers that interrupted the allocator, and for threads after their end. The interrupted code may hold a
 * lock that another thread, which forks, waits for with all others in its hands: then nothing here waits.
 */
static void *fallback_take(unsigned size_class, bool tracked)
{
	bool impatient = lock_depth > 0;
	for (int round = 0; round < FALLBACK_ROUNDS; round++) {
		for (int i = 0; i < FALLBACK_HEAPS; i++) {
			struct heap *heap = &heap_fallback[i];
			if (!lock_try(&heap->lock))
				continue;
			heap->impatient = impatient;
			void *slot = heap_take_owned(heap, size_class, tracked);
			lock_release(&heap->lock);
			return slot;
		}
		sched_yield();
	}
	return NULL;
}

void *heap_take(struct heap **heap, unsigned size_class, bool tracked)
{
	if (heap_attach(heap))
		return heap_take_owned(*heap, size_class, tracked);
	return fallback_take(size_class, tracked);
}

static void heap_publish(struct heap *heap)
{
	struct heap *first = atomic_load_explicit(&heaps.heaps, memory_order_relaxed);
	do {
		heap->next_heap = first;
	} while (!atomic_compare_exchange_weak_explicit(&heaps.heaps, &first, heap, memory_order_release,
							memory_order_relaxed));
}

static void recent_init(struct heap *heap)
{
	for (unsigned c = 0; c < SIZE_CLASSES; c++) {
		size_t room = RECENT_BYTES / size_class_bytes[c];
		void **first = &heap->recent_slot[c * RECENT_SLOTS + 1];
		heap->recent[c].top = first;
		heap->recent[c].end = first + (room < RECENT_SLOTS ? room : RECENT_SLOTS - 1);
	}
}

static struct heap *heap_new(void)
{
	size_t bytes = sizeof(struct heap) + sizeof(void *) * SIZE_CLASSES * RECENT_SLOTS;
	struct heap *heap = meta_allocate(bytes + _Alignof(struct heap), META_CACHES);
	if (!heap)
		return NULL;
	heap = (struct heap *)(((uintptr_t)heap + _Alignof(struct heap) - 1) & ~(_Alignof(struct heap) - 1));
	for (int tracked = 0; tracked < 2; tracked++)
		for (int c = 0; c < SIZE_CLASSES; c++)
			heap->queue[tracked][c] = &slab_none;
	recent_init(heap);
	heap_publish(heap);
	return heap;
}

static struct heap *orphan_adopt(void)
{
	lock_acquire(&heaps.orphans_lock);
	struct heap *heap = heaps.orphans;
	if (heap)
		heaps.orphans = heap->next_orphan;
	lock_release(&heaps.orphans_lock);
	return heap;
}

bool heap_attach_slow(struct heap **heap)
{
	if (*heap != &heap_unborn)
		return false;
	struct heap *mine = orphan_adopt();
	if (!mine)
		mine = heap_new();
	if (!mine)
		return false;
	mine->exit_rounds = 0;
	mine->stack_low = mine->stack_high = 0;
	mine->last_block = NULL;
	mine->ignore_depth = 0;
	mine->met_jemalloc = false;
	*heap = mine;
	atomic_fetch_add_explicit(&heaps.users, 1, memory_order_relaxed);
	if (heaps.key_exists)
		pthread_setspecific(heaps.key, mine);
	return true;
}

void heap_tidy(struct heap *heap)
{
	heap_flush(heap);
	heap_collect(heap);
	heap_release_empty(heap);
	lock_acquire(&heaps.orphans_lock);
	for (struct heap *orphan = heaps.orphans; orphan; orphan = orphan->next_orphan) {
		heap_collect(orphan);
		heap_release_empty(orphan);
	}
	lock_release(&heaps.orphans_lock);
}

/*
 * The destructor of our thread-specific key. Other destructors still allocate and free; ours puts itself off to
 * the last pass. After that the thread's calls go to the fallback heaps.
 */
static void heap_thread_exit(void *argument)
{
	struct heap *heap = argument;
	if (++heap->exit_rounds < PTHREAD_DESTRUCTOR_ITERATIONS) {
		pthread_setspecific(heaps.key, heap);
		return;
	}
	if (heap_enter() != heap) {
		heap_leave(&heap_gone);
		return;
	}
	heaps.thread_ends(heap);
	atomic_fetch_sub_explicit(&heaps.users, 1, memory_order_relaxed);
	heap_flush(heap);
	heap_collect(heap);
	heap_release_empty(heap);
	lock_acquire(&heaps.orphans_lock);
	heap->next_orphan = heaps.orphans;
	heaps.orphans = heap;
	lock_release(&heaps.orphans_lock);
	heap_leave(&heap_gone);
}

void heap_init(void (*thread_ends)(struct heap *heap))
{
	heaps.thread_ends = thread_ends;
	for (int i = 0; i < FALLBACK_HEAPS; i++)
		heap_publish(&heap_fallback[i]);
	heaps.key_exists = pthread_key_create(&heaps.key, heap_thread_exit) == 0;
}

uint32_t heap_users(void)
{
	uint32_t users = atomic_load_explicit(&heaps.users, memory_order_relaxed);
	return users ? users : 1;
}

struct heap *heap_first(void)
{
	return atomic_load_explicit(&heaps.heaps, memory_order_acquire);
}

void heap_locks(void (*add)(struct lock *lock))
{
	for (int i = 0; i < FALLBACK_HEAPS; i++)
		add(&heap_fallback[i].lock);
	add(&heaps.orphans_lock);
}

void heap_fork_child(struct heap *mine)
{
	for (struct heap *heap = heap_first(); heap; heap = heap->next_heap) {
		/* Written only where need be: each write has the child copy a page. */
		if (heap == mine)
			continue;
		if (atomic_load_explicit(&heap->x_epoch_in_use, memory_order_relaxed))
			atomic_store_explicit(&heap->x_epoch_in_use, 0, memory_order_relaxed);
		if (atomic_load_explicit(&heap->x_walking, memory_order_relaxed))
			atomic_store_explicit(&heap->x_walking, 0, memory_order_relaxed);
	}
	atomic_store_explicit(&heaps.users, 1, memory_order_relaxed);
}
