/*
 * How often the rule accuses the innocent, and how often it finds the guilty: sites simulated block by block with fixed
 * seeds, 2,000 runs of each pattern. A unit of time is an iteration; a block of a short life lives 0.2 of one.
 */
#include "report/analysis/growth_rule.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS = 2000, MOST_TIMES = 20, CHURN = 200 };
#define SHORT_LIFE 0.2

/* --- numbers --------------------------------------------------------------------------------------------------- */

static uint64_t state;

/* Steele, Lea and Flood's splitmix64. */
static uint64_t next_random(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static double uniform(double low, double high)
{
	return low + (high - low) * (double)(next_random() >> 11) * 0x1p-53;
}

static double exponential(double mean)
{
	return -mean * log(1 - uniform(0, 1));
}

/* --- a site ---------------------------------------------------------------------------------------------------- */

static uint32_t times;
static uint64_t left[MOST_TIMES * MOST_TIMES];

/* A block that is born and dies at these times. Snapshot t is taken at time t + 1. */
static void block(double born, double dies)
{
	uint32_t birth = (uint32_t)born;
	for (uint32_t time = birth; time < times && dies >= time + 1; time++)
		left[birth * times + time]++;
}

/* Births of a Poisson process from `from` to `to`, each with a life of this mean. */
static void poisson(double per_iteration, double from, double to, double mean_life)
{
	for (double at = from + exponential(1 / per_iteration); at < to; at += exponential(1 / per_iteration))
		block(at, at + exponential(mean_life));
}

static void churn(void)
{
	poisson(CHURN, 0, times, SHORT_LIFE);
}

static void long_lived(void)
{
	poisson(CHURN * 0.9, 0, times, SHORT_LIFE);
	poisson(CHURN * 0.1, 0, times, 8);
}

static void queue(void)
{
	double at = 0, done = 0;
	while ((at += exponential(1.0 / CHURN)) < times) {
		done = (done > at ? done : at) + exponential(0.97 / CHURN);
		block(at, done);
	}
}

/* Full in the middle of the run; from then on the oldest goes for each that comes. */
static void lru(void)
{
	double life = uniform(0.4, 0.6) * times;
	churn();
	for (double at = exponential(1.0 / 60); at < times; at += exponential(1.0 / 60))
		block(at, at + life);
}

static void cache_stops(void)
{
	churn();
	poisson(60, 0, uniform(0.4, 0.55) * times, 1e9);
}

static void ramp(void)
{
	double at = 0;
	while ((at += exponential(1.0 / (CHURN * (1 + 0.6 * at / times)))) < times)
		block(at, at + exponential(SHORT_LIFE));
}

static void one_shot(void)
{
	double at = uniform(0.4, 0.6) * times;
	churn();
	for (int i = 0; i < 300; i++)
		block(at, 1e9);
}

static void sawtooth(void)
{
	double period = uniform(4, 7), phase = uniform(0, period);
	churn();
	for (double at = exponential(1.0 / 60); at < times; at += exponential(1.0 / 60))
		block(at, (floor((at + phase) / period) + 1) * period - phase);
}

/* Each of 800 keys is looked up once in four iterations, and remembered for ever. */
static void memo(void)
{
	churn();
	for (int key = 0; key < 800; key++) {
		double at = exponential(4);
		if (at < times)
			block(at, 1e9);
	}
}

static void leak_of_one(void)
{
	churn();
	for (uint32_t i = 0; i < times; i++)
		block(i + uniform(0, 1), 1e9);
}

static void leak_of_ten(void)
{
	churn();
	poisson(10, 0, times, 1e9);
}

/* --- judging --------------------------------------------------------------------------------------------------- */

static struct growth_judgement judge(void)
{
	struct growth_judgement judgement;
	double blocks[MOST_TIMES], bytes[MOST_TIMES], totals[MOST_TIMES] = {0};
	for (uint32_t birth = 0; birth < times; birth++) {
		blocks[birth] = (double)left[birth * times + times - 1];
		bytes[birth] = blocks[birth] * 48;
		for (uint32_t time = birth; time < times; time++)
			totals[time] += (double)left[birth * times + time] * 48;
	}
	struct cohort_table table = {times, growth_default_warmup(times), left, blocks, bytes, totals, NULL};
	growth_judge(&table, &judgement);
	return judgement;
}

static const struct pattern {
	const char *name;
	void (*simulate)(void);
	bool leaks;
	int most_accused_12; /* of RUNS, on 12 snapshots; none on 20 */
} patterns[] = {
	{"steady churn", churn, false, 0},
	{"one in ten lives long", long_lived, false, 0},
	{"queue, utilisation 0.97", queue, false, 0},
	{"LRU cache fills", lru, false, 0},
	{"cache fills and stops", cache_stops, false, 0},
	{"load rises by 60 %", ramp, false, 0},
	{"initialised once", one_shot, false, 0},
	{"flushed at times", sawtooth, false, RUNS * 4 / 100},
	{"memo cache saturates", memo, false, 0},
	{"leak of 1 in 200", leak_of_one, true, 0},
	{"leak of 10 in 200", leak_of_ten, true, 0},
};
enum { PATTERNS = sizeof patterns / sizeof *patterns };

static void run(const struct pattern *pattern, uint32_t snapshots, int counts[GROWTH_GROWING + 1])
{
	times = snapshots;
	state = 0x6d75646c61726bu + snapshots;
	memset(counts, 0, (GROWTH_GROWING + 1) * sizeof *counts);
	for (int i = 0; i < RUNS; i++) {
		memset(left, 0, sizeof left);
		pattern->simulate();
		counts[judge().verdict]++;
	}
	printf("%2u snapshots, %-24s growing %4d saturating %4d suspected %4d steady %4d\n", snapshots, pattern->name,
	       counts[GROWTH_GROWING], counts[GROWTH_SATURATING], counts[GROWTH_SUSPECTED], counts[GROWTH_STEADY]);
	fflush(stdout);
}

START_TEST(twenty_snapshots)
{
	int counts[GROWTH_GROWING + 1];
	const struct pattern *pattern = &patterns[_i];
	run(pattern, 20, counts);
	if (pattern->leaks)
		ck_assert_int_ge(counts[GROWTH_GROWING], RUNS * 95 / 100);
	else
		ck_assert_int_eq(counts[GROWTH_GROWING], 0);
}
END_TEST

START_TEST(twelve_snapshots)
{
	int counts[GROWTH_GROWING + 1];
	const struct pattern *pattern = &patterns[_i];
	run(pattern, 12, counts);
	if (pattern->leaks)
		ck_assert_int_ge(counts[GROWTH_GROWING], RUNS * 95 / 100);
	else
		ck_assert_int_le(counts[GROWTH_GROWING], pattern->most_accused_12);
}
END_TEST

/* Half a dozen snapshots are not enough for a verdict, and it is not given. */
START_TEST(few_snapshots_are_inconclusive)
{
	int counts[GROWTH_GROWING + 1];
	run(&patterns[PATTERNS - 1], 11, counts);
	ck_assert_int_eq(counts[GROWTH_INCONCLUSIVE], RUNS);
}
END_TEST

/* The slope is the leak's: within its interval in nearly all runs, and close on the average. */
START_TEST(slope_is_the_leak)
{
	double sum = 0;
	int inside = 0;
	times = 20;
	state = 1;
	for (int i = 0; i < RUNS; i++) {
		memset(left, 0, sizeof left);
		leak_of_ten();
		struct growth_judgement judgement = judge();
		sum += judgement.bytes.value;
		inside += judgement.bytes.low <= 480 && judgement.bytes.high >= 480;
	}
	ck_assert_double_eq_tol(sum / RUNS, 480, 10);
	printf("slope: mean %.1f of 480, %d of %d intervals hold it\n", sum / RUNS, inside, RUNS);
	ck_assert_int_ge(inside, RUNS * 85 / 100);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("growth simulation");
	TCase *all = tcase_create("all");
	tcase_set_timeout(all, 60);
	tcase_add_loop_test(all, twenty_snapshots, 0, PATTERNS);
	tcase_add_loop_test(all, twelve_snapshots, 0, PATTERNS);
	tcase_add_test(all, few_snapshots_are_inconclusive);
	tcase_add_test(all, slope_is_the_leak);
	suite_add_tcase(suite, all);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failures = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failures != 0;
}
