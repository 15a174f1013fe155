/*
 * Growth over a series: cohorts of many files end up in the right rows and cells, by each grouping.
 */
#include "report/views/rows.h"
#include "tests/report/series.h"

#include <check.h>

struct judged {
	struct series series;
	struct names *names;
	struct growth growth;
};

static void judge(struct judged *judged, uint32_t count, uint64_t marks, enum grouping by)
{
	struct aggregate_options options = {.by = by};
	series_make(&judged->series, count, marks, series_usual);
	judged->names = names_open(NULL);
	for (uint32_t i = 0; i < count; i++)
		names_add(judged->names, judged->series.at[i]);
	growth_build(&judged->growth, judged->names, &judged->series, &options, 0);
}

static void forget(struct judged *judged)
{
	growth_free(&judged->growth);
	names_close(judged->names);
	series_free(&judged->series);
}

START_TEST(each_stack_has_its_verdict)
{
	struct judged judged;
	struct buffer text = {0};
	judge(&judged, 20, 0, BY_STACK);
	const struct growth *growth = &judged.growth;
	ck_assert_uint_eq(growth->count, 4);
	ck_assert_uint_eq(growth->warmup, 5);
	ck_assert(!growth->by_marks);
	ck_assert_uint_eq(growth->verdicts[GROWTH_GROWING], 1);
	ck_assert_uint_eq(growth->verdicts[GROWTH_SATURATING], 1);
	ck_assert_uint_eq(growth->verdicts[GROWTH_STEADY], 2);
	const struct growth_row *row = &growth->rows[0];
	ck_assert_int_eq(row->judgement.verdict, GROWTH_GROWING);
	ck_assert_int_eq(row->judgement.evidence, EVIDENCE_EVERY_COHORT);
	ck_assert_double_eq_tol(row->judgement.bytes.value, 200, 1e-9);
	ck_assert_double_eq_tol(row->judgement.bytes.low, 200, 1e-9);
	ck_assert_double_eq_tol(row->judgement.blocks.value, 2, 1e-9);
	ck_assert_uint_eq(row->live_blocks, 19 * 2 + 42);
	ck_assert_uint_eq(row->live_bytes, (19 * 2 + 42) * SERIES_BLOCK_BYTES);
	row_text(&text, judged.names, &row->row, BY_STACK);
	ck_assert_str_eq(buffer_string(&text), "tiny (/src/app.c:103), inlined into inner");
	ck_assert_int_eq(growth->rows[1].judgement.verdict, GROWTH_SATURATING);
	buffer_free(&text);
	forget(&judged);
}
END_TEST

/* Stacks 1 and 3 have one owner, so that the leak shares a row with the churn. */
START_TEST(rows_by_line_and_function)
{
	static const enum grouping groupings[] = {BY_LINE, BY_FUNCTION};
	static const char *const texts[] = {"/src/app.c:103 (tiny)", "tiny (app)"};
	for (size_t i = 0; i < 2; i++) {
		struct judged judged;
		struct buffer text = {0};
		judge(&judged, 20, 0, groupings[i]);
		ck_assert_uint_eq(judged.growth.count, 3);
		ck_assert_int_eq(judged.growth.rows[0].judgement.verdict, GROWTH_GROWING);
		ck_assert_double_eq_tol(judged.growth.rows[0].judgement.bytes.value, 200, 1e-9);
		row_text(&text, judged.names, &judged.growth.rows[0].row, groupings[i]);
		ck_assert_str_eq(buffer_string(&text), texts[i]);
		buffer_free(&text);
		forget(&judged);
	}
}
END_TEST

START_TEST(marks_are_the_unit)
{
	struct judged judged;
	judge(&judged, 20, 4, BY_STACK);
	ck_assert(judged.growth.by_marks);
	ck_assert_str_eq(growth_unit(&judged.growth), "iteration");
	ck_assert_double_eq_tol(judged.growth.rows[0].judgement.bytes.value, 50, 1e-9);
	forget(&judged);
}
END_TEST

START_TEST(too_few_are_inconclusive)
{
	struct judged judged;
	judge(&judged, 11, 0, BY_STACK);
	ck_assert_uint_eq(judged.growth.verdicts[GROWTH_INCONCLUSIVE], judged.growth.count);
	forget(&judged);
}
END_TEST

/* With every second snapshot left out, a step is two epochs; figures are of a snapshot nevertheless. */
START_TEST(a_thinned_series_has_longer_steps)
{
	struct judged judged = {.series = {.kind = SERIES_INTERVAL, .found = 27}};
	struct aggregate_options options = {.by = BY_STACK};
	for (uint32_t i = 0; i < 14; i++)
		series_add(&judged.series, series_snapshot(77, 2 * i + 1, 0, series_usual), 2 * i);
	judged.names = names_open(NULL);
	for (uint32_t i = 0; i < 14; i++)
		names_add(judged.names, judged.series.at[i]);
	growth_build(&judged.growth, judged.names, &judged.series, &options, 0);
	ck_assert_int_eq(judged.growth.rows[0].judgement.verdict, GROWTH_GROWING);
	ck_assert_double_eq_tol(judged.growth.rows[0].judgement.bytes.value, 200, 1e-9);
	growth_free(&judged.growth);
	/* Of the warm-up three were left out. */
	growth_build(&judged.growth, judged.names, &judged.series, &options, 6);
	ck_assert_uint_eq(judged.growth.warmup, 3);
	forget(&judged);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("growth");
	TCase *all = tcase_create("all");
	tcase_add_test(all, each_stack_has_its_verdict);
	tcase_add_test(all, rows_by_line_and_function);
	tcase_add_test(all, marks_are_the_unit);
	tcase_add_test(all, too_few_are_inconclusive);
	tcase_add_test(all, a_thinned_series_has_longer_steps);
	suite_add_tcase(suite, all);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failures = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failures != 0;
}
