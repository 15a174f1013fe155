/*
 * Heaps: each thread's own slabs, and the thread-local word that records what the thread is doing.
 *
 *   heap_mine (initial-exec TLS, one word) is
 *     &heap_unborn   the thread has not allocated yet
 *     its heap       idle: the thread is outside the allocator
 *     &heap_busy     the thread is inside; what sees this is a signal handler that interrupted it, or code that
 *                    the unwinder or libc runs on our behalf
 *     &heap_gone     the thread's destructors have run
 *
 * Entering the allocator is `h = heap_mine; heap_mine = &heap_busy`, leaving it `heap_mine = h`. The three sentinels
 * have no slabs, so a nested malloc finds nothing on its fast path and needs no separate test: it drops into the slow
 * path, which serves it from one of the fallback heaps under a lock that is only tried. A nested free sees that the
 * slab is not heap_busy's and pushes the block like a foreign thread would. So the allocator is async-signal-safe and
 * re-entrant for the price of two stores.
 *
 * A thread reuses first what it freed last, while it is in the processor's caches: each class has a stack of `recent`
 * slots, from which malloc takes and to which free gives, without reading their slabs. If it is empty or full, the
 * slabs' own lists serve. A slot there holds a seal, so that a write into it is caught as on a list.
 *
 * A heap is never destroyed. When its thread ends it becomes an orphan. The next new thread adopts it, and until then
 * other threads take its free slots and return its empty slabs. Blocks freed by other threads are pushed on their
 * slab's remote list, and the slab, once, on its owner's list of pending slabs.
 *
 * Fields that other threads write begin with x.
 */
#ifndef MUDLARK_HEAP_H
#define MUDLARK_HEAP_H

#include "preload/base/lock.h"
#include "preload/heap/damage.h"
#include "preload/heap/pool.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Owner-written counters that a snapshot reads while they change: relaxed loads and stores, plain moves. */
struct tally {
	_Atomic uint64_t freed_blocks, freed_bytes;
};

static inline void tally_add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline uint64_t tally_get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Of a slab's list of slots that other threads freed: its length, and the first one's offset in units of 16. */
#define HEAP_REMOTE_COUNT(remote) ((uint32_t)(remote) >> 16)
#define HEAP_REMOTE_HEAD(remote) ((uint32_t)(remote)&0xffff)

struct site_cache;
struct site;

/* As an ignore_depth: the thread is one of Mudlark's own. */
#define IGNORE_OWN_THREAD (1u << 31)

/* Recent slots of a class: as many as are RECENT_BYTES long, but at most RECENT_SLOTS - 1. */
enum { RECENT_SLOTS = 64, RECENT_BYTES = 32 << 10 };

/* A stack of slots, which grows upwards; a NULL lies below the first one. */
struct recent {
	void **top,
		**end; /* behind the last slot, behind the last place; the owner's, others read them for statistics */
};

struct heap {
	int64_t x_until_sample;             /* bytes that may be allocated before one is recorded, see sample.h */
	struct recent recent[SIZE_CLASSES]; /* without a place in a heap that is no thread's */

	/* [tracked][class]: slabs with room, the first one is allocated from. slab_none ends each queue. */
	struct slab *queue[2][SIZE_CLASSES];

	/* Recording, see record.c. */
	_Atomic uint8_t sample_mode; /* what x_until_sample was set for */
	uint64_t sample_random;      /* state of the generator of distances between samples; 0: none yet */
	struct tally tally;          /* of the thread that has the heap now */
	struct site_cache *sites;    /* recent stacks; NULL before the first recorded allocation */
	const void *last_block;      /* the thread's last operation allocated this block; NULL: it did not */
	int64_t last_until;          /* ... and left x_until_sample there; another value: it was not the last one */
	struct site *last_site;      /* ... from here */
	int64_t live_bytes_pending;  /* not yet added to the process's total */
	int64_t live_blocks_pending;
	int64_t live_bytes_high;         /* greatest value of live_bytes_pending since it was 0 */
	uint32_t flushes;                /* times that was done */
	uint32_t thread_id;              /* threads.h; 0: none yet */
	uint32_t ignore_depth;           /* mudlark_ignore_begin() nesting */
	_Atomic uint32_t x_epoch_in_use; /* epoch of the allocation being recorded, 0: none */
	_Atomic uint32_t x_walking;      /* inside libunwind, see unwind_gate_close() */
	uintptr_t stack_low, stack_high; /* the thread's stack; 0: not known */
	char *spare_stack;               /* for the unwinder where that one is too small; NULL: not needed yet */
	uint32_t unwound_generation;     /* of the modules, that libunwind's cache is good for */

	/* Ownership. */
	struct heap *next_heap;   /* all heaps, newest first, constant */
	struct heap *next_orphan; /* protected by the orphans' lock */
	struct lock lock;         /* fallback heaps only: held while one is used */
	uint32_t slow_calls;
	bool met_jemalloc;    /* the thread may call it, see jemalloc_glue.h */
	bool impatient;       /* its user interrupted a holder of some lock: it must wait for none */
	uint32_t exit_rounds; /* passes of thread-specific data destructors seen */

	_Alignas(64) _Atomic(struct slab *) xpending; /* slabs with remote frees */

	/* [class][NULL and RECENT_SLOTS - 1], of untracked slabs that this heap owns; only a thread's heap has it. */
	_Alignas(64) void *recent_slot[];
};

extern void *recent_none[1]; /* an empty stack ends here */
extern struct heap heap_unborn, heap_busy, heap_gone;
extern _Thread_local struct heap *heap_mine __attribute__((tls_model("initial-exec")));

static inline bool heap_is_real(const struct heap *heap)
{
	return heap != &heap_unborn && heap != &heap_busy && heap != &heap_gone;
}

/* Enters the allocator. Everything up to heap_leave() stays between the two stores. */
static inline struct heap *heap_enter(void)
{
	struct heap *heap = heap_mine;
	heap_mine = &heap_busy;
	atomic_signal_fence(memory_order_seq_cst);
	return heap;
}

static inline void heap_leave(struct heap *heap)
{
	atomic_signal_fence(memory_order_seq_cst);
	heap_mine = heap;
}

/* The slab's first free slot, or NULL. Caller owns the slab. The link is wiped, so that a free finds it only there. */
static inline void *slab_pop(struct slab *slab)
{
	void *slot = slab->free;
	if (__builtin_expect(slot == NULL, 0))
		return NULL;
	void *next = slot_next(slot);
	if (__builtin_expect(!slot_link_plausible(next, slot), 0)) {
		damage_found(MISUSE_WRITE_FREED, FOUND_BY_REUSE, slot);
		next = NULL; /* what follows cannot be trusted: those slots are lost */
	}
	slab->free = next;
	slab->used++;
	*(uint64_t *)slot = 0;
	return slot;
}

/*
 * The same for a hot path: also NULL when the link is damaged, so that no call needs registers saved. Then slab_pop()
 * says so.
 */
static inline void *slab_pop_fast(struct slab *slab)
{
	void *slot = slab->free;
	if (__builtin_expect(slot == NULL, 0))
		return NULL;
	void *next = slot_next(slot);
	if (__builtin_expect(!slot_link_plausible(next, slot), 0))
		return NULL;
	slab->free = next;
	slab->used++;
	*(uint64_t *)slot = 0;
	return slot;
}

/* The class's most recent slot, live; NULL when there is none or it was written to. Only between enter and leave. */
static inline void *recent_pop(struct heap *heap, unsigned size_class)
{
	void **top = heap->recent[size_class].top;
	void *slot = top[-1];
	if (__builtin_expect(slot == NULL, 0))
		return NULL;
	if (__builtin_expect(*(uint64_t *)slot != slot_seal(slot), 0))
		return NULL;
	heap->recent[size_class].top = top - 1;
	*(uint64_t *)slot = 0;
	slot_mark(slot);
	return slot;
}

/* Adds a slot that is not live any more, of a slab that is the heap's. False when there is no room. */
static inline bool recent_push(struct recent *recent, void *slot)
{
	void **top = recent->top;
	if (__builtin_expect(top == recent->end, 0))
		return false;
	*top = slot;
	recent->top = top + 1;
	*(uint64_t *)slot = slot_seal(slot);
	return true;
}

/* The class's recent slots, oldest first, and their number. */
static inline size_t recent_slots(struct heap *heap, unsigned size_class, void ***slots)
{
	*slots = &heap->recent_slot[size_class * RECENT_SLOTS + 1];
	void **top = __atomic_load_n(&heap->recent[size_class].top, __ATOMIC_RELAXED);
	return top == recent_none + 1 ? 0 : (size_t)(top - *slots);
}

/* What recent_pop() left because it was written to: says so and drops it. */
void recent_drop_damaged(struct heap *heap, unsigned size_class);

/* Gives the recent slots back to their slabs. Caller owns the heap. */
void heap_flush(struct heap *heap);

/* Recent slots of all heaps, which slabs count as used. */
void heap_recent(uint64_t *slots, uint64_t *bytes);

/*
 * A slot of the class, live if untracked; NULL when memory is short (errno is not set). Called between enter and leave
 * with what heap_enter() returned; *heap may change from unborn to the thread's new heap. Preserves errno.
 */
void *heap_take(struct heap **heap, unsigned size_class, bool tracked);

/* What is not the common case of heap_give(): a full slab has room again, or the slab is empty. */
void heap_give_slow(struct heap *heap, struct slab *slab);

/* Takes back what other threads freed. Caller owns the heap. Whether there was anything. */
bool heap_collect(struct heap *heap);

/* Returns a slot to a slab of another heap, from any thread or signal handler. Lock-free; preserves errno. */
void heap_give_remote(struct slab *slab, void *slot);

/* Returns a slot, not live any more, to a slab that `heap` owns. Called between enter and leave. */
static inline void heap_give(struct heap *heap, struct slab *slab, void *slot)
{
	slot_link(slot, slab->free);
	slab->free = slot;
	if (__builtin_expect(--slab->used == slab->notice, 0))
		heap_give_slow(heap, slab);
}

bool heap_attach_slow(struct heap **heap);

/*
 * Gives *heap a heap of its own if the thread has none yet and may still have one. Returns false when there is none
 * to be had: then *heap is a sentinel. Called between enter and leave.
 */
static inline bool heap_attach(struct heap **heap)
{
	return __builtin_expect(heap_is_real(*heap), 1) || heap_attach_slow(heap);
}

/* Collects what others freed and gives back slabs that are empty, of this heap, a real one, and of orphans. */
void heap_tidy(struct heap *heap);

/*
 * Creates the key by which a thread's end is learned. From the constructor: the first keys need no allocation.
 * thread_ends is called then, between enter and leave, with the thread's heap, a real one.
 */
void heap_init(void (*thread_ends)(struct heap *heap));

/* Threads that have a heap now, at least 1. */
uint32_t heap_users(void);

/* All heaps, fallback ones included, through next_heap. */
struct heap *heap_first(void);

/* This file's locks, in rank order: for fork. */
void heap_locks(void (*add)(struct lock *lock));

/*
 * In a fork child. What other heaps' threads were in the middle of is not going on any more, and nobody allocates from
 * those heaps again, since they may have been mid-way: they are no orphans. Frees into them stay correct.
 */
void heap_fork_child(struct heap *mine);

#endif
