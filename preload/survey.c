/* Counting what lives, by cohort; survey.h says how it stays consistent. */
#include "preload/survey.h"

#include "preload/large.h"
#include "preload/stacks.h"
#include "preload/sys.h"

struct lock survey_lock = LOCK_INIT(RANK_SNAPSHOT);

static void count(struct survey *survey, uint32_t cohort, uint64_t bytes)
{
	/* A cohort younger than the survey belongs to a block that is too. */
	if (cohort >= survey->cohorts || cohort == COHORT_IGNORED)
		return;
	survey->cohort[cohort].blocks++;
	survey->cohort[cohort].bytes += bytes;
	survey->total.blocks++;
	survey->total.bytes += bytes;
}

static void visit_slab(struct slab *slab, void *context)
{
	if (!slab->tracked)
		return;
	const uint32_t *cohorts = slab->cohorts;
	const uint16_t *slack = slab_slack(slab);
	for (uint32_t i = 0; i < slab->carved; i++) {
		uint32_t cohort = __atomic_load_n(&cohorts[i], __ATOMIC_RELAXED);
		if (cohort)
			count(context, cohort, slab->size - slack[i]);
	}
}

static void visit_large(const struct large_record *record, void *context)
{
	uint32_t cohort = atomic_load_explicit(&record->cohort, memory_order_relaxed);
	if (cohort)
		count(context, cohort, record->size);
}

bool survey_take(struct survey *survey)
{
	*survey = (struct survey){.cohorts = meta_table_count(&cohort_table)};
	survey->mapped_bytes = survey->cohorts * sizeof *survey->cohort;
	survey->cohort = sys_map(survey->mapped_bytes);
	if (!survey->cohort)
		return false;
	pool_walk(visit_slab, survey, &survey->usage);
	large_walk(visit_large, survey);
	return true;
}

void survey_end(struct survey *survey)
{
	if (survey->cohort)
		sys_unmap(survey->cohort, survey->mapped_bytes);
	survey->cohort = NULL;
}
