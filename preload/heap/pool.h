/*
 * Pools: the memory of small blocks.
 *
 *   chunk  4 MiB, aligned: a guard page, the chunk's header, 64 slab descriptors, and 63 slabs
 *   slab   64 KiB that hold slots of one size class and belong to one heap
 *   slot   room for one block
 *
 *    0        4 KiB    8 KiB          16 KiB       48 KiB      64 KiB     128 KiB                 4 MiB
 *    | guard  | header | descriptors  | live bits  | (unused)  | slab 1   | slab 2  ...  slab 63  |
 *
 * User memory and metadata never share a page. "Whose is this pointer?" is one load that cannot fault (kinds.h); the
 * descriptor follows by arithmetic from p.
 *
 * Chunks are mapped one at a time, when needed, and nothing is reserved ahead: under `ulimit -v` the program cannot
 * have what Mudlark keeps in reserve.
 *
 * Records are stored beside a slab, not in it: a tracked slab has one uint32_t cohort id for each slot (0: the slot is
 * free), followed by one uint16_t of slack for each (slot size - requested bytes). This is 6 bytes a slot, in a mapping
 * of as many pages as the slab's class takes. A header of 16 bytes would cost 25 % of a 63-byte block and could not be
 * turned off (research: random access 3 to 14 ns dearer).
 *
 * Live bits: one for each 16 bytes of the chunk, 1 where a block of an untracked slab begins. They tell a free whether
 * its pointer is a block, without reading the block, which may no longer be in the caches: that load took half of the
 * time of a program that frees at random. Only the slab's owner writes them. A tracked slab's cohorts show the same.
 *
 * With guard=1 all slabs are tracked, each block has a canary behind it, and the first slot of a slab is never handed
 * out: guard.h.
 *
 * Invariants of a slab
 *   slots carved so far = used + length of `free` + length of the remote list, and 1 in a guarded slab; carved <= slots
 *   a slot is free exactly when it is on one of the two lists, in its heap's `recent` (heap.h; `used` counts it), or
 *   not carved
 *   in a tracked slab: slot is live  <=>  its cohort id != 0
 *   in an untracked slab: slot is live or on the remote list  <=>  its live bit is set
 *   heap != NULL exactly while the slab is handed out
 *   xlocal == heap or NULL; NULL when the slab is tracked, and once another thread has freed a slot, until the owner
 *   looks
 *
 * Free lists: the first word of a free slot holds the next one, encoded with a random key and the slot's own address.
 * What a program writes into a freed slot decodes to an address outside the slab with probability 1 - 2^-48, and is
 * caught when the slot is taken again. In a slot that is in `recent`, the word is the address xor the key.
 */
#ifndef MUDLARK_POOL_H
#define MUDLARK_POOL_H

#include "preload/base/lock.h"
#include "preload/heap/kinds.h"
#include "preload/heap/size_class.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CHUNK_BITS = KIND_UNIT_BITS,
	SLAB_BITS = 16,
	CHUNK_SLABS = 64, /* the first one is metadata */
	CHUNK_HEADER_OFFSET = 4096,
	CHUNK_DESCRIPTORS_OFFSET = 8192,
	CHUNK_LIVE_OFFSET = 16384,
	LIVE_WORD_BITS = 10, /* of an address: bytes that one word of live bits is for */
};
#define CHUNK_BYTES ((size_t)1 << CHUNK_BITS)
#define SLAB_BYTES ((size_t)1 << SLAB_BITS)

struct heap;
struct recent;

#define NOTICE_NEVER UINT32_MAX

enum slab_kind {
	SLAB_UNTRACKED,
	SLAB_TRACKED, /* has records */
	SLAB_GUARDED, /* has records, and each block a canary: guard.h */
};

struct slab {
	/* The owner's line. */
	void *free;       /* free slots, newest first, encoded links */
	uint32_t used;    /* slots handed out, remote frees not yet subtracted */
	uint32_t notice;  /* value of `used` at which a free has more to do; NOTICE_NEVER: none */
	uint32_t size;    /* bytes of a slot */
	uint32_t inverse; /* ceil(2^32 / size): offset * inverse >> 32 = slot index */
	uint16_t slots;
	uint16_t carved; /* slots that were ever linked */
	uint8_t size_class;
	bool tracked;
	uint8_t kind;                  /* enum slab_kind */
	bool full;                     /* not in its heap's queue: was used up, and has not much room again */
	_Atomic(struct heap *) heap;   /* owner; read by others */
	uint32_t *cohorts;             /* records of a tracked slab, NULL otherwise; constant while handed out */
	_Atomic(struct heap *) xlocal; /* the heap whose frees are simple; NULL: all have more to do */
	struct recent *recent;         /* the owner's of this class; of an untracked slab */
	/* The line that other threads write. */
	_Alignas(64) _Atomic uint64_t xremote; /* list of slots that others freed, see remote_* in heap.c */
	_Atomic(struct slab *) xpending_next;  /* in the owner's list of slabs with remote frees */
	char *base;
	struct slab *next, *prev; /* owner's queue of slabs with room, slab_none ends it */
	char *records;            /* memory for records, kept while the slab keeps its pages; NULL: none */
	uint8_t record_pages;     /* of it */
	uint8_t record_class;     /* class + 1 that it was last laid out for */
};
_Static_assert(sizeof(struct slab) == 128, "descriptors are found by shifting");
_Static_assert(CHUNK_DESCRIPTORS_OFFSET + CHUNK_SLABS * sizeof(struct slab) <= CHUNK_LIVE_OFFSET, "descriptors fit");
_Static_assert(CHUNK_LIVE_OFFSET + CHUNK_BYTES / SIZE_UNIT_BYTES / 8 <= SLAB_BYTES, "metadata fits slab 0");

/* Stands for "no slab": never has room. */
extern struct slab slab_none;

/* Descriptor for a pointer into a chunk. Its heap is NULL when no slab is there. */
static inline struct slab *slab_of(const void *p)
{
	uintptr_t address = (uintptr_t)p;
	uintptr_t chunk = address & ~(CHUNK_BYTES - 1);
	return (struct slab *)(chunk + CHUNK_DESCRIPTORS_OFFSET +
			       ((address >> SLAB_BITS) & (CHUNK_SLABS - 1)) * sizeof(struct slab));
}

/* Slot index of a pointer into the slab; exact for every class and offset. */
static inline uint32_t slab_index(const struct slab *slab, const void *p)
{
	uint32_t offset = (uint32_t)((uintptr_t)p & (SLAB_BYTES - 1));
	return (uint32_t)(((uint64_t)offset * slab->inverse) >> 32);
}

/* Whether p is the start of a slot that was handed out at some time. */
static inline bool slab_is_slot(const struct slab *slab, const void *p, uint32_t index)
{
	return index * slab->size == (uint32_t)((uintptr_t)p & (SLAB_BYTES - 1)) && index < slab->carved;
}

/* The word of live bits for a pointer into a chunk, and the pointer's bit. */
static inline _Atomic uint64_t *live_word(const void *p)
{
	uintptr_t address = (uintptr_t)p;
	uintptr_t chunk = address & ~(CHUNK_BYTES - 1);
	return (_Atomic uint64_t *)(chunk + CHUNK_LIVE_OFFSET) + ((address & (CHUNK_BYTES - 1)) >> LIVE_WORD_BITS);
}

static inline unsigned live_bit(const void *p)
{
	return (uintptr_t)p / SIZE_UNIT_BYTES & 63;
}

/* Whether an untracked block begins at p, a pointer into a chunk. */
static inline bool slot_is_marked(const void *p)
{
	uint64_t live = atomic_load_explicit(live_word(p), memory_order_relaxed);
	return ((uintptr_t)p & (SIZE_UNIT_BYTES - 1)) == 0 && (live >> live_bit(p) & 1);
}

/* Caller owns the slab. */
static inline void slot_mark(const void *p)
{
	_Atomic uint64_t *word = live_word(p);
	uint64_t live = atomic_load_explicit(word, memory_order_relaxed);
	atomic_store_explicit(word, live | (uint64_t)1 << live_bit(p), memory_order_relaxed);
}

/* Whether p was marked; it is not any more. Caller owns the slab. */
static inline bool slot_unmark(const void *p)
{
	_Atomic uint64_t *word = live_word(p);
	uint64_t live = atomic_load_explicit(word, memory_order_relaxed);
	if (__builtin_expect(((uintptr_t)p & (SIZE_UNIT_BYTES - 1)) != 0, 0))
		return false;
	if (__builtin_expect(!(live >> live_bit(p) & 1), 0))
		return false;
	atomic_store_explicit(word, live & ~((uint64_t)1 << live_bit(p)), memory_order_relaxed);
	return true;
}

/* Slots that can be handed out. */
static inline uint32_t slab_capacity(const struct slab *slab)
{
	return slab->kind == SLAB_GUARDED ? slab->slots - 1u : slab->slots;
}

/* Whether it is the only slab with room in its queue: that one is kept when it becomes empty. */
static inline bool slab_is_alone(const struct slab *slab)
{
	return slab->prev == &slab_none && slab->next == &slab_none;
}

static inline uint16_t *slab_slack(const struct slab *slab)
{
	return (uint16_t *)(slab->cohorts + slab->slots);
}

extern uint64_t pool_key __attribute__((visibility("hidden"))); /* random, set before the first slot is carved */

static inline uint64_t slot_encode(const void *next, const void *slot)
{
	uint64_t at = (uint64_t)(uintptr_t)slot;
	return (uint64_t)(uintptr_t)next ^ pool_key ^ (at << 24 | at >> 40);
}

static inline void *slot_next(const void *slot)
{
	return (void *)(uintptr_t)slot_encode((void *)(uintptr_t) * (const uint64_t *)slot, slot);
}

static inline void slot_link(void *slot, const void *next)
{
	*(uint64_t *)slot = slot_encode(next, slot);
}

/* What the first word of a slot holds that is on no list (heap.h, `recent`). */
static inline uint64_t slot_seal(const void *slot)
{
	return (uint64_t)(uintptr_t)slot ^ pool_key;
}

/* Whether a decoded link may be one: the end of the list, or an address in the slot's own slab. */
static inline bool slot_link_plausible(const void *next, const void *slot)
{
	return (((uintptr_t)next ^ (uintptr_t)slot) >> SLAB_BITS) == 0 || next == NULL;
}

/*
 * A slab of the class for the heap, nothing carved yet; NULL when memory is short, or when wait is false and the
 * central lock is held. Takes RANK_CENTRAL; async-signal-safe; preserves errno.
 */
struct slab *pool_acquire(struct heap *heap, unsigned size_class, bool tracked, bool wait);

/* Takes back a slab whose slots are all free. The memory returns to the kernel after about a second. */
void pool_release(struct slab *slab);

/* Looks at the clock, and returns memory that has been free for a second. Called now and then by slow paths. */
void pool_tick(void);

/* Returns free memory to the kernel: what has been free for a second, or all of it. Whether there was any. */
bool pool_purge(bool all);

/* Links one page's worth of fresh slots into slab->free, which is empty. False when all are carved. */
bool slab_carve(struct slab *slab);

struct pool_usage {
	uint64_t mapped_bytes; /* slabs handed out or still backed by memory */
	uint64_t record_bytes; /* records of tracked slabs */
	uint64_t purged_slabs;
};

/*
 * Calls visit for each slab that is handed out, under RANK_CENTRAL, so that none is released meanwhile. visit
 * must not take a lock or allocate. Owners go on using their slabs.
 */
void pool_walk(void (*visit)(struct slab *slab, void *context), void *context, struct pool_usage *usage);

extern struct lock pool_lock; /* for fork */

#endif
