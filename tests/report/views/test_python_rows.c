/*
 * Stacks of Python and native frames as rows: what is folded away, whom a row belongs to, and which lines of two runs
 * are the same. synthetic.h draws the stacks.
 */
#include "report/analysis/metric.h"
#include "report/views/rows.h"
#include "tests/report/synthetic.h"

#include <check.h>
#include <jansson.h>

struct setup {
	struct snapshot *snapshots[2];
	struct names *names;
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
	return setup;
}

static void close_setup(struct setup *setup)
{
	aggregate_free(&setup->aggregate);
	names_close(setup->names);
	snapshot_free(setup->snapshots[0]);
	snapshot_free(setup->snapshots[1]);
	free(setup);
}

static void group(struct setup *setup, enum grouping by)
{
	aggregate_free(&setup->aggregate);
	setup->options.by = by;
	aggregate_build(&setup->aggregate, setup->names, &setup->options);
	rank_rows(&setup->aggregate, 0, METRIC_LIVE_BYTES, 0);
	aggregate_name_stacks(&setup->aggregate, setup->names, &setup->options, setup->aggregate.row_count);
}

static void expect_row(struct setup *setup, size_t number, const char *text, uint64_t bytes)
{
	struct buffer out = {0};
	ck_assert_uint_lt(number, setup->aggregate.row_count);
	const struct row *row = &setup->aggregate.rows[number];
	row_text(&out, setup->names, row, setup->options.by);
	ck_assert_str_eq(buffer_string(&out), text);
	ck_assert_uint_eq(row->figures[0].live_bytes, bytes);
	buffer_free(&out);
}

/* The frames of a row, innermost first, as "handler:12 < <module>:3". */
static void expect_frames(struct setup *setup, size_t number, const char *expected)
{
	struct stack_walk walk = {0};
	struct buffer out = {0};
	const struct location *location;
	while ((location = stack_next(&walk, setup->names, &setup->aggregate.rows[number], &setup->options))) {
		if (out.length)
			buffer_text(&out, " < ");
		if (location->function)
			buffer_format(&out, "%s:%u", location->function, location->line);
		else
			buffer_format(&out, "%s+%lx", location->module_name, location->address);
	}
	ck_assert_str_eq(buffer_string(&out), expected);
	buffer_free(&out);
}

static struct setup *one_run(void)
{
	return open_setup(synthetic_decoded_python(1234, 0x1000, 10), NULL);
}

START_TEST(rows_belong_to_the_innermost_visible_frame)
{
	struct setup *setup = one_run();
	group(setup, BY_STACK);
	ck_assert_uint_eq(setup->aggregate.row_count, 4);
	expect_row(setup, 0, "Server.handler (/src/app.py:12)", 660);
	expect_row(setup, 1, "help (/src/help.c:42)", 300);
	expect_row(setup, 2, "libpython3.10.so.1.0+0x5100", 40);
	group(setup, BY_LINE);
	expect_row(setup, 0, "/src/app.py:12 (Server.handler)", 660);
	expect_row(setup, 1, "/src/help.c:42 (help)", 300);
	expect_row(setup, 2, "libpython3.10.so.1.0+0x5100", 40);
	group(setup, BY_FUNCTION);
	expect_row(setup, 0, "Server.handler (/src/app.py)", 660);
	group(setup, BY_FILE);
	expect_row(setup, 0, "/src/app.py", 660);
	group(setup, BY_MODULE);
	expect_row(setup, 0, "/usr/lib/libpython3.10.so.1.0", 730);
	expect_row(setup, 1, "/opt/lib/libhelp.so.1", 300);
	close_setup(setup);
}
END_TEST

START_TEST(the_interpreters_own_frames_are_folded_away)
{
	struct setup *setup = one_run();
	group(setup, BY_STACK);
	expect_frames(setup, 0, "Server.handler:12 < <module>:3");
	expect_frames(setup, 1, "help:42 < Server.handler:12 < <module>:3");
	/* Without a Python frame they are all there is. */
	expect_frames(setup, 2, "libpython3.10.so.1.0+5100 < libc.so.6+3200");
	setup->options.all_frames = true;
	group(setup, BY_STACK);
	ck_assert_uint_eq(setup->aggregate.row_count, 5);
	expect_row(setup, 0, "libpython3.10.so.1.0+0x5300", 600);
	expect_frames(setup, 0,
		      "libpython3.10.so.1.0+5300 < Server.handler:12 < libpython3.10.so.1.0+5200 < <module>:3 < "
		      "libpython3.10.so.1.0+5100 < libc.so.6+3200");
	close_setup(setup);
}
END_TEST

START_TEST(languages)
{
	struct setup *setup = one_run();
	ck_assert(has_language(setup->names, LANGUAGE_PYTHON));
	setup->options.language = LANGUAGE_PYTHON;
	group(setup, BY_STACK);
	expect_row(setup, 0, "Server.handler (/src/app.py:12)", 960);
	expect_frames(setup, 0, "Server.handler:12 < <module>:3");
	expect_row(setup, 1, "(no frames of this language)", 40);
	setup->options.language = LANGUAGE_NATIVE;
	group(setup, BY_STACK);
	expect_row(setup, 0, "libpython3.10.so.1.0+0x5300", 600);
	expect_row(setup, 1, "help (/src/help.c:42)", 300);
	expect_frames(setup, 1,
		      "libpython3.10.so.1.0+5300 < help:42 < libpython3.10.so.1.0+5200 < libpython3.10.so.1.0+5100 < "
		      "libc.so.6+3200");
	close_setup(setup);
}
END_TEST

START_TEST(sums_are_exact)
{
	struct setup *setup = one_run();
	for (int all_frames = 0; all_frames < 2; all_frames++)
		for (enum language language = LANGUAGE_ALL; language <= LANGUAGE_PYTHON; language++)
			for (enum grouping by = BY_STACK; by <= BY_PROCESS; by++) {
				struct figures sum = {0};
				setup->options.language = language;
				setup->options.all_frames = all_frames;
				group(setup, by);
				for (size_t i = 0; i < setup->aggregate.row_count; i++)
					figures_add(&sum, &setup->aggregate.rows[i].figures[0]);
				ck_assert_uint_eq(sum.live_bytes, 1030);
				ck_assert_uint_eq(sum.live_blocks, 12);
			}
	close_setup(setup);
}
END_TEST

/* A lone surrogate is no character; one that stands for a byte of a file name becomes that byte again. */
START_TEST(names_that_are_not_utf8)
{
	struct setup *setup = one_run();
	group(setup, BY_STACK);
	expect_row(setup, 3, "n\xc3\xa4m\xef\xbf\xbd (/src/caf\xe9.py)", 30);
	char *text = NULL;
	size_t length = 0;
	struct json json = {.stream = open_memstream(&text, &length)};
	json_put_object(&json, NULL, false);
	row_json(setup->names, &setup->aggregate.rows[3], &setup->options, NULL, &json);
	json_end_object(&json);
	json_finish(&json);
	fclose(json.stream);
	json_t *row = json_loadb(text, length, 0, NULL);
	ck_assert_ptr_nonnull(row);
	json_t *frame = json_array_get(json_object_get(row, "frames"), 0);
	ck_assert_str_eq(json_string_value(json_object_get(frame, "function")), "n\xc3\xa4m\xef\xbf\xbd");
	ck_assert_str_eq(json_string_value(json_object_get(frame, "file")), "/src/caf\xef\xbf\xbd.py");
	ck_assert_str_eq(json_string_value(json_object_get(frame, "language")), "python");
	ck_assert(json_is_null(json_object_get(frame, "line")));
	ck_assert(json_is_null(json_object_get(frame, "address")));
	json_decref(row);
	free(text);
	close_setup(setup);
}
END_TEST

START_TEST(lines_of_two_runs)
{
	struct setup *setup =
		open_setup(synthetic_decoded_python(1, 0x1000, 10), synthetic_decoded_python(2, 0x9000, 10));
	group(setup, BY_STACK);
	ck_assert_uint_eq(setup->aggregate.row_count, 4);
	rank_changes(&setup->aggregate, METRIC_LIVE_BYTES, 0);
	ck_assert_uint_eq(setup->aggregate.row_count, 0);
	close_setup(setup);

	/* The function has moved in its file: its lines are others. */
	setup = open_setup(synthetic_decoded_python(1, 0x1000, 10), synthetic_decoded_python(2, 0x9000, 20));
	group(setup, BY_LINE);
	rank_changes(&setup->aggregate, METRIC_LIVE_BYTES, 0);
	ck_assert_uint_eq(setup->aggregate.row_count, 2);
	group(setup, BY_FUNCTION);
	rank_changes(&setup->aggregate, METRIC_LIVE_BYTES, 0);
	ck_assert_uint_eq(setup->aggregate.row_count, 0);
	close_setup(setup);
}
END_TEST

/* One address for the two instructions of line 12; SYMBOLS needs nothing of it. */
START_TEST(an_address_is_a_line)
{
	struct setup *setup = one_run();
	ck_assert_uint_eq(setup->names->frame_addresses[0][10], setup->names->frame_addresses[0][12]);
	ck_assert_uint_ne(setup->names->frame_addresses[0][8], setup->names->frame_addresses[0][10]);
	struct buffer with = {0}, without = {0};
	names_encode(setup->names, 0, &with);
	struct names *again = names_open(NULL);
	for (uint32_t id = 1; id <= setup->snapshots[0]->frame_count; id++)
		if (is_python_frame(&setup->snapshots[0]->frames[id]))
			setup->snapshots[0]->frames[id] = (struct snapshot_frame){0};
	names_add(again, setup->snapshots[0]);
	names_encode(again, 0, &without);
	ck_assert_uint_eq(with.length, without.length);
	ck_assert(!memcmp(with.data, without.data, with.length));
	buffer_free(&with);
	buffer_free(&without);
	names_close(again);
	close_setup(setup);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("python_rows");
	TCase *cases = tcase_create("all");
	tcase_add_test(cases, rows_belong_to_the_innermost_visible_frame);
	tcase_add_test(cases, the_interpreters_own_frames_are_folded_away);
	tcase_add_test(cases, languages);
	tcase_add_test(cases, sums_are_exact);
	tcase_add_test(cases, names_that_are_not_utf8);
	tcase_add_test(cases, lines_of_two_runs);
	tcase_add_test(cases, an_address_is_a_line);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
