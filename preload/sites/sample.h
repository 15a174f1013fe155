/*
 * Which allocations are recorded, and what a recorded one represents.
 *
 * Each heap counts the bytes of its allocations down in x_until_sample. The allocation that takes it below 0 leaves the
 * fast path, and sample_due() decides what it is. So one subtraction and one predicted branch serve all cases:
 *
 *   recording off   the countdown starts so high that it never ends
 *   every block     it is 0, and each allocation ends it
 *   guard=1         it is 0, whether blocks are recorded or not
 *   samples         it starts at the distance to the next chosen byte, see poisson.h
 *
 * A block counts for the bytes of its size class; above SMALL_MAX_BYTES, classes continue with four per doubling. So an
 * empty block counts too, and all blocks of a class are sampled with one probability p. Samples of different classes
 * are counted, unchanged, at different sites (stacks.h). A site's numbers divided by its p are unbiased estimates,
 * computed where they are needed. Sums over many sites, such as the live total of the process, are estimates from the
 * start. Their blocks are in units of 1/65536, because rounding each sample would add a bias.
 *
 * The countdown belongs to the owner. Only callers that start recording write it as well, and they write 0. The owner
 * may be subtracting at that moment and store its old value over the 0. The subtraction is therefore one instruction:
 * once every processor has passed a barrier, the value that is read is final.
 */
#ifndef MUDLARK_SAMPLE_H
#define MUDLARK_SAMPLE_H

#include "preload/arch/processor.h"
#include "preload/base/poisson.h"
#include "preload/heap/heap.h"
#include "preload/heap/size_class.h"
#include "preload/sites/recording.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The mode for which a heap's countdown was set. */
enum sample_mode {
	SAMPLE_UNSET = 0, /* a new heap's: nothing yet */
	SAMPLE_NONE,
	SAMPLE_ALL,
	SAMPLE_SOME,
	SAMPLE_GUARDED, /* guard.h: recorded or not, each block takes the slow path */
};

enum {
	SAMPLE_LARGE_SHIFT = 14, /* SMALL_MAX_BYTES is 1 << 14 */
	SAMPLE_CLASSES = SIZE_CLASSES + 4 * (63 - SAMPLE_LARGE_SHIFT),
	SAMPLE_CLASS_UNKNOWN = SAMPLE_CLASSES, /* of site 1: blocks of all sizes; each stands for itself */
};
_Static_assert(1 << SAMPLE_LARGE_SHIFT == SMALL_MAX_BYTES, "large classes go on where the small ones end");

/* Mean bytes between samples; 0: every block is recorded. Constant once recording has begun. */
extern uint64_t sample_bytes;

static inline unsigned sample_class_of(size_t size)
{
	if (size <= SMALL_MAX_BYTES)
		return size_class_of(size);
	unsigned octave = 63u - (unsigned)__builtin_clzll(size - 1);
	unsigned quarter = (unsigned)((size - 1) >> (octave - 2)) & 3;
	return SIZE_CLASSES + 4 * (octave - SAMPLE_LARGE_SHIFT) + quarter;
}

/* The bytes that a block of the class counts for. */
static inline uint64_t sample_class_bytes(unsigned class)
{
	if (class < SIZE_CLASSES)
		return size_class_bytes[class];
	class -= SIZE_CLASSES;
	return (uint64_t)(5 + class % 4) << (SAMPLE_LARGE_SHIFT - 2 + class / 4);
}

/* Counts an allocation. Returns false if it ends the countdown. */
static inline bool sample_spend(struct heap *heap, uint64_t bytes)
{
	return processor_count_down(&heap->x_until_sample, bytes);
}

/* Takes sample_spend() back: the allocation has come to nothing and is going to be counted again. */
static inline void sample_refund(struct heap *heap, uint64_t bytes)
{
	__atomic_store_n(&heap->x_until_sample,
			 __atomic_load_n(&heap->x_until_sample, __ATOMIC_RELAXED) + (int64_t)bytes, __ATOMIC_RELAXED);
}

/*
 * Returns whether every allocation of the heap is recorded: then this stands for sample_due(). Never of a sentinel. Its
 * countdown stays at 0: sample_begin() may have written between a sample_spend() and its sample_refund().
 */
static inline bool sample_is_all(struct heap *heap)
{
	if (atomic_load_explicit(&heap->sample_mode, memory_order_relaxed) != SAMPLE_ALL || !recording_is_on())
		return false;
	__atomic_store_n(&heap->x_until_sample, 0, __ATOMIC_RELAXED);
	return true;
}

/* Returns whether the allocation, which is counted here, is to be recorded. heap is a real one. */
bool sample_due(struct heap *heap, size_t size);

/*
 * The same for an allocation that could not be recorded where it is: true counts it as one that is not; with false
 * nothing has changed, and sample_due() will say true.
 */
bool sample_passes(struct heap *heap, size_t size);

/* The estimate from `blocks` recorded blocks of a class with `bytes` requested bytes in total. */
struct sample_sum {
	uint64_t bytes;
	uint64_t blocks; /* in the unit of sample_whole() */
};
struct sample_sum sample_estimate(unsigned class, uint64_t blocks, uint64_t bytes);

/* The same for one block of `bytes` requested bytes. */
static inline struct sample_sum sample_one(size_t bytes)
{
	if (__builtin_expect(sample_bytes == 0, 1))
		return (struct sample_sum){bytes, 1};
	return sample_estimate(sample_class_of(bytes), 1, bytes);
}

/* Blocks as a snapshot has them, from sums of what sample_estimate() says. */
uint64_t sample_whole(uint64_t blocks);

/* From the constructor, before recording begins. */
void sample_init(uint64_t bytes);

/* Recording has just been switched on: no heap's fast path must miss it. Any thread; async-signal-safe. */
void sample_begin(void);

/* In a fork child: its thread's next samples are others than the parent's. */
void sample_fork_child(struct heap *mine);

#endif
