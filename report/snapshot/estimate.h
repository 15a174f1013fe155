/*
 * From samples to figures: what the recorded blocks represent, and how large the error may be.
 *
 * Each block was recorded with a known probability p, independently of the others. A sum over all blocks is therefore
 * estimated without bias by the sum of value / p over the recorded ones, and the variance of this estimate by the sum
 * of (1 - p) / p^2 * value^2 (Horvitz and Thompson 1952). Both are added up block by block, whatever the grouping.
 *
 * The interval is the gamma interval of Fay and Feuer (1997) for weighted sums of rare events, which is that of Garwood
 * (1936) if all weights are equal. Plus and minus two standard deviations would cover far fewer than 95 % of the cases
 * with few recorded blocks: with three, the truth is below the upper end in 88 %.
 */
#ifndef MUDLARK_ESTIMATE_H
#define MUDLARK_ESTIMATE_H

#include <stdbool.h>
#include <stdint.h>

/* Blocks that were recorded with one probability. */
struct sample_class {
	double chance;
	double least, most; /* requested bytes of one block */
};

/* counted_bytes as in SECTION_SAMPLES; 0: blocks that stand for themselves. */
struct sample_class sample_class_of(uint64_t counted_bytes, uint64_t sample_bytes);

/* How uncertain an estimated sum is. All 0: it is exact. */
struct spread {
	float variance;
	float unit;       /* the most that one more recorded block would add to the standard deviation */
	uint32_t samples; /* recorded blocks */
};

/* For this many blocks, or for their bytes. The sizes of the blocks are unknown: the variance is an upper bound. */
struct spread spread_of_blocks(const struct sample_class *class, uint64_t blocks);
struct spread spread_of_bytes(const struct sample_class *class, uint64_t blocks, uint64_t bytes);
void spread_add(struct spread *to, const struct spread *more);

/* One for each figure of a row. */
struct spreads {
	struct spread live_bytes, live_blocks, alloc_bytes, alloc_blocks, peak_bytes, peak_blocks, temporary_blocks;
	/* Of the live ones: variance of those that lived in the older snapshot of the same process already. */
	float kept_bytes, kept_blocks;
};
void spreads_add(struct spreads *to, const struct spreads *more);

/* For new - old. In one process, blocks that are live in both are the same, and no part of the change. */
void spreads_of_change(const struct spreads *old_spreads, const struct spreads *new_spreads, bool same_process,
		       struct spreads *change);

/* The interval that contains the true sum in 95 % of all cases, given the estimate. */
struct interval {
	double low, high;
};
struct interval interval_of(uint64_t estimate, const struct spread *spread);
/* The same for the difference of two estimates. */
struct interval interval_of_change(int64_t change, const struct spread *spread);

/* The x in "estimate +- x": the larger distance to an end of the interval. */
uint64_t interval_margin(double estimate, struct interval interval);

#endif
