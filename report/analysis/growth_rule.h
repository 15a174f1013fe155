/*
 * Whether a site leaks by growing, from what became of the blocks of each iteration.
 *
 *                    snapshot 0   1   2   3 ...  N-1
 *   born before 0          12   12  12  12        12     warm-up: not judged
 *   born before 1               40   3   1         1     left[birth][time]: blocks of that cohort that still live
 *   born before 2                   41   2 ...     1
 *
 * A total that rises says little: caches fill, load rises, queues wait. What a leak cannot do is stop keeping a part of
 * each iteration's blocks for ever. So a site grows when the cohorts of the first third of the judged run
 *   every cohort   all kept something, and not one block of theirs died beyond the age of two snapshots; or
 *   tail           died so rarely in the last third that a chance of 1 in 4 to die in it can be excluded,
 * and later cohorts go on in the same way. It saturates when the second third kept clearly less than the first. Tests
 * for a trend of the total are kept for suspicion only: by simulation (tests/report/analysis/test_growth_simulation.c)
 * they accuse most healthy sites.
 *
 * Fewer than 9 judged snapshots do not tell a leak from a cache that is flushed now and then: inconclusive.
 */
#ifndef MUDLARK_GROWTH_RULE_H
#define MUDLARK_GROWTH_RULE_H

#include <stdbool.h>
#include <stdint.h>

/* From the best to the worst. */
enum growth_verdict { GROWTH_STEADY, GROWTH_INCONCLUSIVE, GROWTH_SUSPECTED, GROWTH_SATURATING, GROWTH_GROWING };
enum growth_evidence { EVIDENCE_NONE, EVIDENCE_TREND, EVIDENCE_TAIL, EVIDENCE_EVERY_COHORT };

/* A series that is long enough has as many behind the warm-up: with the default one, 12 in all. */
enum { GROWTH_LEAST_JUDGED = 9, SERIES_ENOUGH = 12 };

struct cohort_table {
	uint32_t times;       /* snapshots; as many births */
	uint32_t warmup;      /* births before this one are not judged */
	const uint64_t *left; /* [birth * times + time]: blocks that were recorded; 0 where time < birth */
	/* [birth]: what lives at the last snapshot; of sampled blocks the estimate. */
	const double *kept_blocks, *kept_bytes;
	const double *total_bytes; /* [time] */
	const double *position;    /* [time]: iterations done; NULL: the snapshot's number */
};

/* An amount per iteration: the Theil-Sen estimate, and its interval for 95 % of the cases. */
struct slope {
	double value, low, high;
};

struct growth_judgement {
	enum growth_verdict verdict;
	enum growth_evidence evidence;
	double chance;              /* EVIDENCE_TAIL: of so few deaths if one in four died */
	struct slope blocks, bytes; /* all 0 of what is steady or inconclusive */
};

/* max(2, a quarter), rounded up. */
uint32_t growth_default_warmup(uint32_t times);
void growth_judge(const struct cohort_table *table, struct growth_judgement *judgement);
/* "steady", ...; "every cohort", ... */
const char *growth_verdict_name(enum growth_verdict verdict);
const char *growth_evidence_name(enum growth_evidence evidence);

#endif
