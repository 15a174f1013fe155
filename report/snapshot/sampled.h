/*
 * Sampled snapshots: recorded blocks are turned into estimates once, when a snapshot is read.
 *
 * Afterwards a sampled snapshot is like any other, except that its figures are estimates. The recorded figures are
 * stored in recorded_sites and recorded_cohorts, from which the spreads are computed.
 */
#ifndef MUDLARK_SAMPLED_H
#define MUDLARK_SAMPLED_H

#include "report/snapshot/read.h"

/* Estimates the figures of sites, cohorts and totals in place. The snapshot is sampled, and its ids are checked. */
void sampled_estimate(struct snapshot *snapshot);

/* How uncertain the site's figures are; nothing is said of what is kept. */
void sampled_spreads(const struct snapshot *snapshot, uint32_t site, struct spreads *spreads);

/* By site: variance of the bytes and of the blocks that were born in an epoch up to `epoch`. The caller frees. */
struct sampled_kept {
	float bytes, blocks;
};
struct sampled_kept *sampled_kept(const struct snapshot *snapshot, uint64_t epoch);

#endif
