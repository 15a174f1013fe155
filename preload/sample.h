/*
 * Which allocations are recorded.
 *
 * Each heap counts the bytes of its allocations down in x_until_sample; the one that takes it below 0 leaves the fast
 * path, and sample_due() says what it is. So one subtraction and one predicted branch serve all cases:
 *
 *   recording off   the countdown starts so high that it never ends
 *   every block     it stands at 0, and each allocation ends it
 *
 * A block counts for SAMPLE_WEIGHT(requested bytes): one byte more than was asked for, so that empty ones count too.
 *
 * The countdown is the owner's; the only others who write it are those that start recording, and they write 0. A
 * thread may be subtracting just then and store its old value over that. The subtraction is therefore one
 * instruction: once every processor has passed a barrier, what is read is what stays.
 */
#ifndef MUDLARK_SAMPLE_H
#define MUDLARK_SAMPLE_H

#include "preload/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a heap's countdown was set for. */
enum sample_mode {
	SAMPLE_UNSET = 0, /* a new heap's: nothing yet */
	SAMPLE_NONE,
	SAMPLE_ALL,
};

#define SAMPLE_WEIGHT(size) ((size) + 1)

/* Counts an allocation. False when it ends the countdown. Of a sentinel only the result counts for nothing. */
static inline bool sample_spend(struct heap *heap, size_t size)
{
#ifdef __x86_64__
	bool left;
	__asm__("sub %[weight], %[until]"
		: [until] "+m"(heap->x_until_sample), "=@ccns"(left)
		: [weight] "r"(SAMPLE_WEIGHT(size)));
	return left;
#else
	int64_t weight = (int64_t)SAMPLE_WEIGHT(size);
	return __atomic_sub_fetch(&heap->x_until_sample, weight, __ATOMIC_RELAXED) >= 0;
#endif
}

/* Takes sample_spend() back: the allocation has come to nothing and is going to be counted again. */
static inline void sample_refund(struct heap *heap, size_t size)
{
	__atomic_store_n(&heap->x_until_sample,
			 __atomic_load_n(&heap->x_until_sample, __ATOMIC_RELAXED) + (int64_t)SAMPLE_WEIGHT(size),
			 __ATOMIC_RELAXED);
}

/* Whether every allocation of the heap is recorded, and sample_due() would only say so. Never of a sentinel. */
static inline bool sample_is_all(const struct heap *heap)
{
	return atomic_load_explicit(&heap->sample_mode, memory_order_relaxed) == SAMPLE_ALL && record_is_on();
}

/* Whether the allocation, which is counted here, is to be recorded. heap is a real one. */
bool sample_due(struct heap *heap, size_t size);

/* Recording has just been switched on: no heap's fast path must miss it. Any thread; async-signal-safe. */
void sample_begin(void);

#endif
