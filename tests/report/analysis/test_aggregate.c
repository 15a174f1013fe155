/*
 * Rows: sums are exact, a row belongs to the right frame, two runs are matched across ASLR and rebuilds, and filters
 * keep what they should.
 */
#include "report/analysis/metric.h"
#include "report/views/rows.h"
#include "tests/report/synthetic.h"

#include <check.h>

struct setup {
	struct snapshot *snapshots[2];
	struct names *names;
	struct filter filter;
	struct aggregate_options options;
	struct aggregate aggregate;
};

static struct setup *open_setup(struct snapshot *first, struct snapshot *second)
{
	struct setup *setup = calloc(1, sizeof *setup);
	setup->names = names_open(NULL);
	setup->snapshots[0] = first;
	setup->snapshots[1] = second;
	ck_assert_ptr_nonnull(first);
	names_add(setup->names, first);
	if (second)
		names_add(setup->names, second);
	setup->options.filter = &setup->filter;
	return setup;
}

static void close_setup(struct setup *setup)
{
	aggregate_free(&setup->aggregate);
	filter_free(&setup->filter);
	names_close(setup->names);
	snapshot_free(setup->snapshots[0]);
	snapshot_free(setup->snapshots[1]);
	free(setup);
}

static struct setup *usual(void)
{
	return open_setup(synthetic_decoded(1234, 0x1000000, "AAAAAAAA", 100), NULL);
}

static void group(struct setup *setup, enum grouping by)
{
	aggregate_free(&setup->aggregate);
	setup->options.by = by;
	aggregate_build(&setup->aggregate, setup->names, &setup->options);
	rank_rows(&setup->aggregate, 0, METRIC_LIVE_BYTES, 0);
	aggregate_name_stacks(&setup->aggregate, setup->names, &setup->options, setup->aggregate.row_count);
}

static void expect_row(struct setup *setup, size_t number, const char *text, uint64_t bytes, uint64_t blocks)
{
	struct buffer out = {0};
	ck_assert_uint_lt(number, setup->aggregate.row_count);
	const struct row *row = &setup->aggregate.rows[number];
	row_text(&out, setup->names, row, setup->options.by);
	ck_assert_str_eq(buffer_string(&out), text);
	ck_assert_uint_eq(row->figures[0].live_bytes, bytes);
	ck_assert_uint_eq(row->figures[0].live_blocks, blocks);
	buffer_free(&out);
}

/* In every grouping the rows add up to the totals of the sites. */
START_TEST(sums_are_exact)
{
	struct setup *setup = usual();
	for (enum grouping by = BY_STACK; by <= BY_PROCESS; by++) {
		struct figures sum = {0};
		group(setup, by);
		for (size_t i = 0; i < setup->aggregate.row_count; i++)
			figures_add(&sum, &setup->aggregate.rows[i].figures[0]);
		ck_assert(!memcmp(&sum, &setup->aggregate.totals[0], sizeof sum));
		ck_assert_uint_eq(sum.live_bytes, 1957);
		ck_assert_uint_eq(sum.live_blocks, 20);
		ck_assert_uint_eq(sum.alloc_bytes, 3207);
		ck_assert_uint_eq(sum.alloc_blocks, 32);
		ck_assert_uint_eq(sum.temporary_blocks, 12);
		struct figures others[2];
		sum_others(&setup->aggregate, 1, others);
		ck_assert_uint_eq(others[0].live_bytes, 1957 - setup->aggregate.rows[0].figures[0].live_bytes);
	}
	close_setup(setup);
}
END_TEST

START_TEST(rows_belong_to_the_innermost_source_line)
{
	struct setup *setup = usual();
	group(setup, BY_STACK);
	ck_assert_uint_eq(setup->aggregate.row_count, 5);
	expect_row(setup, 0, "tiny (/src/app.c:103), inlined into inner", 1100, 11);
	expect_row(setup, 1, "help (/src/help.c:42)", 500, 5);
	expect_row(setup, 2, "tiny (/src/app.c:103), inlined into inner", 250, 2);
	expect_row(setup, 3, "outer (/src/app.c:110)", 100, 1);
	expect_row(setup, 4, "(no stack recorded)", 7, 1);
	ck_assert(setup->aggregate.rows[3].cut);
	group(setup, BY_LINE);
	expect_row(setup, 0, "/src/app.c:103 (tiny)", 1350, 13);
	expect_row(setup, 1, "/src/help.c:42 (help)", 500, 5);
	group(setup, BY_FUNCTION);
	expect_row(setup, 0, "inner (app)", 1350, 13);
	group(setup, BY_FILE);
	expect_row(setup, 0, "/src/app.c", 1450, 14);
	group(setup, BY_MODULE);
	expect_row(setup, 0, "/opt/app", 1450, 14);
	expect_row(setup, 1, "/opt/lib/libhelp.so.1", 500, 5);
	group(setup, BY_THREAD);
	expect_row(setup, 0, "main, tid 1234", 1507, 16);
	expect_row(setup, 1, "worker [pool], tid 1235 and 2 earlier, ended", 450, 4);
	/* All frames: what is below libc belongs to libc; Mudlark's own frame never counts. */
	setup->options.all_frames = true;
	group(setup, BY_LINE);
	expect_row(setup, 2, "string.c:7 (strdup)", 250, 2);
	close_setup(setup);
}
END_TEST

START_TEST(frames_are_innermost_first)
{
	static const char *const expected[] = {"strdup", "tiny", "inner", "outer"};
	struct setup *setup = usual();
	group(setup, BY_STACK);
	struct stack_walk walk = {0};
	const struct location *location;
	size_t count = 0;
	while ((location = stack_next(&walk, setup->names, &setup->aggregate.rows[2], &setup->options)))
		ck_assert_str_eq(location->function, expected[count++]);
	ck_assert_uint_eq(count, 4);
	close_setup(setup);
}
END_TEST

static uint32_t resolved_addresses(const struct names *names)
{
	uint32_t count = 0;
	for (uint32_t number = 1; number <= names->address_count; number++)
		count += names->addresses[number].resolved;
	return count;
}

/* Names cost most: they are found for what asks for them, which is nothing but the rows that are printed. */
START_TEST(only_what_is_printed_is_resolved)
{
	struct setup *setup = usual();
	setup->options.by = BY_THREAD;
	aggregate_build(&setup->aggregate, setup->names, &setup->options);
	ck_assert_uint_eq(setup->aggregate.row_count, 2);
	aggregate_free(&setup->aggregate);
	setup->options.by = BY_STACK;
	aggregate_build(&setup->aggregate, setup->names, &setup->options);
	rank_rows(&setup->aggregate, 0, METRIC_LIVE_BYTES, 0);
	ck_assert_uint_eq(resolved_addresses(setup->names), 0);
	aggregate_name_stacks(&setup->aggregate, setup->names, &setup->options, 1);
	ck_assert_uint_eq(resolved_addresses(setup->names), 2);
	expect_row(setup, 0, "tiny (/src/app.c:103), inlined into inner", 1100, 11);
	aggregate_free(&setup->aggregate);
	filter_want(&setup->filter, "nothing");
	aggregate_build(&setup->aggregate, setup->names, &setup->options);
	ck_assert_uint_eq(resolved_addresses(setup->names), setup->names->address_count);
	close_setup(setup);
}
END_TEST

START_TEST(languages)
{
	struct setup *setup = usual();
	ck_assert(has_language(setup->names, LANGUAGE_ALL));
	ck_assert(has_language(setup->names, LANGUAGE_NATIVE));
	ck_assert(!has_language(setup->names, LANGUAGE_PYTHON));
	setup->options.language = LANGUAGE_PYTHON;
	group(setup, BY_STACK);
	expect_row(setup, 0, "(no frames of this language)", 1957, 20);
	setup->options.language = LANGUAGE_NATIVE;
	group(setup, BY_STACK);
	expect_row(setup, 0, "tiny (/src/app.c:103), inlined into inner", 1100, 11);
	close_setup(setup);
}
END_TEST

START_TEST(filters)
{
	static const struct {
		const char *wanted, *unwanted;
		uint64_t bytes;
	} cases[] = {
		{"help", NULL, 500},         {"hel?", NULL, 500},     {"libhelp*", NULL, 500},
		{"/opt/lib/*", NULL, 500},   {"*/help.c", NULL, 500}, {"help.c", NULL, 500},
		{"outer", NULL, 1950},       {NULL, "outer", 7},      {"outer", "strdup", 1700},
		{NULL, "libc.so.*", 1707},   {"nothing", NULL, 0},    {NULL, "nothing", 1957},
		{"tin[xy]", "worker", 1350}, {"HELP", NULL, 0},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct setup *setup = usual();
		if (cases[i].wanted)
			filter_want(&setup->filter, cases[i].wanted);
		if (cases[i].unwanted)
			filter_exclude(&setup->filter, cases[i].unwanted);
		group(setup, BY_STACK);
		ck_assert_msg(setup->aggregate.totals[0].live_bytes == cases[i].bytes, "case %zu: %llu", i,
			      (unsigned long long)setup->aggregate.totals[0].live_bytes);
		ck_assert_uint_eq(setup->aggregate.left_out[0].live_bytes, 1957 - cases[i].bytes);
		/* Five stacks, counting the one that was not recorded; one of them has a site in each thread. */
		ck_assert_uint_eq(setup->aggregate.stacks_left_out[0] + setup->aggregate.row_count, 5);
		close_setup(setup);
	}
	/* Two patterns: either will do. */
	struct setup *setup = usual();
	filter_want(&setup->filter, "help");
	filter_want(&setup->filter, "strdup");
	group(setup, BY_LINE);
	ck_assert_uint_eq(setup->aggregate.totals[0].live_bytes, 750);
	close_setup(setup);
}
END_TEST

/* A second run: moved by ASLR, with its stacks in another order, 300 bytes more and nothing below libc. */
static struct snapshot *second_run(const char *build_id, unsigned first_line)
{
	struct synthetic *s = synthetic_new(4321, 0x7f0000000000, build_id);
	struct buffer file = {0};
	struct error error = {0};
	s->stacks[1].frame = 3;
	s->stacks[2].frame = 2;
	synthetic_site(s, 1, 1, 5, 500, 9, 900);
	synthetic_site(s, 2, 1, 14, 1400, 30, 3000);
	synthetic_site(s, 4, 1, 1, 100, 1, 100);
	synthetic_site(s, 0, 1, 1, 7, 1, 7);
	synthetic_file(s, true, first_line, &file);
	struct snapshot *snapshot = snapshot_decode(file.data, file.length, "second.mud", 0, &error);
	ck_assert_msg(snapshot, "%s", error.message);
	buffer_free(&file);
	free(s);
	return snapshot;
}

static void expect_change(struct setup *setup, size_t number, const char *text, int64_t bytes, int64_t blocks)
{
	struct buffer out = {0};
	ck_assert_uint_lt(number, setup->aggregate.row_count);
	const struct row *row = &setup->aggregate.rows[number];
	row_text(&out, setup->names, row, setup->options.by);
	ck_assert_str_eq(buffer_string(&out), text);
	ck_assert_int_eq(figure_change(row->figures[0].live_bytes, row->figures[1].live_bytes), bytes);
	ck_assert_int_eq(figure_change(row->figures[0].live_blocks, row->figures[1].live_blocks), blocks);
	buffer_free(&out);
}

static void expect_the_changes(struct setup *setup, enum grouping by, const char *line)
{
	aggregate_free(&setup->aggregate);
	setup->options.by = by;
	aggregate_build(&setup->aggregate, setup->names, &setup->options);
	rank_changes(&setup->aggregate, METRIC_LIVE_BYTES, 0);
	aggregate_name_stacks(&setup->aggregate, setup->names, &setup->options, setup->aggregate.row_count);
	ck_assert_uint_eq(setup->aggregate.row_count, 2);
	expect_change(setup, 0, line, 300, 3);
}

START_TEST(two_runs_are_matched_across_aslr)
{
	struct setup *setup =
		open_setup(synthetic_decoded(1234, 0x555500000000, "AAAAAAAA", 100), second_run("AAAAAAAA", 100));
	expect_the_changes(setup, BY_STACK, "tiny (/src/app.c:103), inlined into inner");
	/* Gone: only in the first. */
	expect_change(setup, 1, "tiny (/src/app.c:103), inlined into inner", -250, -2);
	ck_assert_uint_eq(setup->aggregate.rows[1].figures[1].live_blocks, 0);
	close_setup(setup);
}
END_TEST

/* Rebuilt: another build-id, lines moved by 50. Names match, addresses and lines do not count. */
START_TEST(two_builds_are_matched_by_names)
{
	struct setup *setup =
		open_setup(synthetic_decoded(1234, 0x555500000000, "AAAAAAAA", 100), second_run("BBBBBBBB", 150));
	expect_the_changes(setup, BY_STACK, "tiny (/src/app.c:153), inlined into inner");
	aggregate_free(&setup->aggregate);
	setup->options.by = BY_FUNCTION;
	aggregate_build(&setup->aggregate, setup->names, &setup->options);
	rank_changes(&setup->aggregate, METRIC_LIVE_BYTES, 0);
	ck_assert_uint_eq(setup->aggregate.row_count, 1);
	expect_change(setup, 0, "inner (app)", 50, 1);
	close_setup(setup);
}
END_TEST

START_TEST(equal_snapshots_have_no_changes)
{
	struct setup *setup = open_setup(synthetic_decoded(1, 0x1000, "AAAAAAAA", 100),
					 synthetic_decoded(2, 0x9000, "AAAAAAAA", 100));
	for (int i = 0; i < 3 * (BY_THREAD + 1); i++) {
		aggregate_free(&setup->aggregate);
		setup->options.by = (enum grouping)(i / 3);
		setup->options.language = (enum language)(i % 3);
		aggregate_build(&setup->aggregate, setup->names, &setup->options);
		rank_changes(&setup->aggregate, METRIC_ALLOC_BYTES, 0);
		ck_assert_uint_eq(setup->aggregate.row_count, 0);
	}
	close_setup(setup);
}
END_TEST

/* The front of the order is the same however much of it is asked for, and no row is lost. */
START_TEST(the_largest_come_first)
{
	enum { ROWS = 300 };
	struct row rows[ROWS];
	struct aggregate all = {.rows = rows, .row_count = ROWS};
	srand(7);
	for (size_t i = 0; i < ROWS; i++)
		rows[i] = (struct row){.figures[0].live_bytes = (uint64_t)(rand() % 40),
				       .figures[0].live_blocks = (uint64_t)(rand() % 3),
				       .frame = (uint32_t)i + 1};
	struct row unranked[ROWS], ranked[ROWS];
	memcpy(unranked, rows, sizeof rows);
	rank_rows(&all, 0, METRIC_LIVE_BYTES, 0);
	memcpy(ranked, rows, sizeof rows);
	for (size_t i = 1; i < ROWS; i++) {
		const struct row *a = &rows[i - 1], *b = &rows[i];
		ck_assert_uint_ge(a->figures[0].live_bytes, b->figures[0].live_bytes);
		if (a->figures[0].live_bytes == b->figures[0].live_bytes &&
		    a->figures[0].live_blocks == b->figures[0].live_blocks)
			ck_assert_uint_lt(a->frame, b->frame);
	}
	static const size_t tops[] = {1, 2, 20, 150, ROWS - 1, ROWS, ROWS + 1};
	for (size_t i = 0; i < sizeof tops / sizeof *tops; i++) {
		bool met[ROWS + 1] = {0};
		memcpy(rows, unranked, sizeof rows);
		rank_rows(&all, 0, METRIC_LIVE_BYTES, tops[i]);
		for (size_t j = 0; j < ROWS; j++) {
			ck_assert(j >= tops[i] || rows[j].frame == ranked[j].frame);
			ck_assert(!met[rows[j].frame]);
			met[rows[j].frame] = true;
		}
	}
}
END_TEST

/* 100,000 stacks, 40 deep, of which the inner 10 frames are their own; the innermost tells them apart. */
START_TEST(many_stacks)
{
	enum { STACKS = 100000, OWN = 10 };
	struct synthetic *s = synthetic_new(1, 0, "AAAAAAAA");
	struct snapshot *snapshot = &s->snapshot;
	snapshot->frame_count = 30 + STACKS * OWN;
	snapshot->frames = calloc(snapshot->frame_count + 1, sizeof *snapshot->frames);
	snapshot->stacks = calloc(STACKS + 1, sizeof *snapshot->stacks);
	snapshot->sites = calloc(STACKS + 1, sizeof *snapshot->sites);
	snapshot->cohorts = calloc(STACKS, sizeof *snapshot->cohorts);
	snapshot->stack_count = snapshot->site_count = snapshot->cohort_count = STACKS;
	uint32_t id = 1;
	for (; id <= 30; id++)
		snapshot->frames[id] = (struct snapshot_frame){.address = 0x1000 + id, .module = 0, .parent = id - 1};
	for (uint32_t stack = 1; stack <= STACKS; stack++) {
		for (uint32_t i = 0; i < OWN; i++, id++) {
			uint32_t place = i + 1 < OWN ? (stack * 31 + i) % 20000 : 20000 + stack;
			snapshot->frames[id] = (struct snapshot_frame){
				.address = 0x10000 + place, .module = 0, .parent = i ? id - 1 : 30};
		}
		snapshot->stacks[stack].frame = id - 1;
		snapshot->sites[stack] =
			(struct snapshot_site){.stack = stack, .thread = 1, .alloc_blocks = 1, .alloc_bytes = stack};
		snapshot->cohorts[stack - 1] = (struct snapshot_cohort){stack, 1, 1, stack};
	}
	struct buffer file = {0};
	struct error error = {0};
	snapshot_encode(snapshot, &file);
	struct setup *setup = open_setup(snapshot_decode(file.data, file.length, "many.mud", 0, &error), NULL);
	group(setup, BY_STACK);
	ck_assert_uint_eq(setup->aggregate.row_count, STACKS);
	ck_assert_uint_eq(setup->aggregate.totals[0].live_bytes, (uint64_t)STACKS * (STACKS + 1) / 2);
	for (size_t i = 0; i < STACKS; i++)
		ck_assert_uint_eq(setup->aggregate.rows[i].figures[0].live_bytes, STACKS - i);
	close_setup(setup);
	buffer_free(&file);
	free(snapshot->frames);
	free(snapshot->stacks);
	free(snapshot->sites);
	free(snapshot->cohorts);
	free(s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("aggregate");
	TCase *cases = tcase_create("all");
	tcase_add_test(cases, sums_are_exact);
	tcase_add_test(cases, rows_belong_to_the_innermost_source_line);
	tcase_add_test(cases, frames_are_innermost_first);
	tcase_add_test(cases, only_what_is_printed_is_resolved);
	tcase_add_test(cases, languages);
	tcase_add_test(cases, filters);
	tcase_add_test(cases, two_runs_are_matched_across_aslr);
	tcase_add_test(cases, two_builds_are_matched_by_names);
	tcase_add_test(cases, equal_snapshots_have_no_changes);
	tcase_add_test(cases, the_largest_come_first);
	tcase_add_test(cases, many_stacks);
	tcase_set_timeout(cases, 60);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
