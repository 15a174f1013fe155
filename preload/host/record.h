/*
 * The life of a recorded block: birth gives it a cohort, death takes it back.
 *
 * Counters are kept where no other thread writes: in the heap's tally, and in the block's site, which belongs to one
 * thread. So the common allocation touches no shared cache line, and a snapshot reads the current values. Each heap has
 * a cache in front of the sites: from the key of a captured stack to its site.
 *
 * All functions are called between heap_enter() and heap_leave(), with a real heap if they take one.
 */
#ifndef MUDLARK_RECORD_H
#define MUDLARK_RECORD_H

#include "preload/arch/registers.h"
#include "preload/heap/heap.h"
#include "preload/sites/stacks.h"
#include "preload/sites/totals.h"
#include "preload/unwind/memo.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * A thread's sites by the key of their stack: buckets of a few entries, the last found new one first. An entry is the
 * upper half of the key and the site's id; the site has the lower half, so all of the key is compared. A thread that
 * allocates from few places pays 4 KiB; one that needs more gets it, up to 256 KiB.
 */
enum { SITE_CACHE_WAYS = 4, SITE_CACHE_FIRST = 512, SITE_CACHE_GROWTH = 8, SITE_CACHE_MAX = 32768 };

/* Stacks that are no site's, by key: where blocks are freed, with guard=1. */
enum { STACK_CACHE_ENTRIES = 512 };

struct stack_cache {
	uint64_t key[STACK_CACHE_ENTRIES];
	uint32_t stack[STACK_CACHE_ENTRIES]; /* 0: empty */
};

struct site_cache {
	uint64_t *entry;     /* 0: empty */
	uint32_t buckets;    /* a power of two */
	uint32_t evictions;  /* since it has this size, and in this generation of modules */
	uint32_t generation; /* of the last site that was not found here */
	struct capture *capture;
	struct memo memo;
	struct python_walk *python; /* NULL: the thread has not run Python yet */
	struct mixed_stack mixed;
	struct stack_cache *stacks; /* NULL: not needed yet */
};

/* Cohort for a new block of `bytes` requested bytes at p, that the hook with these registers was asked for. Never 0. */
uint32_t record_birth(struct heap *heap, const void *p, size_t bytes, const struct registers *caller);

/* The block at p, with `bytes` requested bytes, is going to be freed. */
void record_death(struct heap *heap, const void *p, size_t bytes, uint32_t cohort);

/* It was not freed after all. */
void record_revival(struct heap *heap, size_t bytes);

/* The same in a nested call or after the thread's end, where there is no heap to count in. */
void record_death_apart(size_t bytes, uint32_t cohort);

/*
 * The stack of the call with these registers, as an id of stacks.h, and its site, which has no allocations; 0: none, as
 * recording is off or the call nested. heap may be a sentinel.
 */
uint32_t record_stack(struct heap *heap, const struct registers *caller);
uint32_t record_site(struct heap *heap, const struct registers *caller);
/* Number of the heap's thread; 0: none. heap may be a sentinel. */
uint16_t record_thread(const struct heap *heap);

/* Gives the heap's thread a number and what it needs to record, if it has none yet. False when there is no memory. */
bool record_thread_begin(struct heap *heap);

/* The heap's thread ends. */
void record_thread_end(struct heap *heap);

#endif
