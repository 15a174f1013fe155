/*
 * Growth over a series of snapshots of one process.
 *
 *   cohort (site, epoch) of each snapshot --> (stack, birth, time): blocks --> one table a row --> growth_rule.h
 *
 * An epoch belongs to the first snapshot of the series that was taken at its end or later: its birth. Snapshots that
 * are left out of a series so only make its steps longer. Where the program marks its iterations, effects are per
 * mark, else per snapshot of the series' kind, those that were left out included.
 */
#ifndef MUDLARK_GROWTH_H
#define MUDLARK_GROWTH_H

#include "report/analysis/aggregate.h"
#include "report/analysis/growth_rule.h"
#include "report/analysis/series.h"

struct growth_row {
	struct row row; /* BY_STACK: named when it is not steady */
	struct growth_judgement judgement;
	uint64_t live_bytes, live_blocks; /* in the last snapshot */
};

struct growth {
	struct growth_row *rows; /* the worst verdict first, then the most bytes per iteration */
	size_t count;
	size_t verdicts[GROWTH_GROWING + 1]; /* rows of each */
	uint32_t times, warmup;
	bool by_marks;
	double *position; /* [times]: iterations or snapshots of the kind, at each snapshot; owned */
};

/*
 * names has the snapshots of the series in their order. by is BY_STACK, BY_LINE or BY_FUNCTION. warmup: how many
 * snapshots of the kind, also of those that thinning left out; 0: the default.
 */
void growth_build(struct growth *growth, struct names *names, const struct series *series,
		  const struct aggregate_options *options, uint32_t warmup);
void growth_free(struct growth *growth);

/* "iteration" or "snapshot": what effects are per. */
const char *growth_unit(const struct growth *growth);
/* The members of the open object that say what a row's verdict rests on. */
void growth_row_json(const struct growth_row *row, struct json *json);

#endif
