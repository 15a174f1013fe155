/* Counting what lives, by cohort; survey.h says how it stays consistent. */
#include "preload/sites/survey.h"

#include "preload/base/sys.h"
#include "preload/heap/large.h"
#include "preload/sites/stacks.h"

struct lock survey_lock = LOCK_INIT(RANK_SNAPSHOT);

static void count(struct survey_count *counts, uint32_t cohorts, uint32_t cohort, uint64_t bytes)
{
	/* A cohort younger than the survey belongs to a block that is too. Nor does 0, a free slot, count. */
	if (cohort >= cohorts)
		return;
	counts[cohort].blocks++;
	counts[cohort].bytes += bytes;
}

/*
 * The loop of all snapshots: about 2 ns a slot. What it counts for free slots and ignored blocks is dropped afterwards,
 * in survey_total(): a test here is mispredicted where live and free slots mix.
 */
static void visit_slab(struct slab *slab, void *context)
{
	if (!slab->tracked)
		return;
	const struct survey *survey = context;
	struct survey_count *counts = survey->cohort;
	const uint32_t *ids = slab->cohorts, cohorts = survey->cohorts, size = slab->size;
	const uint32_t carved = __atomic_load_n(&slab->carved, __ATOMIC_RELAXED);
	const uint16_t *slack = slab_slack(slab);
	for (uint32_t i = 0; i < carved; i++) {
		uint32_t cohort = __atomic_load_n(&ids[i], __ATOMIC_ACQUIRE); /* before its slack */
		count(counts, cohorts, cohort, size - __atomic_load_n(&slack[i], __ATOMIC_RELAXED));
	}
}

static void visit_large(const struct large_record *record, void *context)
{
	const struct survey *survey = context;
	count(survey->cohort, survey->cohorts, atomic_load_explicit(&record->cohort, memory_order_relaxed),
	      record->size);
}

static void survey_total(struct survey *survey)
{
	survey->cohort[0] = (struct survey_count){0};
	if (survey->cohorts > COHORT_IGNORED)
		survey->cohort[COHORT_IGNORED] = (struct survey_count){0};
	for (uint32_t id = 0; id < survey->cohorts; id++) {
		survey->total.blocks += survey->cohort[id].blocks;
		survey->total.bytes += survey->cohort[id].bytes;
	}
}

bool survey_take(struct survey *survey, uint32_t cohorts)
{
	*survey = (struct survey){.cohorts = cohorts};
	survey->mapped_bytes = survey->cohorts * sizeof *survey->cohort;
	survey->cohort = sys_map(survey->mapped_bytes);
	if (!survey->cohort)
		return false;
	pool_walk(visit_slab, survey, &survey->usage);
	large_walk(visit_large, survey);
	survey_total(survey);
	return true;
}

void survey_end(struct survey *survey)
{
	if (survey->cohort)
		sys_unmap(survey->cohort, survey->mapped_bytes);
	survey->cohort = NULL;
}
