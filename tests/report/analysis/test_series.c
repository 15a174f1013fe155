/*
 * Series: like is judged with like, a long series is thinned and never cut, and what is no series is refused.
 *
 * The files lie in a directory of the test's own, which goes with it.
 */
#include "report/gate/options.h"
#include "tests/report/series.h"

#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static const struct series_wish any = {SERIES_AUTO, SERIES_ENOUGH, SERIES_ENOUGH};

struct files {
	char directory[32];
	char (*paths)[64];
	struct snapshot_briefs briefs;
	uint32_t count, capacity;
};

static void files_begin(struct files *files)
{
	*files = (struct files){.directory = "/tmp/mudlark-series.XXXXXX"};
	ck_assert_ptr_nonnull(mkdtemp(files->directory));
}

static void files_end(struct files *files)
{
	snapshot_briefs_free(&files->briefs);
	for (uint32_t i = 0; i < files->count; i++)
		unlink(files->paths[i]);
	free(files->paths);
	ck_assert_int_eq(rmdir(files->directory), 0);
}

static void write_file(struct files *files, const void *bytes, size_t length)
{
	must_grow(files->paths, files->count, files->capacity);
	char *path = files->paths[files->count];
	snprintf(path, sizeof files->paths[0], "%s/%u.mud", files->directory, ++files->count);
	FILE *stream = fopen(path, "w");
	ck_assert_ptr_nonnull(stream);
	ck_assert_uint_eq(fwrite(bytes, 1, length, stream), length);
	ck_assert_int_eq(fclose(stream), 0);
}

static void add(struct files *files, uint64_t pid, uint32_t epoch, enum snapshot_trigger trigger, series_blocks *blocks)
{
	struct buffer file = {0};
	series_file(pid, epoch, 0, trigger, blocks, &file);
	write_file(files, file.data, file.length);
	buffer_free(&file);
}

/* The files' briefs, from the last to the first: the order is found. */
static int brief_all(struct files *files, struct error *error)
{
	for (uint32_t i = files->count; i-- > 0;)
		if (snapshot_briefs_add(&files->briefs, files->paths[i], error) != EXIT_FINE)
			return error->code;
	return series_order(files->briefs.at, files->briefs.count, error);
}

/* 2 blocks of each epoch stay; what comes with the others would make a file of 2,000 epochs slow to write. */
static uint64_t leaks(uint32_t stack, uint32_t birth, uint32_t epoch)
{
	return stack != 1 ? 0 : birth == epoch ? 12 : 2;
}

/* Everything that leaked is given back at the end. */
static uint64_t nothing(uint32_t stack, uint32_t birth, uint32_t epoch)
{
	(void)epoch;
	return stack == 4 && birth == 1;
}

static const uint32_t counts[] = {12, 255, 256, 257, 476, 601, 2000};

START_TEST(no_snapshot_is_one_too_many)
{
	uint32_t count = counts[_i];
	struct files files;
	struct error error = {0};
	struct gate_options options;
	struct gate_examined examined;
	files_begin(&files);
	for (uint32_t epoch = 1; epoch <= count; epoch++)
		add(&files, 77, epoch, TRIGGER_INTERVAL, leaks);
	add(&files, 77, count + 1, TRIGGER_EXIT, nothing);
	ck_assert_msg(brief_all(&files, &error) == EXIT_FINE, "%s", error.message);
	gate_options_init(&options);
	options.gate.policy.max_live = 99;
	ck_assert_int_eq(gate_examine(&options, files.briefs.at, files.briefs.count, &examined, &error), EXIT_FINE);

	const struct series *series = &examined.series;
	ck_assert_int_eq(series->kind, SERIES_INTERVAL);
	ck_assert_uint_eq(series->found, count);
	ck_assert_uint_eq(series->count, count < SERIES_MOST ? count : SERIES_MOST);
	ck_assert_uint_eq(series->at[0]->numbers[META_EPOCH], 1);
	ck_assert_uint_eq(series->at[series->count - 1]->numbers[META_EPOCH], count);
	uint32_t shortest = UINT_MAX, longest = 0;
	for (uint32_t i = 1; i < series->count; i++) {
		uint32_t step = series->number[i] - series->number[i - 1];
		ck_assert_uint_eq(series->at[i]->numbers[META_EPOCH], series->number[i] + 1);
		shortest = step < shortest ? step : shortest;
		longest = step > longest ? step : longest;
	}
	ck_assert_uint_ge(shortest, 1);
	ck_assert_uint_le(longest - shortest, 1);

	/* The leak is found whatever was left out, per snapshot that was taken; the limit is the end's. */
	ck_assert_int_eq(gate_decide(&options.gate), EXIT_JUDGED);
	ck_assert_uint_eq(options.gate.decided[DECISION_FAIL], 2);
	ck_assert_int_eq(options.gate.findings[0].kind, FINDING_GROWTH);
	ck_assert_uint_eq(options.gate.findings[0].bytes, 200);
	ck_assert_int_eq(options.gate.findings[1].kind, FINDING_LIVE);
	ck_assert_uint_eq(options.gate.findings[1].bytes, 100);
	ck_assert_uint_eq(options.gate.series_count, 1);
	ck_assert(options.gate.series[0].told);
	struct buffer words = {0};
	char wanted[128];
	gate_series_text(&options.gate, &options.gate.series[0], &words);
	if (count > SERIES_MOST)
		snprintf(wanted, sizeof wanted,
			 "growth judged by %d of %u snapshots by interval, evenly spaced; "
			 "not of the series: 1 at the end",
			 SERIES_MOST, count);
	else
		snprintf(wanted, sizeof wanted,
			 "growth judged by %u snapshots by interval; not of the series: 1 at the end", count);
	ck_assert_str_eq(buffer_string(&words), wanted);
	buffer_free(&words);
	gate_examined_free(&examined);
	gate_options_free(&options);
	files_end(&files);
}
END_TEST

static void expect_series(struct files *files, enum series_kind asked, enum series_kind kind, uint32_t count)
{
	struct series series;
	struct error error = {0};
	const struct series_wish wish = {asked, any.enough, any.enough_marks};
	ck_assert_int_eq(series_load(&series, files->briefs.at, files->briefs.count, &wish, &error), EXIT_FINE);
	ck_assert_int_eq(series.kind, kind);
	ck_assert_uint_eq(series.found, count);
	ck_assert_uint_eq(series.count, count < SERIES_LEAST ? 0 : count);
	for (uint32_t i = 0; i < series.count && kind != SERIES_ALL; i++)
		ck_assert_int_eq(series_kind_of(series.at[i]->numbers[META_TRIGGER]), kind);
	series_free(&series);
}

START_TEST(like_is_judged_with_like)
{
	static const enum snapshot_trigger requested[] = {TRIGGER_REQUEST, TRIGGER_SIGNAL};
	struct files files;
	struct error error = {0};
	uint32_t epoch = 0;
	files_begin(&files);
	for (int i = 0; i < 20; i++) {
		add(&files, 77, ++epoch, TRIGGER_INTERVAL, series_usual);
		if (i < 13)
			add(&files, 77, ++epoch, TRIGGER_MARK, series_usual);
		if (i < 4)
			add(&files, 77, ++epoch, requested[i % 2], series_usual);
		if (i < 2)
			add(&files, 77, ++epoch, TRIGGER_API, series_usual);
	}
	add(&files, 77, ++epoch, TRIGGER_PEAK, series_usual);
	add(&files, 77, ++epoch, TRIGGER_EXIT, series_usual);
	ck_assert_int_eq(brief_all(&files, &error), EXIT_FINE);
	/* There are more intervals, but marks enough. */
	expect_series(&files, SERIES_AUTO, SERIES_MARK, 13);
	expect_series(&files, SERIES_INTERVAL, SERIES_INTERVAL, 20);
	expect_series(&files, SERIES_REQUEST, SERIES_REQUEST, 4);
	expect_series(&files, SERIES_API, SERIES_API, 2);
	expect_series(&files, SERIES_ALL, SERIES_ALL, 41);
	files_end(&files);
}
END_TEST

START_TEST(the_longest_kind_where_none_is_long_enough)
{
	struct files files;
	struct error error = {0};
	files_begin(&files);
	for (uint32_t epoch = 1; epoch <= 9; epoch++)
		add(&files, 77, epoch, epoch % 3 ? TRIGGER_API : TRIGGER_MARK, series_usual);
	add(&files, 77, 10, TRIGGER_EXIT, series_usual);
	ck_assert_int_eq(brief_all(&files, &error), EXIT_FINE);
	expect_series(&files, SERIES_AUTO, SERIES_API, 6);
	files_end(&files);
}
END_TEST

/* What comes behind the end, while a process tears itself down, says nothing of it. */
START_TEST(the_end_is_the_one_at_exit)
{
	struct files files;
	struct error error = {0};
	files_begin(&files);
	add(&files, 77, 1, TRIGGER_INTERVAL, series_usual);
	add(&files, 77, 2, TRIGGER_EXIT, series_usual);
	add(&files, 77, 3, TRIGGER_REQUEST, series_usual);
	ck_assert_int_eq(brief_all(&files, &error), EXIT_FINE);
	ck_assert_uint_eq(series_last(files.briefs.at, 3)->numbers[META_EPOCH], 2);
	ck_assert_uint_eq(series_last(files.briefs.at, 1)->numbers[META_EPOCH], 1);
	files_end(&files);
}
END_TEST

static void refused(struct files *files, const char *format)
{
	struct error error = {0};
	char message[512];
	ck_assert_int_eq(brief_all(files, &error), EXIT_INPUT);
	snprintf(message, sizeof message, format, files->paths[0], files->paths[1]);
	ck_assert_str_eq(error.message, message);
	ck_assert(error.hint[0]);
	files_end(files);
}

START_TEST(what_is_no_series_is_refused)
{
	struct files files;
	files_begin(&files);
	add(&files, 1, 1, TRIGGER_INTERVAL, series_usual);
	add(&files, 2, 2, TRIGGER_EXIT, series_usual);
	refused(&files, "%s and %s are of two processes");
	files_begin(&files);
	add(&files, 1, 2, TRIGGER_INTERVAL, series_usual);
	add(&files, 1, 2, TRIGGER_INTERVAL, series_usual);
	files.briefs = (struct snapshot_briefs){0};
	struct error error = {0};
	ck_assert_int_eq(brief_all(&files, &error), EXIT_INPUT);
	ck_assert_ptr_nonnull(strstr(error.message, "are the same snapshot"));
	files_end(&files);
}
END_TEST

/* The brief of a damaged file is refused, wherever the damage is; nothing outside of the file is read. */
START_TEST(damaged_headings_are_refused)
{
	struct buffer file = {0};
	struct snapshot_header header;
	series_file(77, 3, 0, TRIGGER_INTERVAL, series_usual, &file);
	memcpy(&header, file.data, sizeof header);
	for (size_t length = 0; length < file.length; length += length < 400 ? 1 : 97) {
		struct files files;
		struct error error = {0};
		files_begin(&files);
		write_file(&files, file.data, length);
		ck_assert_int_eq(brief_all(&files, &error), EXIT_INPUT);
		ck_assert_ptr_nonnull(strstr(error.message, files.paths[0]));
		files_end(&files);
	}
	/* META comes first, so every byte of it and of what leads there counts. */
	struct snapshot_section section;
	memcpy(&section, file.data + header.header_bytes, sizeof section);
	ck_assert_uint_eq(section.type, SECTION_META);
	size_t end = header.header_bytes + sizeof section + section.data_bytes;
	for (size_t at = 0; at < end; at++) {
		struct files files;
		struct error error = {0};
		files_begin(&files);
		file.data[at] ^= 0x55;
		write_file(&files, file.data, file.length);
		file.data[at] ^= 0x55;
		int status = brief_all(&files, &error);
		/* Which bytes of the section's header are not in use is the decoder's affair. */
		bool unused = at - header.header_bytes - 4 < 4;
		ck_assert_msg(unused || status == EXIT_INPUT, "byte %zu", at);
		files_end(&files);
	}
	buffer_free(&file);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("series");
	TCase *all = tcase_create("all");
	tcase_set_timeout(all, 120);
	tcase_add_loop_test(all, no_snapshot_is_one_too_many, 0, (int)(sizeof counts / sizeof *counts));
	tcase_add_test(all, like_is_judged_with_like);
	tcase_add_test(all, the_longest_kind_where_none_is_long_enough);
	tcase_add_test(all, the_end_is_the_one_at_exit);
	tcase_add_test(all, what_is_no_series_is_refused);
	tcase_add_test(all, damaged_headings_are_refused);
	suite_add_tcase(suite, all);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failures = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failures != 0;
}
