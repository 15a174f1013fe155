/*
 * Text and JSON: tables fit at every width, names cannot steer the terminal, and whatever the bytes are, the JSON is
 * valid (jansson reads it back).
 */
#include "report/base/utf8.h"
#include "report/snapshot/heading.h"
#include "report/text/json_write.h"
#include "report/text/table.h"

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char *fitted(const char *text, unsigned width, bool unicode)
{
	static char copy[512];
	struct buffer out = {0};
	unsigned used = text_fit(&out, text, width, unicode);
	snprintf(copy, sizeof copy, "%s", buffer_string(&out));
	ck_assert_uint_le(used, width);
	ck_assert_uint_eq(used, text_width(copy));
	buffer_free(&out);
	return copy;
}

START_TEST(sentences_are_broken_at_spaces)
{
	ck_assert_uint_eq(text_line("one two three", 20), 13);
	ck_assert_uint_eq(text_line("one two three", 13), 13);
	ck_assert_uint_eq(text_line("one two three", 12), 7);
	ck_assert_uint_eq(text_line("one two three", 5), 3);
	/* A word is never cut, and each call gets on. */
	ck_assert_uint_eq(text_line("interminable word", 5), 12);
	ck_assert_uint_eq(text_line("", 5), 0);
	/* By columns, not bytes: two letters of two bytes each, then one of three bytes and two columns. */
	ck_assert_uint_eq(text_line("\xc3\xa4\xc3\xb6 a", 4), 6);
	ck_assert_uint_eq(text_line("\xe4\xb8\xad a", 3), 3);
}
END_TEST

START_TEST(long_names_are_cut_in_the_middle)
{
	ck_assert_str_eq(fitted("short", 20, true), "short");
	ck_assert_str_eq(fitted("function (some/long/path/file.c:1234)", 20, true), "functio\xe2\x80\xa6"
										    "file.c:1234)");
	ck_assert_str_eq(fitted("function (some/long/path/file.c:1234)", 20, false), "functio~file.c:1234)");
	ck_assert_str_eq(fitted("abc", 1, false), "~");
	ck_assert_str_eq(fitted("abc", 0, false), "");
	/* Wide and combining characters, at every width. */
	const char *name = "\xe6\xb3\xa5\xe9\x9b\xb2\xe9\x9b\x80 e\xcc\x81t\xc3\xa9 \xf0\x9f\xa6\x80 end";
	for (unsigned width = 0; width < 30; width++)
		fitted(name, width, true);
	ck_assert_uint_eq(text_width("\xe6\xb3\xa5"), 2);
	ck_assert_uint_eq(text_width("e\xcc\x81"), 1);
}
END_TEST

START_TEST(names_cannot_steer_the_terminal)
{
	ck_assert_str_eq(fitted("a\x1b[31mred\nline\x7f", 80, true), "a?[31mred?line?");
	ck_assert_str_eq(fitted("bad\xff\xc3(utf", 80, true), "bad?"
							      "?(utf");
	ck_assert_str_eq(fitted("turn\xe2\x80\xaeround", 80, true), "turn?round");
	/* C1 controls, too: CSI as one character. */
	ck_assert_str_eq(fitted("x\xc2\x9b"
				"31m",
				80, true),
			 "x?31m");
}
END_TEST

START_TEST(tables_fit)
{
	static const unsigned widths[] = {40, 80, 200};
	static const struct table_column columns[] = {
		{"Live", true, true}, {"Change", true, false}, {"Blocks", true, true}, {"Where", false, false}};
	for (size_t i = 0; i < 3; i++) {
		struct terminal terminal = {.width = widths[i], .unicode = true};
		struct table table = {.columns = columns, .column_count = 4};
		char *text = NULL;
		size_t length;
		FILE *stream = open_memstream(&text, &length);
		for (int row = 0; row < 5; row++) {
			table_cell(&table, STYLE_PLAIN, "1234.5 MiB");
			table_cell(&table, STYLE_GROWN, "+123.4 MiB");
			table_cell(&table, STYLE_PLAIN, "1,234,567");
			table_cell(&table, STYLE_BOLD,
				   "a_function_with_a_rather_long_name<and, parameters> "
				   "(/with/a/path/that/is/long/\xc3\xa9\xe6\xb3\xa5.cc:1234)");
			table_continue(&table, STYLE_DIM, "  < caller");
		}
		table_print(&table, stream, &terminal);
		fclose(stream);
		unsigned lines = 0;
		for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), lines++) {
			ck_assert_msg(text_width(line) <= widths[i], "%u: %s", widths[i], line);
			ck_assert_ptr_null(strchr(line, '\x1b'));
			ck_assert_int_ne(line[strlen(line) - 1], ' ');
		}
		ck_assert_uint_eq(lines, 11);
		free(text);
		table_free(&table);
	}
}
END_TEST

START_TEST(colors_only_where_asked)
{
	struct terminal with = {.width = 80, .color = true}, without = {.width = 80};
	ck_assert_str_eq(style_on(&without, STYLE_GROWN), "");
	ck_assert_str_eq(style_on(&with, STYLE_GROWN), "\x1b[31m");
	ck_assert_str_eq(style_off(&with, STYLE_PLAIN), "");
	FILE *null = fopen("/dev/null", "w");
	setenv("COLUMNS", "63", 1);
	ck_assert_uint_eq(terminal_of(null, COLOR_AUTO, 0).width, 63);
	setenv("COLUMNS", "7", 1);
	ck_assert_uint_eq(terminal_of(null, COLOR_AUTO, 0).width, LEAST_WIDTH);
	setenv("COLUMNS", "junk", 1);
	ck_assert_uint_eq(terminal_of(null, COLOR_AUTO, 0).width, WIDEST);
	ck_assert_uint_eq(terminal_of(null, COLOR_AUTO, 52).width, 52);
	unsetenv("COLUMNS");
	ck_assert_uint_eq(terminal_of(null, COLOR_AUTO, 0).width, WIDEST);
	ck_assert(!terminal_of(null, COLOR_AUTO, 0).color);
	ck_assert(terminal_of(null, COLOR_ALWAYS, 0).color);
	fclose(null);
}
END_TEST

/* As tracemalloc._format_size() prints them. */
START_TEST(sizes)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{0, "0 B"},
		{576, "576 B"},
		{10239, "10239 B"},
		{10240, "10.0 KiB"},
		{102399, "100.0 KiB"},
		{102400, "100 KiB"},
		{10485759, "10240 KiB"},
		{10485760, "10.0 MiB"},
		{UINT64_C(1) << 40, "1024 GiB"},
		{UINT64_C(20) << 40, "20.0 TiB"},
		{UINT64_MAX, "16777216 TiB"},
	};
	char text[32];
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		ck_assert_str_eq(format_size(text, cases[i].bytes), cases[i].text);
	ck_assert_str_eq(format_size_change(text, -1536), "-1536 B");
	ck_assert_str_eq(format_size_change(text, 0), "+0 B");
	ck_assert_str_eq(format_size_change(text, INT64_MIN), "-8388608 TiB");
	ck_assert_str_eq(format_count(text, 1234567), "1,234,567");
	ck_assert_str_eq(format_count(text, 999), "999");
	ck_assert_str_eq(format_count(text, UINT64_MAX), "18,446,744,073,709,551,615");
	ck_assert_str_eq(format_count_change(text, -1000), "-1,000");
	char when[64];
	ck_assert_str_eq(format_time(when, 1700000000123000000u), "2023-11-14T22:13:20.123Z");
	ck_assert_str_eq(format_duration(when, 850000000), "850 ms");
	ck_assert_str_eq(format_duration(when, 7500000000), "7.5 s");
	ck_assert_str_eq(format_duration(when, 300000000000), "5 min 0 s");
	ck_assert_str_eq(format_duration(when, 7500000000000), "2 h 5 min");
	format_time(when, UINT64_MAX);
	format_duration(when, UINT64_MAX);
}
END_TEST

/* Every byte alone, every pair, and random strings. */
START_TEST(json_is_valid_whatever_the_bytes)
{
	srand(1);
	for (unsigned round = 0; round < 70000; round++) {
		char bytes[64];
		size_t length = round < 256 ? 1 : round < 256 + 65536 ? 2 : (size_t)(rand() % 64);
		bytes[0] = (char)(round < 256 ? round : (round - 256) & 255);
		bytes[1] = (char)((round - 256) >> 8);
		for (size_t i = 0; round >= 256 + 65536 && i < length; i++)
			bytes[i] = (char)(rand() % 256);
		char *text = NULL;
		size_t size;
		FILE *stream = open_memstream(&text, &size);
		struct json json = {.stream = stream};
		json_put_object(&json, NULL, true);
		json_put_bytes(&json, "key", bytes, length);
		json_end_object(&json);
		json_finish(&json);
		fclose(stream);
		json_error_t error;
		json_t *value = json_loadb(text, size, JSON_ALLOW_NUL, &error);
		ck_assert_msg(value, "%s in %s", error.text, text);
		json_decref(value);
		free(text);
	}
}
END_TEST

START_TEST(json_structure)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	struct json json = {.stream = stream};
	json_put_object(&json, NULL, false);
	json_put_number(&json, "large", UINT64_C(9007199254740993));
	json_put_signed(&json, "negative", INT64_MIN);
	json_put_text(&json, "nothing", NULL);
	json_put_boolean(&json, "yes", true);
	json_put_array(&json, "empty", false);
	json_end_array(&json);
	json_put_array(&json, "rows", false);
	json_put_object(&json, NULL, true);
	json_put_text(&json, "a", "b\"\\\n");
	json_end_object(&json);
	json_put_null(&json, NULL);
	json_end_array(&json);
	json_end_object(&json);
	json_finish(&json);
	fclose(stream);
	json_error_t error;
	json_t *value = json_loads(text, 0, &error);
	ck_assert_msg(value, "%s in %s", error.text, text);
	ck_assert_int_eq(json_integer_value(json_object_get(value, "large")), INT64_C(9007199254740993));
	ck_assert_int_eq(json_integer_value(json_object_get(value, "negative")), INT64_MIN);
	ck_assert_uint_eq(json_array_size(json_object_get(value, "empty")), 0);
	ck_assert_str_eq(json_string_value(json_object_get(json_array_get(json_object_get(value, "rows"), 0), "a")),
			 "b\"\\\n");
	json_decref(value);
	free(text);
}
END_TEST

/* The writer hands its text on in pieces. */
START_TEST(json_of_many_elements)
{
	enum { ELEMENTS = 20000 };
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	struct json json = {.stream = stream};
	json_put_array(&json, NULL, false);
	for (unsigned i = 0; i < ELEMENTS; i++) {
		json_put_object(&json, NULL, i % 2);
		json_put_number(&json, "number", i);
		json_put_text(&json, "text", "\xc3\xa4\"plain");
		json_end_object(&json);
	}
	json_end_array(&json);
	json_finish(&json);
	fclose(stream);
	json_error_t error;
	json_t *value = json_loads(text, 0, &error);
	ck_assert_msg(value, "%s at %d", error.text, error.position);
	ck_assert_uint_eq(json_array_size(value), ELEMENTS);
	for (unsigned i = 0; i < ELEMENTS; i++) {
		json_t *element = json_array_get(value, i);
		ck_assert_int_eq(json_integer_value(json_object_get(element, "number")), i);
		ck_assert_str_eq(json_string_value(json_object_get(element, "text")), "\xc3\xa4\"plain");
	}
	json_decref(value);
	free(text);
}
END_TEST

START_TEST(decimals)
{
	static const uint64_t values[] = {0, 9, 10, 4294967296, UINT64_MAX};
	struct buffer text = {0};
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		buffer_decimal(&text, values[i]);
		buffer_byte(&text, ' ');
	}
	ck_assert_str_eq(buffer_string(&text), "0 9 10 4294967296 18446744073709551615 ");
	buffer_free(&text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("text");
	TCase *cases = tcase_create("all");
	tcase_add_test(cases, long_names_are_cut_in_the_middle);
	tcase_add_test(cases, sentences_are_broken_at_spaces);
	tcase_add_test(cases, names_cannot_steer_the_terminal);
	tcase_add_test(cases, tables_fit);
	tcase_add_test(cases, colors_only_where_asked);
	tcase_add_test(cases, sizes);
	tcase_add_test(cases, json_is_valid_whatever_the_bytes);
	tcase_add_test(cases, json_structure);
	tcase_add_test(cases, json_of_many_elements);
	tcase_add_test(cases, decimals);
	tcase_set_timeout(cases, 60);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
