/*
 * See estimate.h.
 */
#include "report/snapshot/estimate.h"

#include <math.h>

/* Quantile of the normal distribution at 0.975. */
static const double NORMAL_95 = 1.959963984540054;

/* The size class below: 16 up to 128, then four to each doubling. 0 for the first. */
static uint64_t class_below(uint64_t bytes)
{
	if (bytes <= 128)
		return bytes <= 16 ? 0 : bytes - 16;
	unsigned octave = 63u - (unsigned)__builtin_clzll(bytes - 1);
	return bytes - (UINT64_C(1) << (octave - 2));
}

struct sample_class sample_class_of(uint64_t counted_bytes, uint64_t sample_bytes)
{
	if (!counted_bytes || !sample_bytes)
		return (struct sample_class){1, 0, 0};
	uint64_t below = class_below(counted_bytes);
	return (struct sample_class){
		.chance = -expm1(-(double)counted_bytes / (double)sample_bytes),
		.least = below ? (double)below + 1 : 0,
		.most = (double)counted_bytes,
	};
}

struct spread spread_of_blocks(const struct sample_class *class, uint64_t blocks)
{
	double unsure = (1 - class->chance) / (class->chance * class->chance);
	return (struct spread){(float)((double)blocks * unsure), blocks ? (float)sqrt(unsure) : 0, (uint32_t)blocks};
}

struct spread spread_of_bytes(const struct sample_class *class, uint64_t blocks, uint64_t bytes)
{
	double unsure = (1 - class->chance) / (class->chance * class->chance);
	/* (size - least) (most - size) >= 0 bounds each square, and with it their sum (Bhatia and Davis 2000). */
	double squares = (class->least + class->most) * (double)bytes - (double)blocks * class->least * class->most;
	return (struct spread){
		.variance = squares > 0 ? (float)(squares * unsure) : 0,
		.unit = blocks ? (float)(class->most * sqrt(unsure)) : 0,
		.samples = (uint32_t)blocks,
	};
}

void spread_add(struct spread *to, const struct spread *more)
{
	to->variance += more->variance;
	to->unit = fmaxf(to->unit, more->unit);
	to->samples += more->samples;
}

void spreads_add(struct spreads *to, const struct spreads *more)
{
	spread_add(&to->live_bytes, &more->live_bytes);
	spread_add(&to->live_blocks, &more->live_blocks);
	spread_add(&to->alloc_bytes, &more->alloc_bytes);
	spread_add(&to->alloc_blocks, &more->alloc_blocks);
	spread_add(&to->peak_bytes, &more->peak_bytes);
	spread_add(&to->peak_blocks, &more->peak_blocks);
	spread_add(&to->temporary_blocks, &more->temporary_blocks);
	to->kept_bytes += more->kept_bytes;
	to->kept_blocks += more->kept_blocks;
}

/* shared: variance of what is in both, and so in none of the change. */
static struct spread change_of(const struct spread *old_spread, const struct spread *new_spread, float shared)
{
	return (struct spread){
		.variance = fmaxf(old_spread->variance + new_spread->variance - 2 * shared, 0),
		.unit = fmaxf(old_spread->unit, new_spread->unit),
		.samples = old_spread->samples + new_spread->samples,
	};
}

void spreads_of_change(const struct spreads *old_spreads, const struct spreads *new_spreads, bool same_process,
		       struct spreads *change)
{
	const struct spreads *a = old_spreads, *b = new_spreads;
	float one = same_process ? 1 : 0;
	*change = (struct spreads){
		.live_bytes = change_of(&a->live_bytes, &b->live_bytes, one * b->kept_bytes),
		.live_blocks = change_of(&a->live_blocks, &b->live_blocks, one * b->kept_blocks),
		/* These only grow: all of the old ones are in the new ones. */
		.alloc_bytes = change_of(&a->alloc_bytes, &b->alloc_bytes, one * a->alloc_bytes.variance),
		.alloc_blocks = change_of(&a->alloc_blocks, &b->alloc_blocks, one * a->alloc_blocks.variance),
		.peak_bytes = change_of(&a->peak_bytes, &b->peak_bytes, 0),
		.peak_blocks = change_of(&a->peak_blocks, &b->peak_blocks, 0),
		.temporary_blocks =
			change_of(&a->temporary_blocks, &b->temporary_blocks, one * a->temporary_blocks.variance),
	};
}

/* Quantile of the chi-squared distribution at the normal quantile z (Wilson and Hilferty 1931). */
static double chi_squared(double freedom, double z)
{
	double ninth = 2 / (9 * freedom);
	double root = 1 - ninth + z * sqrt(ninth);
	return root > 0 ? freedom * root * root * root : 0;
}

struct interval interval_of(uint64_t estimate, const struct spread *spread)
{
	double value = (double)estimate;
	struct interval interval = {value, value};
	double unit = spread->unit, variance = spread->variance;
	if (value > 0 && variance > 0)
		interval.low = chi_squared(2 * value * value / variance, -NORMAL_95) * variance / (2 * value);
	double more = value + unit;
	variance += unit * unit;
	if (variance > 0)
		interval.high = chi_squared(2 * more * more / variance, NORMAL_95) * variance / (2 * more);
	return interval;
}

struct interval interval_of_change(int64_t change, const struct spread *spread)
{
	double unit = spread->unit, reach = NORMAL_95 * sqrt(spread->variance + unit * unit);
	return (struct interval){(double)change - reach, (double)change + reach};
}

uint64_t interval_margin(double estimate, struct interval interval)
{
	double margin = fmax(estimate - interval.low, interval.high - estimate);
	/* A hostile file may ask for more than there are numbers. */
	return margin < 1e18 ? (uint64_t)ceil(fmax(margin, 0)) : UINT64_C(1000000000000000000);
}
