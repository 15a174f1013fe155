/* The fixed-point logarithm and exponential against libm, and the distances between samples against their law. */
#include "preload/base/poisson.h"

#include "preload/sites/sample.h"
#include "tests/preload/unit.h"

#include <math.h>

START_TEST(gap_is_the_quantile)
{
	struct dice dice = {5};
	for (int round = 0; round < 1000000; round++) {
		/* Small ones as likely as large ones: the logarithm's whole range. */
		uint64_t bits = dice_next(&dice) >> dice_below(&dice, 64);
		uint64_t mean = 1 + ((dice_next(&dice) & (POISSON_MEAN_MAX - 1)) >> dice_below(&dice, 40));
		long double exact = -logl(ldexpl((long double)(bits | 1), -64)) * (long double)mean;
		long double off = (long double)poisson_gap(bits, mean) - exact;
		/* Rounded up, and 32 bits of logarithm. */
		ENSURE(off > -1 - ldexpl((long double)mean, -30) && off < 2 + ldexpl((long double)mean, -30),
		       "bits %llx, mean %llu: off by %Lg", (unsigned long long)bits, (unsigned long long)mean, off);
	}
	ck_assert_uint_eq(poisson_gap(UINT64_MAX, 1000), 1);
	ck_assert_uint_ge(poisson_gap(UINT64_MAX, POISSON_MEAN_MAX), 1);
	ck_assert_uint_eq(poisson_gap(0, 1), 45); /* -ln 2^-64 is 44.4 */
}
END_TEST

START_TEST(weight_is_one_over_the_chance)
{
	static const uint64_t means[] = {1, 2, 100, 4096, 4097, 524288, 1 << 30, POISSON_MEAN_MAX};
	for (size_t i = 0; i < sizeof means / sizeof means[0]; i++) {
		for (unsigned class = 0; class < SAMPLE_CLASSES; class ++) {
			uint64_t bytes = sample_class_bytes(class);
			double exact = -65536 / expm1(-(double)bytes / (double)means[i]);
			double off = (double)poisson_weight(bytes, means[i]) - exact;
			ENSURE(fabs(off) <= 1 + exact * 1e-7, "%llu bytes of %llu: off by %g of %g",
			       (unsigned long long)bytes, (unsigned long long)means[i], off, exact);
		}
	}
}
END_TEST

enum { DRAWS = 2000000 };

/* Mean, variance and a test of goodness of fit over ten cells of equal probability. */
static const uint64_t gap_means[] = {3, 4096, 524288, UINT64_C(1) << 33};

START_TEST(gaps_are_geometric)
{
	uint64_t mean = gap_means[_i], state = 42;
	double chance = -expm1(-1 / (double)mean); /* of each byte */
	double sum = 0, squares = 0;
	uint64_t cells[10] = {0};
	for (int i = 0; i < DRAWS; i++) {
		double gap = (double)poisson_gap(poisson_bits(&state), mean);
		sum += gap;
		squares += gap * gap;
		cells[(int)fmin(9, -10 * expm1(-(gap - 0.5) / (double)mean))]++;
	}
	double average = sum / DRAWS, deviation = sqrt(squares / DRAWS - average * average);
	double expected = 1 / chance, expected_deviation = sqrt(1 - chance) / chance;
	ck_assert_double_le(fabs(average - expected), 4 * expected_deviation / sqrt(DRAWS));
	ck_assert_double_le(fabs(deviation / expected_deviation - 1), 0.01);
	double squared = 0;
	for (int i = 0; i < 10; i++)
		squared += pow((double)cells[i] - DRAWS / 10.0, 2) / (DRAWS / 10.0);
	/* The 99.99 % point of chi-squared with 9 degrees of freedom. With mean 3 the cells are too coarse for it. */
	if (mean > 3)
		ck_assert_double_le(squared, 33.7);
}
END_TEST

/* How often a block is sampled depends on its size alone, whatever surrounds it. */
START_TEST(chance_of_a_block)
{
	enum { MEAN = 1000, BLOCKS = 3000000 };
	static const uint64_t sizes[] = {16, 224, 1024, 4096};
	uint64_t sampled[4] = {0}, seen[4] = {0}, state = 7;
	struct dice dice = {8};
	int64_t until = (int64_t)poisson_gap(poisson_bits(&state), MEAN) - 1;
	for (int i = 0; i < BLOCKS; i++) {
		unsigned which = (unsigned)dice_below(&dice, 4);
		seen[which]++;
		until -= (int64_t)sizes[which];
		if (until < 0) {
			sampled[which]++;
			until = (int64_t)poisson_gap(poisson_bits(&state), MEAN) - 1;
		}
	}
	for (int i = 0; i < 4; i++) {
		double chance = -expm1(-(double)sizes[i] / MEAN), count = (double)seen[i];
		double off = (double)sampled[i] - count * chance;
		ck_assert_double_le(fabs(off), 4 * sqrt(count * chance * (1 - chance)) + 1);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("poisson");
	TCase *tests = tcase_create("poisson");
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, gap_is_the_quantile);
	tcase_add_test(tests, weight_is_one_over_the_chance);
	tcase_add_loop_test(tests, gaps_are_geometric, 0, (int)(sizeof gap_means / sizeof gap_means[0]));
	tcase_add_test(tests, chance_of_a_block);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
