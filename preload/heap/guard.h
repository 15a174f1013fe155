/*
 * guard=1: what is written outside of blocks, or into freed ones, is found.
 *
 *   a block            | requested bytes | canary: at least GUARD_BYTES, up to the slot's end |
 *   a freed slot       | link | fill .................................................... |
 *
 * Each block gets GUARD_BYTES more than it asks for. The canary's bytes depend on their address and a random key, and
 * are of a kind that neither text nor small numbers have. A freed block is filled, waits in the quarantine, and goes
 * back to its slab when younger ones push it out; it is filled still when it is handed out again.
 *
 * A guarded slab (pool.h) never hands out its first slot, so that before each block lies another one's canary, or a
 * freed one's fill: that is how a write before a block is found.
 *
 * Invariant: the last GUARD_BYTES of each slot of a guarded slab that was carved hold, word by word, canary or fill, at
 * every moment: the two replace each other by stores of words.
 *
 * The quarantine is one for the process: blocks that one thread allocates another one frees, and a thread's end must
 * not empty it.
 */
#ifndef MUDLARK_GUARD_H
#define MUDLARK_GUARD_H

#include "preload/base/lock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	GUARD_BYTES = 32,
	QUARANTINE_BYTES = 16 << 20,
	QUARANTINE_BLOCKS = 1 << 16,
	QUARANTINE_BLOCK_MAX = 4 << 20, /* larger blocks go back at once */
};

/* Set once, before anything is recorded. */
extern bool guard_on;

/*
 * Bytes of a block with its guard: ends at a word's border. A block of no bytes has room for one word, the link of a free
 * slot, which must not reach into the last GUARD_BYTES. size <= PTRDIFF_MAX.
 */
static inline size_t guard_room(size_t size)
{
	return size ? ((size + 7) & ~(size_t)7) + GUARD_BYTES : 8 + GUARD_BYTES;
}

/* What of a canary or fill is another: offsets from the block's begin. */
struct guard_change {
	ptrdiff_t first, end;
};

/* Writes the canary to p[size .. end - 1]; end is a multiple of 8. */
void guard_put_canary(void *p, size_t size, size_t end);
/* Whether it is as it was. */
bool guard_has_canary(const void *p, size_t size, size_t end, struct guard_change *change);
/* The same of a copy of p[size & ~7 .. end - 1]. */
bool guard_is_canary(const uint64_t *words, const void *p, size_t size, size_t end, struct guard_change *change);

/* Fills p[from .. end - 1]; both are multiples of 8. */
void guard_fill(void *p, size_t from, size_t end);
bool guard_is_filled(const void *p, size_t from, size_t end, struct guard_change *change);

/* Whether the bytes before a slot of a guarded slab are another slot's canary or fill. */
bool guard_edge_intact(const void *p, struct guard_change *change);
/* Restores these bytes after the change was reported: to the canary of a slot that `lives`, or to fill. */
void guard_edge_repair(void *p, bool lives);

/* A block in the quarantine. */
struct quarantined {
	void *p;
	uint32_t bytes;     /* requested */
	uint32_t allocated; /* site; 0: not known */
	uint32_t freed;     /* stack; 0: not known */
	uint16_t thread;    /* that freed it */
	uint8_t large;      /* enum large_kind of a large block, 0 of a slot */
};

/* Switches the guard on. False when there is no memory; then it stays off. From the constructor. */
bool guard_init(void);

/*
 * Adds a block that takes `room` bytes. False when it finds no place: it is too large, or the caller is a signal
 * handler that interrupted another call. Async-signal-safe.
 */
bool quarantine_add(const struct quarantined *block, size_t room);
/* Takes the oldest block out when there are too many. Its room is what quarantine_room() says. */
bool quarantine_take(struct quarantined *block, size_t (*room)(const struct quarantined *block));
/* The block that begins there, for a report. False: it is not in the quarantine. */
bool quarantine_find(const void *p, struct quarantined *block);
/* Calls visit for each block while none can leave. visit may take locks of a higher rank. */
void quarantine_walk(void (*visit)(const struct quarantined *block, void *context), void *context);
/* Blocks now, and their room. */
void quarantine_usage(uint64_t *blocks, uint64_t *bytes);

extern struct lock quarantine_lock; /* for fork */

#endif
