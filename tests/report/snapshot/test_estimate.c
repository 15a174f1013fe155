/*
 * Estimates against blocks whose number and sizes are known, sampled over and over with fixed seeds: no bias, and
 * intervals that hold the truth as often as they say.
 */
#include "report/snapshot/estimate.h"
#include "report/snapshot/sampled.h"
#include "tests/report/synthetic.h"

#include <check.h>
#include <math.h>
#include <stdio.h>

static uint64_t state;

/* Uniform in (0, 1); splitmix64 (Steele, Lea, Flood 2014). */
static double uniform(void)
{
	uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return ((double)((z ^ z >> 31) >> 11) + 0.5) * 0x1p-53;
}

/* Blocks that pass before the next one that is sampled. */
static uint64_t unsampled(double chance)
{
	return (uint64_t)fmin(log(uniform()) / log1p(-chance), 1e9);
}

/* Blocks of a program: so many of random sizes up to a size class, behind the next smaller one. */
static const struct population {
	const char *name;
	uint64_t rate;
	struct {
		uint64_t counted, least;
		int blocks;
	} part[3];
} populations[] = {
	{"small", 524288, {{64, 49, 200000}}},
	{"few samples", 524288, {{64, 49, 25000}}},
	{"about the rate", 4096, {{4096, 3585, 60}}},
	{"larger", 4096, {{16384, 14337, 40}}},
	{"mixed", 4096, {{16, 0, 4000}, {1024, 897, 200}, {10240, 8193, 10}}},
	{"certain", 16, {{16384, 14337, 40}}},
};
enum { POPULATIONS = sizeof populations / sizeof populations[0], ROUNDS = 3000 };

struct tested {
	double sum, squares; /* of the estimates */
	unsigned held, judged;
};

static void judge(struct tested *tested, double estimate, double truth, const struct spread *spread)
{
	tested->sum += estimate;
	tested->squares += (estimate - truth) * (estimate - truth);
	/* Where nothing was recorded there is no row, and nothing says that something was missed. */
	if (!spread->samples)
		return;
	struct interval interval = interval_of((uint64_t)(estimate + 0.5), spread);
	ck_assert_double_le(interval.low, estimate + 1);
	ck_assert_double_le(estimate - 1, interval.high);
	tested->judged++;
	tested->held += interval.low - 0.5 <= truth && truth <= interval.high + 0.5;
}

static void conclude(const char *name, const char *what, const struct tested *tested, double truth)
{
	double deviation = sqrt(tested->squares / ROUNDS), bias = tested->sum / ROUNDS - truth;
	ck_assert_msg(fabs(bias) <= 4 * deviation / sqrt(ROUNDS) + 1e-6 * truth, "%s: %s are off by %g of %g", name,
		      what, bias, truth);
	double coverage = (double)tested->held / tested->judged;
	printf("%s: %s within the interval in %.1f %%\n", name, what, 100 * coverage);
	/* The gamma interval is conservative with few samples: it never holds less. */
	ck_assert_msg(coverage > 0.945, "%s: %s: the interval holds the truth in %.1f %%", name, what, 100 * coverage);
}

START_TEST(simulated)
{
	const struct population *population = &populations[_i];
	struct tested bytes = {0}, blocks = {0};
	double true_bytes = 0, true_blocks = 0;
	state = 77 + (uint64_t)_i;
	for (int round = 0; round < ROUNDS; round++) {
		double estimated_bytes = 0, estimated_blocks = 0;
		struct spread bytes_spread = {0}, blocks_spread = {0};
		true_bytes = true_blocks = 0;
		for (int part = 0; part < 3 && population->part[part].blocks; part++) {
			uint64_t counted = population->part[part].counted, least = population->part[part].least;
			struct sample_class class = sample_class_of(counted, population->rate);
			ck_assert_double_eq(class.least, (double)least);
			uint64_t recorded = 0, recorded_bytes = 0, span = counted - least + 1;
			int count = population->part[part].blocks;
			true_blocks += count;
			for (int i = 0; i < count; i++)
				true_bytes += (double)(least + (uint64_t)i % span);
			/* From one sampled block to the next is geometric: as exact as a look at each, and faster. */
			for (uint64_t at = unsampled(class.chance); at < (uint64_t)count;
			     at += 1 + unsampled(class.chance)) {
				recorded++;
				recorded_bytes += least + at % span;
			}
			estimated_blocks += (double)recorded / class.chance;
			estimated_bytes += (double)recorded_bytes / class.chance;
			struct spread more = spread_of_blocks(&class, recorded);
			spread_add(&blocks_spread, &more);
			more = spread_of_bytes(&class, recorded, recorded_bytes);
			spread_add(&bytes_spread, &more);
		}
		judge(&blocks, estimated_blocks, true_blocks, &blocks_spread);
		judge(&bytes, estimated_bytes, true_bytes, &bytes_spread);
	}
	conclude(population->name, "blocks", &blocks, true_blocks);
	conclude(population->name, "bytes", &bytes, true_bytes);
}
END_TEST

/* Blocks of a class differ by less than a quarter: that their sizes are not known widens the interval by little. */
START_TEST(bound_of_the_variance)
{
	struct sample_class class = sample_class_of(1024, 524288);
	double squares = 0, sum = 0, unsure = (1 - class.chance) / (class.chance * class.chance);
	for (int i = 897; i <= 1024; i++) {
		sum += i;
		squares += (double)i * i;
	}
	struct spread spread = spread_of_bytes(&class, 128, (uint64_t)sum);
	ck_assert_double_ge((double)spread.variance, squares * unsure * (1 - 1e-6));
	ck_assert_double_le((double)spread.variance, squares * unsure * 1.01);
}
END_TEST

/* What lives on is the same in both snapshots of a process: only what came and went makes their difference uncertain.
 */
START_TEST(change_of_one_process)
{
	struct sample_class class = sample_class_of(64, 524288);
	struct spreads before = {.live_bytes = spread_of_bytes(&class, 1000, 60000)}, after = before, change;
	spreads_of_change(&before, &after, false, &change);
	ck_assert_double_eq_tol(change.live_bytes.variance, 2 * before.live_bytes.variance, 1e6);
	after.kept_bytes = before.live_bytes.variance;
	spreads_of_change(&before, &after, true, &change);
	ck_assert_double_eq(change.live_bytes.variance, 0);
	struct spread grown = spread_of_bytes(&class, 10, 600);
	spread_add(&after.live_bytes, &grown);
	spreads_of_change(&before, &after, true, &change);
	ck_assert_double_eq_tol(change.live_bytes.variance / grown.variance, 1, 0.01);
}
END_TEST

/* A snapshot with samples at two sites, one of a class that is always sampled. */
static struct snapshot *sampled_snapshot(struct error *error)
{
	static uint64_t counted[] = {0, 64, 16384};
	struct synthetic *s = synthetic_new(1, 0, "A");
	struct buffer file = {0};
	s->snapshot.numbers[META_SAMPLE_BYTES] = 1024;
	synthetic_site(s, 1, 1, 100, 6000, 150, 9000);
	synthetic_site(s, 2, 1, 3, 48000, 4, 64000);
	s->snapshot.sample_bytes = counted;
	s->snapshot.sample_count = 2;
	snapshot_encode(&s->snapshot, &file);
	struct snapshot *snapshot = snapshot_decode(file.data, file.length, "sampled.mud", 0, error);
	buffer_free(&file);
	free(s);
	return snapshot;
}

/* Where nothing was recorded there may still be blocks: 3.69 times the rate is what 2.5 % of all cases exceed. */
START_TEST(nothing_recorded)
{
	struct snapshot_site site = {0};
	uint64_t counted = 0;
	struct snapshot snapshot = {.sites = &site, .sample_bytes = &counted};
	snapshot.numbers[META_SAMPLE_BYTES] = 524288;
	sampled_estimate(&snapshot);
	struct interval interval = interval_of(0, &snapshot.spreads.live_bytes);
	ck_assert_double_eq(interval.low, 0);
	ck_assert_double_eq_tol(interval.high / 524288, 3.69, 0.05);
	arena_free(&snapshot.arena);
}
END_TEST

START_TEST(decoded)
{
	struct error error = {0};
	struct snapshot *snapshot = sampled_snapshot(&error);
	ck_assert_msg(snapshot, "%s", error.message);
	double chance = -expm1(-64.0 / 1024);
	ck_assert_uint_eq(snapshot->recorded_sites[1].live_blocks, 100);
	ck_assert_double_eq_tol((double)snapshot->sites[1].live_blocks, 100 / chance, 1);
	ck_assert_double_eq_tol((double)snapshot->sites[1].alloc_bytes, 9000 / chance, 1);
	ck_assert_uint_eq(snapshot->sites[2].live_blocks, 3);
	ck_assert_uint_eq(snapshot->sites[2].live_bytes, 48000);
	ck_assert_uint_eq(snapshot->totals[TOTAL_LIVE_BYTES],
			  snapshot->sites[1].live_bytes + snapshot->sites[2].live_bytes);
	ck_assert_uint_eq(snapshot->cohorts[0].live_blocks, snapshot->sites[1].live_blocks);
	ck_assert_uint_eq(snapshot->spreads.live_blocks.samples, 103);
	/* Again, from what was decoded. */
	struct buffer file = {0};
	snapshot_encode(snapshot, &file);
	struct snapshot *again = snapshot_decode(file.data, file.length, "again.mud", 0, &error);
	ck_assert_msg(again, "%s", error.message);
	ck_assert_uint_eq(again->sites[1].live_blocks, snapshot->sites[1].live_blocks);
	snapshot_free(again);
	snapshot_free(snapshot);
	buffer_free(&file);
}
END_TEST

/* Many sites with one sample each, that stands for 1.58 blocks: rounding is no bias. */
START_TEST(rounding)
{
	enum { SITES = 1000 };
	static struct snapshot_site sites[SITES + 1];
	static struct snapshot_cohort cohorts[SITES];
	static uint64_t counted[SITES + 1];
	struct snapshot snapshot = {.sites = sites,
				    .site_count = SITES,
				    .cohorts = cohorts,
				    .cohort_count = SITES,
				    .sample_bytes = counted,
				    .sample_count = SITES};
	snapshot.numbers[META_SAMPLE_BYTES] = 1024;
	for (uint32_t i = 1; i <= SITES; i++) {
		counted[i] = 1024;
		sites[i] = (struct snapshot_site){
			.alloc_blocks = 1, .alloc_bytes = 1000, .live_blocks = 1, .live_bytes = 1000};
		cohorts[i - 1] = (struct snapshot_cohort){i, 1, 1, 1000};
	}
	sampled_estimate(&snapshot);
	ck_assert_double_eq_tol((double)snapshot.totals[TOTAL_LIVE_BLOCKS], SITES / -expm1(-1), 3);
	for (uint32_t i = 1; i <= SITES; i++)
		ck_assert_uint_eq(sites[i].live_blocks, sites[i].alloc_blocks);
	arena_free(&snapshot.arena);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("estimate");
	TCase *tests = tcase_create("estimate");
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, simulated, 0, POPULATIONS);
	tcase_add_test(tests, bound_of_the_variance);
	tcase_add_test(tests, change_of_one_process);
	tcase_add_test(tests, nothing_recorded);
	tcase_add_test(tests, decoded);
	tcase_add_test(tests, rounding);
	suite_add_tcase(suite, tests);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
