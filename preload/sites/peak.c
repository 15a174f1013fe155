/* The composition of the high-water mark; peak.h. */
#include "preload/sites/peak.h"

#include "preload/sites/sample.h"
#include "preload/sites/totals.h"

/* Number of the composition that is valid; a site with another number had no blocks in it. From 1. */
static uint32_t peak_capture;

void peak_take_from(const struct survey *survey)
{
	uint64_t bytes = 0;
	peak_capture++;
	for (uint32_t id = COHORT_UNKNOWN; id < survey->cohorts; id++) {
		const struct survey_count *count = &survey->cohort[id];
		if (!count->blocks)
			continue;
		const struct cohort *cohort = meta_table_at(&cohort_table, id);
		struct site *site = site_at(cohort->site);
		if (site->peak_capture != peak_capture) {
			site->peak_capture = peak_capture;
			site->peak_blocks = site->peak_bytes = 0;
		}
		site->peak_blocks += count->blocks;
		site->peak_bytes += count->bytes;
		bytes += sample_estimate(site->class, count->blocks, count->bytes).bytes;
	}
	totals_peak_taken(bytes);
}

struct survey_count peak_of_site(const struct site *site)
{
	if (!peak_capture || site->peak_capture != peak_capture)
		return (struct survey_count){0};
	return (struct survey_count){site->peak_blocks, site->peak_bytes};
}

bool peak_take(void)
{
	/*
	 * Unlike snapshot_take() this blocks no signals: nobody has asked for it, and behind a seccomp filter that we
	 * do not know of the system call may kill the host. A handler that runs in between finds the lock taken.
	 */
	if (!lock_try(&survey_lock))
		return false;
	struct survey survey;
	bool taken = survey_take(&survey, meta_table_count(&cohort_table));
	if (taken)
		peak_take_from(&survey);
	survey_end(&survey);
	lock_release(&survey_lock);
	return taken;
}
