/*
 * See growth_rule.h. The bounds were chosen by simulation of healthy and leaking sites, which is a test.
 */
#include "report/analysis/growth_rule.h"

#include "report/base/memory.h"

#include <math.h>
#include <stdlib.h>

enum {
	SETTLED_AGE = 2,   /* snapshots after which a block of a short life is gone */
	LEAST_COHORTS = 4, /* that "every cohort" needs */
};
#define SITE_ALPHA 0.001        /* chance of an accusation by the tail, of a site that frees one block in four */
#define HEALTHY_DEATHS 0.25     /* of the blocks that reach the last third, in it */
#define MOST_OF_ONE_COHORT 0.6  /* more than this in one cohort is something that happened once */
#define SATURATED_SHARE 0.5     /* of the first third's survivors in the second */
#define SATURATED_ALPHA 0.02    /* chance of so few in the second third if both kept the same */
#define TREND_DEVIATIONS 2.5758 /* 1 % on both sides */
#define TREND_SHARE 0.01        /* of the total, per iteration, that makes a trend worth a word */

uint32_t growth_default_warmup(uint32_t times)
{
	uint32_t quarter = (times + 3) / 4;
	return quarter > 2 ? quarter : 2;
}

/* P(X <= most) of a binomial X of n trials with this chance. From the largest term down, until no term counts. */
static double binomial_below(uint64_t n, double chance, uint64_t most)
{
	double count = (double)n, sum = 0;
	if ((double)most >= count * chance)
		return 1; /* no less than about a half, which is all that is asked */
	double term = exp(lgamma(count + 1) - lgamma((double)most + 1) - lgamma(count - (double)most + 1) +
			  (double)most * log(chance) + (count - (double)most) * log1p(-chance));
	for (uint64_t k = most;; k--) {
		sum += term;
		if (!k || term < sum * 1e-12)
			return sum;
		term *= (double)k * (1 - chance) / ((count - (double)k + 1) * chance);
	}
}

static uint64_t left_at(const struct cohort_table *table, uint32_t birth, uint32_t time)
{
	return table->left[(uint64_t)birth * table->times + time];
}

static uint64_t survivors(const struct cohort_table *table, uint32_t first, uint32_t end, uint32_t time)
{
	uint64_t sum = 0;
	for (uint32_t birth = first; birth < end; birth++)
		sum += left_at(table, birth, time);
	return sum;
}

static bool every_cohort_keeps(const struct cohort_table *table)
{
	uint32_t last = table->times - 1, cohorts = 0;
	for (uint32_t birth = table->warmup; birth + LEAST_COHORTS <= table->times; birth++, cohorts++) {
		uint64_t kept = left_at(table, birth, last);
		if (!kept || kept != left_at(table, birth, birth + SETTLED_AGE))
			return false;
	}
	return cohorts >= LEAST_COHORTS;
}

/* The chance that the deaths of the last third are so few; 1 when they say nothing. */
static double tail_chance(const struct cohort_table *table, uint32_t third)
{
	uint32_t last = table->times - 1;
	double least = 1;
	for (uint32_t cohorts = 2; cohorts <= third; cohorts++) {
		uint64_t before = survivors(table, table->warmup, table->warmup + cohorts, last - third);
		uint64_t after = survivors(table, table->warmup, table->warmup + cohorts, last);
		double chance = binomial_below(before, HEALTHY_DEATHS, before - after);
		if (before && chance < least)
			least = chance;
	}
	least *= third - 1;
	return least < 1 ? least : 1;
}

/* The youngest cohorts still have their blocks of short lives. */
static bool happened_once(const struct cohort_table *table)
{
	uint64_t most = 0, sum = 0;
	for (uint32_t birth = table->warmup; birth + SETTLED_AGE < table->times; birth++) {
		uint64_t kept = left_at(table, birth, table->times - 1);
		sum += kept;
		most = kept > most ? kept : most;
	}
	return (double)most > MOST_OF_ONE_COHORT * (double)sum;
}

static bool saturates(const struct cohort_table *table, uint32_t third)
{
	uint32_t last = table->times - 1;
	uint64_t first = survivors(table, table->warmup, table->warmup + third, last);
	uint64_t second = survivors(table, table->warmup + third, table->warmup + 2 * third, last);
	return (double)second < SATURATED_SHARE * (double)first ||
	       binomial_below(first + second, 0.5, second) < SATURATED_ALPHA;
}

/* --- slopes ---------------------------------------------------------------------------------------------------- */

static int compare_doubles(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;
	return (a > b) - (a < b);
}

/* By Theil (1950) and Sen (1968): the median of the slopes of all pairs; the interval by Kendall's variance. */
static struct slope theil_sen(const double *x, const double *y, uint32_t count)
{
	struct slope slope = {0};
	size_t pairs = 0;
	double *slopes = must_allocate((size_t)count * count / 2 + 1, sizeof *slopes);
	for (uint32_t i = 0; i < count; i++)
		for (uint32_t j = i + 1; j < count; j++)
			if (x[j] > x[i])
				slopes[pairs++] = (y[j] - y[i]) / (x[j] - x[i]);
	if (pairs) {
		qsort(slopes, pairs, sizeof *slopes, compare_doubles);
		double n = count, half = 1.959964 * sqrt(n * (n - 1) * (2 * n + 5) / 18) / 2;
		double middle = (double)(pairs - 1) / 2;
		double low = fmax(floor(middle - half), 0), high = fmin(ceil(middle + half), (double)(pairs - 1));
		slope.value = (slopes[(size_t)floor(middle)] + slopes[(size_t)ceil(middle)]) / 2;
		slope.low = slopes[(size_t)low];
		slope.high = slopes[(size_t)high];
	}
	free(slopes);
	return slope;
}

/* The 97.5 % point of Student's distribution, to a hundredth from five degrees of freedom on. */
static double student(double freedom)
{
	return 1.96 + 2.37 / freedom + 2.82 / (freedom * freedom) + 2.56 / (freedom * freedom * freedom);
}

/*
 * Of what the judged cohorts keep, summed up to each: so an iteration that keeps nothing counts as well. The sums are a
 * walk whose steps are independent, not its places: by Kendall's variance half of all intervals would miss. So the
 * interval comes from the steps.
 */
static struct slope kept_slope(const struct cohort_table *table, const double *kept)
{
	uint32_t count = 0;
	double sum = 0, squares = 0;
	double *x = must_allocate(table->times, sizeof *x), *y = must_allocate(table->times, sizeof *y);
	for (uint32_t birth = table->warmup; birth + SETTLED_AGE < table->times; birth++, count++) {
		x[count] = table->position ? table->position[birth] : birth;
		y[count] = sum += kept[birth];
		squares += kept[birth] * kept[birth];
	}
	struct slope slope = theil_sen(x, y, count);
	double n = count, width = (x[count - 1] - x[0]) / (n - 1);
	double variance = fmax(squares - sum * sum / n, 0) / (n - 1);
	double half = width > 0 ? student(n - 1) * sqrt(variance / n) / width : 0;
	slope.low = fmax(slope.value - half, 0);
	slope.high = slope.value + half;
	free(x);
	free(y);
	return slope;
}

/* Mann (1945) and Kendall's test of the total, ties counted, and a slope that is worth a word. */
static bool has_trend(const struct cohort_table *table)
{
	const double *y = table->total_bytes + table->warmup;
	uint32_t n = table->times - table->warmup;
	double score = 0, ties = 0, count = n;
	for (uint32_t i = 0; i < n; i++) {
		double equal = 0;
		for (uint32_t j = 0; j < n; j++) {
			if (j > i)
				score += (y[j] > y[i]) - (y[j] < y[i]);
			equal += y[j] == y[i];
		}
		/* Summed over the members of a group of t equal values, t(t-1)(2t+5) of the group. */
		ties += (equal - 1) * (2 * equal + 5);
	}
	double variance = (count * (count - 1) * (2 * count + 5) - ties) / 18;
	if (score <= 1 || variance <= 0 || (score - 1) / sqrt(variance) < TREND_DEVIATIONS)
		return false;
	double *x = must_allocate(n, sizeof *x);
	for (uint32_t i = 0; i < n; i++)
		x[i] = i;
	struct slope slope = theil_sen(x, y, n);
	free(x);
	return slope.low > TREND_SHARE * y[0];
}

void growth_judge(const struct cohort_table *table, struct growth_judgement *judgement)
{
	uint32_t judged = table->times > table->warmup ? table->times - table->warmup : 0, third = judged / 3;
	*judgement = (struct growth_judgement){.chance = 1};
	if (judged < GROWTH_LEAST_JUDGED) {
		judgement->verdict = GROWTH_INCONCLUSIVE;
		return;
	}
	bool every = every_cohort_keeps(table);
	double chance = tail_chance(table, third);
	bool goes_on = survivors(table, table->warmup + third, table->warmup + 2 * third, table->times - 1) > 0;
	if (every || chance < SITE_ALPHA) {
		judgement->evidence = every ? EVIDENCE_EVERY_COHORT : EVIDENCE_TAIL;
		judgement->chance = chance;
		if (saturates(table, third))
			judgement->verdict = GROWTH_SATURATING;
		else if (goes_on && !happened_once(table))
			judgement->verdict = GROWTH_GROWING;
	}
	if (judgement->verdict == GROWTH_STEADY)
		judgement->evidence = EVIDENCE_NONE;
	if (judgement->verdict == GROWTH_STEADY && has_trend(table)) {
		judgement->verdict = GROWTH_SUSPECTED;
		judgement->evidence = EVIDENCE_TREND;
	}
	if (judgement->verdict != GROWTH_STEADY) {
		judgement->blocks = kept_slope(table, table->kept_blocks);
		judgement->bytes = kept_slope(table, table->kept_bytes);
	}
}

const char *growth_verdict_name(enum growth_verdict verdict)
{
	static const char *const names[] = {"steady", "inconclusive", "suspected", "saturating", "growing"};
	return names[verdict];
}

const char *growth_evidence_name(enum growth_evidence evidence)
{
	static const char *const names[] = {"none", "trend", "tail", "every-cohort"};
	return names[evidence];
}
