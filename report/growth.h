/*
 * Growth over a series of snapshots of one process.
 *
 *   cohort (site, epoch) of each snapshot --> (stack, birth, time): blocks --> one table a row --> growth_rule.h
 *
 * An epoch belongs to the first snapshot of the series that was taken at its end or later: its birth. Snapshots that
 * are left out of a series so only make its iterations longer. Where the program marks its iterations, effects are
 * per mark, else per snapshot.
 */
#ifndef MUDLARK_GROWTH_H
#define MUDLARK_GROWTH_H

#include "report/aggregate.h"
#include "report/growth_rule.h"
#include "report/json_write.h"

struct series {
	struct snapshot *at[NAMES_LONGEST_SERIES]; /* in the order in which they were taken */
	uint32_t count;
};

enum { SERIES_LEAST = 3 };

/*
 * Loads them and puts them in order. Returns EXIT_FINE, or fills error: EXIT_INPUT when one cannot be read or they are
 * not of one process, EXIT_USAGE when they are too few or too many.
 */
int series_load(struct series *series, const char *const *paths, uint32_t count, struct error *error);
/* The same of snapshots that are there already; it takes them over, also when it fails. */
int series_order(struct series *series, struct error *error);
void series_free(struct series *series);

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
	double position[NAMES_LONGEST_SERIES]; /* iterations or snapshots, at each snapshot */
};

/*
 * names has the snapshots of the series in their order. by is BY_STACK, BY_LINE or BY_FUNCTION. warmup 0: the default.
 */
void growth_build(struct growth *growth, struct names *names, const struct series *series,
		  const struct aggregate_options *options, uint32_t warmup);
void growth_free(struct growth *growth);

/* "iteration" or "snapshot": what effects are per. */
const char *growth_unit(const struct growth *growth);
/* The members of the open object that say what a row's verdict rests on. */
void growth_row_json(const struct growth_row *row, struct json *json);

#endif
