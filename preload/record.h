/*
 * The life of a recorded block: birth gives it a cohort, death takes it back.
 *
 * Counters are kept where no other thread writes: in the heap's tally, and in the heap's cache of recent stacks,
 * which hands them on to the site when an entry makes room for another one. A snapshot adds both up. So the common
 * allocation touches no shared cache line; each heap's x_flush_sequence is odd while counters move, so that none is
 * seen twice.
 *
 * All functions are called between heap_enter() and heap_leave(), with a real heap if they take one.
 */
#ifndef MUDLARK_RECORD_H
#define MUDLARK_RECORD_H

#include "preload/heap.h"
#include "preload/registers.h"
#include "preload/totals.h"

#include <stdbool.h>
#include <stdint.h>

struct site_cache_entry {
	uint64_t key; /* of the stack, captured_stack.key; 0: empty */
	uint32_t site;
	uint32_t cohort;
	uint32_t epoch;        /* that the cohort belongs to */
	uint32_t alloc_blocks; /* not yet at the site */
	uint64_t alloc_bytes;
	uint32_t temporary_blocks;
	uint32_t reserved;
};
_Static_assert(sizeof(struct site_cache_entry) == 40, "what a thread's cache is counted in");

/* A thread that allocates from few places pays 10 KiB, one that needs more gets it: 40 KiB, then 160. */
enum { SITE_CACHE_FIRST = 256, SITE_CACHE_GROWTH = 4, SITE_CACHE_MAX = 4096 };

struct site_cache {
	struct site_cache_entry *entry; /* by the key's low bits */
	uint16_t *touched;              /* entries in use since the last clearing */
	uint32_t touched_count;
	uint32_t entries;   /* a power of two */
	uint32_t evictions; /* since it has this size */
	struct capture *capture;
};

extern _Atomic uint32_t record_epoch; /* from 1; advances with each snapshot */
extern _Atomic bool record_active;    /* the program's allocations are being recorded */

static inline bool record_is_on(void)
{
	return atomic_load_explicit(&record_active, memory_order_relaxed);
}

/* From now on every thread's allocations are recorded. Stopping is to clear record_active. Async-signal-safe. */
void record_start(void);

/* Cohort for a new block of `bytes` requested bytes at p, that the hook with these registers was asked for. Never 0. */
uint32_t record_birth(struct heap *heap, const void *p, size_t bytes, const struct registers *caller);

/* The block at p, with `bytes` requested bytes, is going to be freed. */
void record_death(struct heap *heap, const void *p, size_t bytes, uint32_t cohort);

/* It was not freed after all. */
void record_revival(struct heap *heap, size_t bytes);

/* The same in a nested call or after the thread's end, where there is no heap to count in. */
void record_death_apart(size_t bytes, uint32_t cohort);

/* The heap's thread ends: all its counters go to their sites. */
void record_thread_end(struct heap *heap);

#endif
