/*
 * Sums over the whole process: the live total, its high-water mark, and the timeline.
 *
 * Each heap adds what it allocated and freed to the process's total in portions of totals_portion bytes. These are so
 * small that all heaps together hold back at most 1/256 of the highest total so far, and one alone 1/512. So threads
 * seldom meet in one cache line, and the mark is correct within that bound. Within a portion a heap remembers its own
 * maximum: with one thread the mark is exact.
 *
 * The composition of the peak is taken when the total has fallen by 1/512 from a mark that was not taken before or that
 * has risen by 1/256 since (1/171 if there is only one thread). A growing program pays nothing, and the composition is
 * of a moment within 1 % of the mark. A single free that falls that far is announced before it happens.
 *
 * If allocations are sampled, all this is estimated. Heaps add what sample_estimate() returns; here, blocks are whole
 * numbers again.
 */
#ifndef MUDLARK_TOTALS_H
#define MUDLARK_TOTALS_H

#include "preload/heap/heap.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { TIMELINE_POINTS = 2048 };

struct timeline_point {
	uint64_t elapsed_ns;
	uint64_t live_bytes, live_blocks;
	uint64_t rss_bytes; /* 0: not measured */
};

extern _Atomic int64_t totals_portion; /* bytes */

/*
 * The recording starts: elapsed times count from here. clock, unless NULL, is called with the elapsed time now and
 * then, between enter and leave.
 */
void totals_init(bool follow_peak, void (*clock)(uint64_t elapsed_ns));

uint64_t totals_elapsed_ns(void);

/* Sets the portions anew: the peak or the number of heaps is another. */
void totals_share(void);

/*
 * Moves the heap's portion to the total, and keeps timeline and clock going. Returns whether peak_take() is due. Called
 * between enter and leave.
 */
bool totals_flush(struct heap *heap);

/* Blocks were freed where no heap counts them. Lock-free. */
void totals_forget(uint64_t bytes, uint64_t blocks);

/* A block of `bytes` is about to be freed that is larger than a portion. Flushes; returns whether peak_take() is due. */
bool totals_before_drop(struct heap *heap, uint64_t bytes);

/* Live now, all heaps' portions included. */
int64_t totals_live_bytes(void);
int64_t totals_live_blocks(void);

struct totals_peak {
	uint64_t bytes, blocks, elapsed_ns; /* the mark */
	uint64_t composition_bytes;         /* sum of what the sites' peak counters hold */
};
struct totals_peak totals_peak(void);

/* Returns whether the peak's composition should be taken from this moment's blocks. Under the snapshot lock. */
bool totals_peak_is_now(void);
void totals_peak_taken(uint64_t bytes);

/* Adds a point; RSS is measured only when asked for: it needs a file. */
void timeline_add(uint64_t rss_bytes);
/* Copies the points, oldest first; returns their number, at most TIMELINE_POINTS. */
uint32_t timeline_copy(struct timeline_point *out);

extern struct lock timeline_lock; /* for fork */

#endif
