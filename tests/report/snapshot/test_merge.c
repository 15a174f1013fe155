/*
 * Snapshots of several processes as one: figures add up, frames keep their places, rows meet by what they are.
 */
#include "report/analysis/metric.h"
#include "report/snapshot/merge.h"
#include "report/views/rows.h"
#include "tests/report/synthetic.h"

#include <check.h>

static struct snapshot *merged(struct snapshot *first, struct snapshot *second)
{
	struct snapshot *parts[] = {first, second};
	struct error error = {0};
	struct snapshot *whole = snapshot_merge(parts, 2, &error);
	ck_assert_msg(whole, "%s", error.message);
	return whole;
}

static void expect_row(const struct names *names, const struct aggregate *aggregate, enum grouping by, size_t number,
		       const char *text, uint64_t bytes)
{
	struct buffer out = {0};
	ck_assert_uint_lt(number, aggregate->row_count);
	row_text(&out, names, &aggregate->rows[number], by);
	ck_assert_str_eq(buffer_string(&out), text);
	ck_assert_uint_eq(aggregate->rows[number].figures[0].live_bytes, bytes);
	buffer_free(&out);
}

static void group(struct names *names, enum grouping by, struct aggregate *aggregate)
{
	const struct aggregate_options options = {.by = by};
	aggregate_build(aggregate, names, &options);
	rank_rows(aggregate, 0, METRIC_LIVE_BYTES, 0);
	aggregate_name_stacks(aggregate, names, &options, aggregate->row_count);
}

START_TEST(sums)
{
	struct snapshot *whole =
		merged(synthetic_decoded(11, 0x1000, "AAAAAAAA", 100), synthetic_decoded(12, 0x9000, "AAAAAAAA", 100));
	ck_assert_uint_eq(whole->part_count, 2);
	ck_assert_uint_eq(whole->totals[TOTAL_LIVE_BYTES], 2 * 1957);
	ck_assert_uint_eq(whole->losses[LOSS_STACKS_CUT], 14);
	ck_assert_uint_eq(whole->numbers[META_PID], 11);
	uint64_t live = 0;
	for (uint32_t id = 1; id <= whole->site_count; id++) {
		ck_assert_uint_le(whole->sites[id].stack, whole->stack_count);
		live += whole->sites[id].live_bytes;
	}
	ck_assert_uint_eq(live, 2 * 1957);
	for (uint32_t id = 1; id <= whole->frame_count; id++)
		ck_assert_uint_lt(whole->frames[id].parent, id);
	snapshot_free(whole);
}
END_TEST

/* The same stacks of two processes are the same rows. */
START_TEST(rows_meet)
{
	struct snapshot *whole =
		merged(synthetic_decoded(11, 0x1000, "AAAAAAAA", 100), synthetic_decoded(12, 0x9000, "AAAAAAAA", 100));
	struct names *names = names_open(NULL);
	struct aggregate aggregate;
	names_add(names, whole);
	group(names, BY_STACK, &aggregate);
	ck_assert_uint_eq(aggregate.row_count, 5);
	expect_row(names, &aggregate, BY_STACK, 0, "tiny (/src/app.c:103), inlined into inner", 2200);
	aggregate_free(&aggregate);
	group(names, BY_PROCESS, &aggregate);
	ck_assert_uint_eq(aggregate.row_count, 2);
	aggregate_free(&aggregate);
	group(names, BY_THREAD, &aggregate);
	ck_assert_uint_eq(aggregate.row_count, 4);
	aggregate_free(&aggregate);
	names_close(names);
	snapshot_free(whole);
}
END_TEST

/* Codes have other ids in each process. */
START_TEST(python_rows_meet)
{
	struct synthetic *s = synthetic_new(12, 0x9000, "AAAAAAAA");
	synthetic_python(s, 10);
	struct snapshot_code odd = s->codes[CODE_ODD_NAME];
	s->codes[CODE_ODD_NAME] = s->codes[CODE_HANDLER];
	s->codes[CODE_HANDLER] = odd;
	synthetic_python_frame(s, 10, 9, CODE_ODD_NAME, 1 + 6);
	synthetic_python_frame(s, 12, 9, CODE_ODD_NAME, 1 + 4);
	synthetic_python_frame(s, 16, 7, CODE_HANDLER, 1 + 2);
	struct snapshot *whole = merged(synthetic_decoded_python(11, 0x1000, 10), synthetic_decode(s, 100));
	free(s);
	ck_assert(whole->has_python);
	struct names *names = names_open(NULL);
	struct aggregate aggregate;
	names_add(names, whole);
	group(names, BY_STACK, &aggregate);
	ck_assert_uint_eq(aggregate.row_count, 4);
	expect_row(names, &aggregate, BY_STACK, 0, "Server.handler (/src/app.py:12)", 2 * 660);
	expect_row(names, &aggregate, BY_STACK, 1, "help (/src/help.c:42)", 2 * 300);
	aggregate_free(&aggregate);
	names_close(names);
	snapshot_free(whole);
}
END_TEST

/* Of three snapshots of two processes, the newer one of each. */
START_TEST(the_newest_of_a_process)
{
	struct snapshot *snapshots[] = {synthetic_decoded(11, 0x1000, "AAAAAAAA", 100),
					synthetic_decoded(12, 0x1000, "AAAAAAAA", 100),
					synthetic_decoded(11, 0x1000, "AAAAAAAA", 100)};
	struct snapshot *newest = snapshots[2];
	newest->numbers[META_NUMBER] = 10;
	ck_assert_uint_eq(snapshot_keep_newest(snapshots, 3), 2);
	ck_assert_ptr_eq(snapshots[0], newest);
	ck_assert_uint_eq(snapshots[1]->numbers[META_PID], 12);
	snapshot_free(snapshots[0]);
	snapshot_free(snapshots[1]);
}
END_TEST

/* What was inherited at fork is known of the whole. */
START_TEST(inherited_cohorts)
{
	struct snapshot *child = synthetic_decoded(12, 0x1000, "AAAAAAAA", 100);
	child->numbers[META_INHERITED_EPOCH] = 3;
	struct snapshot *whole = merged(synthetic_decoded(11, 0x1000, "AAAAAAAA", 100), child);
	uint64_t inherited = 0;
	for (uint32_t i = 0; i < whole->cohort_count; i++)
		if (whole->cohorts[i].epoch <= whole->numbers[META_INHERITED_EPOCH])
			inherited += whole->cohorts[i].live_bytes;
	ck_assert_uint_eq(inherited, 1957);
	snapshot_free(whole);
}
END_TEST

START_TEST(samples_do_not_mix)
{
	struct snapshot *parts[] = {synthetic_decoded(11, 0x1000, "AAAAAAAA", 100),
				    synthetic_decoded(12, 0x1000, "AAAAAAAA", 100)};
	struct error error = {0};
	parts[1]->numbers[META_SAMPLE_BYTES] = 4096;
	ck_assert_ptr_null(snapshot_merge(parts, 2, &error));
	ck_assert_int_eq(error.code, EXIT_USAGE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("snapshot_merge");
	TCase *cases = tcase_create("all");
	tcase_add_test(cases, sums);
	tcase_add_test(cases, rows_meet);
	tcase_add_test(cases, python_rows_meet);
	tcase_add_test(cases, the_newest_of_a_process);
	tcase_add_test(cases, inherited_cohorts);
	tcase_add_test(cases, samples_do_not_mix);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
