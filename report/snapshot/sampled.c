/*
 * See sampled.h.
 */
#include "report/snapshot/sampled.h"

#include "report/base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/*
 * Blocks are whole ones, and rounding each site's alike would be a bias: a site with one block that stands for 1.58
 * would always say 2. So sites round at thresholds that are spread evenly, the multiples of the golden ratio; one site
 * has the same threshold for all its figures, so that no more is freed than was allocated.
 */
static double threshold_of_site(uint32_t site)
{
	double multiple = site * 0.6180339887498949;
	return multiple - floor(multiple);
}

static uint64_t estimate(uint64_t recorded, double chance, double threshold)
{
	double exact = (double)recorded / chance + threshold;
	/* Far beyond any real figure, but a hostile file may ask for it, and the conversion must be defined. */
	return exact < 0x1p62 ? (uint64_t)exact : UINT64_C(1) << 62;
}

static struct sample_class class_of_site(const struct snapshot *snapshot, uint32_t site)
{
	return sample_class_of(snapshot->sample_bytes[site], snapshot->numbers[META_SAMPLE_BYTES]);
}

static void estimate_sites(struct snapshot *snapshot)
{
	for (uint32_t id = 1; id <= snapshot->site_count; id++) {
		const struct snapshot_site *recorded = &snapshot->recorded_sites[id];
		struct snapshot_site *site = &snapshot->sites[id];
		double chance = class_of_site(snapshot, id).chance, threshold = threshold_of_site(id);
		site->alloc_blocks = estimate(recorded->alloc_blocks, chance, threshold);
		site->alloc_bytes = estimate(recorded->alloc_bytes, chance, threshold);
		site->temporary_blocks = estimate(recorded->temporary_blocks, chance, threshold);
		site->peak_blocks = estimate(recorded->peak_blocks, chance, threshold);
		site->peak_bytes = estimate(recorded->peak_bytes, chance, threshold);
		site->live_blocks = site->live_bytes = 0;
	}
}

/* A site's cohorts share what all of them together stand for. */
static void estimate_cohorts(struct snapshot *snapshot)
{
	struct {
		uint64_t blocks, bytes;
	} *so_far = must_allocate((size_t)snapshot->site_count + 1, sizeof *so_far);
	for (uint32_t i = 0; i < snapshot->cohort_count; i++) {
		struct snapshot_cohort *cohort = &snapshot->cohorts[i];
		struct snapshot_site *site = &snapshot->sites[cohort->site];
		double chance = class_of_site(snapshot, cohort->site).chance;
		double threshold = threshold_of_site(cohort->site);
		so_far[cohort->site].blocks += snapshot->recorded_cohorts[i].live_blocks;
		so_far[cohort->site].bytes += snapshot->recorded_cohorts[i].live_bytes;
		uint64_t blocks = estimate(so_far[cohort->site].blocks, chance, threshold);
		uint64_t bytes = estimate(so_far[cohort->site].bytes, chance, threshold);
		cohort->live_blocks = blocks - site->live_blocks;
		cohort->live_bytes = bytes - site->live_bytes;
		site->live_blocks = blocks;
		site->live_bytes = bytes;
	}
	free(so_far);
}

/* The file's own totals are the same estimates with other rounding; now they are the rows' sums. */
static void sum_totals(struct snapshot *snapshot)
{
	static const uint64_t summed[] = {TOTAL_LIVE_BLOCKS, TOTAL_LIVE_BYTES,       TOTAL_ALLOC_BLOCKS,
					  TOTAL_ALLOC_BYTES, TOTAL_TEMPORARY_BLOCKS, TOTAL_PEAK_COMPOSITION_BYTES};
	uint64_t *totals = snapshot->totals;
	for (size_t i = 0; i < sizeof summed / sizeof *summed; i++)
		totals[summed[i]] = 0;
	for (uint32_t id = 1; id <= snapshot->site_count; id++) {
		const struct snapshot_site *site = &snapshot->sites[id];
		struct spreads spreads;
		totals[TOTAL_LIVE_BLOCKS] += site->live_blocks;
		totals[TOTAL_LIVE_BYTES] += site->live_bytes;
		totals[TOTAL_ALLOC_BLOCKS] += site->alloc_blocks;
		totals[TOTAL_ALLOC_BYTES] += site->alloc_bytes;
		totals[TOTAL_TEMPORARY_BLOCKS] += site->temporary_blocks;
		totals[TOTAL_PEAK_COMPOSITION_BYTES] += site->peak_bytes;
		sampled_spreads(snapshot, id, &spreads);
		spreads_add(&snapshot->spreads, &spreads);
	}
	/* Blocks of sizes that no sample has may be missed too: those far below the rate weigh most. */
	float rate = (float)snapshot->numbers[META_SAMPLE_BYTES];
	snapshot->spreads.live_bytes.unit = fmaxf(snapshot->spreads.live_bytes.unit, rate);
	snapshot->spreads.alloc_bytes.unit = fmaxf(snapshot->spreads.alloc_bytes.unit, rate);
	snapshot->spreads.peak_bytes.unit = fmaxf(snapshot->spreads.peak_bytes.unit, rate);
	uint64_t alloc_blocks = totals[TOTAL_ALLOC_BLOCKS], live_blocks = totals[TOTAL_LIVE_BLOCKS];
	uint64_t alloc_bytes = totals[TOTAL_ALLOC_BYTES], live_bytes = totals[TOTAL_LIVE_BYTES];
	totals[TOTAL_FREED_BLOCKS] = alloc_blocks > live_blocks ? alloc_blocks - live_blocks : 0;
	totals[TOTAL_FREED_BYTES] = alloc_bytes > live_bytes ? alloc_bytes - live_bytes : 0;
}

void sampled_estimate(struct snapshot *snapshot)
{
	size_t sites = (size_t)snapshot->site_count + 1, cohorts = snapshot->cohort_count;
	snapshot->recorded_sites = arena_allocate(&snapshot->arena, sites, sizeof *snapshot->sites);
	memcpy(snapshot->recorded_sites, snapshot->sites, sites * sizeof *snapshot->sites);
	snapshot->recorded_cohorts = arena_allocate(&snapshot->arena, cohorts, sizeof *snapshot->cohorts);
	if (cohorts)
		memcpy(snapshot->recorded_cohorts, snapshot->cohorts, cohorts * sizeof *snapshot->cohorts);
	estimate_sites(snapshot);
	estimate_cohorts(snapshot);
	sum_totals(snapshot);
}

void sampled_spreads(const struct snapshot *snapshot, uint32_t id, struct spreads *spreads)
{
	const struct snapshot_site *site = &snapshot->recorded_sites[id];
	struct sample_class class = class_of_site(snapshot, id);
	*spreads = (struct spreads){
		.live_bytes = spread_of_bytes(&class, site->live_blocks, site->live_bytes),
		.live_blocks = spread_of_blocks(&class, site->live_blocks),
		.alloc_bytes = spread_of_bytes(&class, site->alloc_blocks, site->alloc_bytes),
		.alloc_blocks = spread_of_blocks(&class, site->alloc_blocks),
		.peak_bytes = spread_of_bytes(&class, site->peak_blocks, site->peak_bytes),
		.peak_blocks = spread_of_blocks(&class, site->peak_blocks),
		.temporary_blocks = spread_of_blocks(&class, site->temporary_blocks),
	};
}

struct sampled_kept *sampled_kept(const struct snapshot *snapshot, uint64_t epoch)
{
	struct sampled_kept *kept = must_allocate((size_t)snapshot->site_count + 1, sizeof *kept);
	for (uint32_t i = 0; i < snapshot->cohort_count; i++) {
		const struct snapshot_cohort *cohort = &snapshot->recorded_cohorts[i];
		if (cohort->epoch > epoch)
			continue;
		struct sample_class class = class_of_site(snapshot, cohort->site);
		kept[cohort->site].bytes += spread_of_bytes(&class, cohort->live_blocks, cohort->live_bytes).variance;
		kept[cohort->site].blocks += spread_of_blocks(&class, cohort->live_blocks).variance;
	}
	return kept;
}
