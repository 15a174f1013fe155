/*
 * The line of every instruction of many code objects, compared with what the interpreter that compiled them says
 * (python_lines.py), for each CPython that is there: the one in PATH, Debian's, those of pyenv, and
 * MUDLARK_TEST_PYTHONS (paths separated by ':').
 */
#include "symbolize/python_lines.h"

#include <check.h>
#include <glob.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { MOST_INTERPRETERS = 64, TOO_OLD = 77 };

/* --- tables made by hand --------------------------------------------------------------------------------------- */

static uint32_t line_in(unsigned format, const char *table, size_t bytes, uint32_t first_line, uint32_t place)
{
	/* An exact copy, so that a read behind the end is seen by valgrind and ASan. */
	char *copy = malloc(bytes ? bytes : 1);
	memcpy(copy, table, bytes);
	struct python_lines lines;
	python_lines_begin(&lines, format, copy, bytes, first_line);
	uint32_t line = python_lines_at(&lines, place);
	free(copy);
	return line;
}

#define LINE_IN(format, table, first_line, place) line_in(format, table, sizeof(table) - 1, first_line, place)

START_TEST(before_the_first_instruction)
{
	for (unsigned format = LINES_NONE; format <= LINES_LOCATIONS + 1; format++)
		ck_assert_uint_eq(LINE_IN(format, "\x02\x05\x02\x05", 7, 0), 7);
}
END_TEST

START_TEST(unknown_formats_have_no_lines)
{
	ck_assert_uint_eq(LINE_IN(LINES_NONE, "\x02\x05", 7, 1), 0);
	ck_assert_uint_eq(LINE_IN(LINES_LOCATIONS + 1, "\x02\x05", 7, 1), 0);
}
END_TEST

START_TEST(lnotab)
{
	static const char table[] = "\x02\x05\x00\x7f\x04\xfd\x06";
	ck_assert_uint_eq(LINE_IN(LINES_LNOTAB, table, 10, 1 + 0), 10);
	ck_assert_uint_eq(LINE_IN(LINES_LNOTAB, table, 10, 1 + 1), 10);
	ck_assert_uint_eq(LINE_IN(LINES_LNOTAB, table, 10, 1 + 2), 10 + 5 + 127);
	ck_assert_uint_eq(LINE_IN(LINES_LNOTAB, table, 10, 1 + 6), 10 + 5 + 127 - 3);
	ck_assert_uint_eq(LINE_IN(LINES_LNOTAB, table, 10, UINT32_MAX), 10 + 5 + 127 - 3);
	ck_assert_uint_eq(LINE_IN(LINES_LNOTAB, "", 10, 5), 10);
	/* A damaged table may lead to lines that there are not. */
	ck_assert_uint_eq(LINE_IN(LINES_LNOTAB, "\x00\x80", 10, 1), 0);
	ck_assert_uint_eq(LINE_IN(LINES_LNOTAB, "\x00\x7f", UINT32_MAX, 1), 0);
}
END_TEST

START_TEST(linetable)
{
	static const char table[] = "\x04\x01\x00\x10\x04\x80\x02\xff\x06";
	ck_assert_uint_eq(LINE_IN(LINES_LINETABLE, table, 10, 1 + 0), 11);
	ck_assert_uint_eq(LINE_IN(LINES_LINETABLE, table, 10, 1 + 3), 11);
	ck_assert_uint_eq(LINE_IN(LINES_LINETABLE, table, 10, 1 + 4), 0);
	ck_assert_uint_eq(LINE_IN(LINES_LINETABLE, table, 10, 1 + 8), 26);
	ck_assert_uint_eq(LINE_IN(LINES_LINETABLE, table, 10, 1 + 10), 0);
	ck_assert_uint_eq(LINE_IN(LINES_LINETABLE, "", 10, 1), 0);
}
END_TEST

START_TEST(locations)
{
	/* short form, 2 units; one line further, 1 unit; no columns with -100, 8 units; none; long with +2^31 - 1. */
	static const char table[] = "\x81\x00"     /* 0..4 */
				    "\xd8\x00\x00" /* 4..6 */
				    "\xef\x49\x03" /* 6..22: -100 */
				    "\xf8"         /* 22..24 */
				    "\xf0\x7e\x7f\x7f\x7f\x7f\x03\x00\x00\x00" /* 24..26 */;
	ck_assert_uint_eq(LINE_IN(LINES_LOCATIONS, table, 500, 1 + 0), 500);
	ck_assert_uint_eq(LINE_IN(LINES_LOCATIONS, table, 500, 1 + 3), 500);
	ck_assert_uint_eq(LINE_IN(LINES_LOCATIONS, table, 500, 1 + 4), 501);
	ck_assert_uint_eq(LINE_IN(LINES_LOCATIONS, table, 500, 1 + 6), 401);
	ck_assert_uint_eq(LINE_IN(LINES_LOCATIONS, table, 500, 1 + 21), 401);
	ck_assert_uint_eq(LINE_IN(LINES_LOCATIONS, table, 500, 1 + 22), 0);
	ck_assert_uint_eq(LINE_IN(LINES_LOCATIONS, table, 500, 1 + 24), 401u + 0x7fffffffu);
	ck_assert_uint_eq(LINE_IN(LINES_LOCATIONS, table, 500, 1 + 26), 0);
	/* Cut anywhere, it is only less. */
	for (size_t bytes = 0; bytes < sizeof table; bytes++)
		for (uint32_t place = 1; place < 40; place++)
			(void)line_in(LINES_LOCATIONS, table, bytes, 500, place);
}
END_TEST

/* --- the interpreters ------------------------------------------------------------------------------------------ */

static size_t add_interpreter(char **list, size_t count, const char *path)
{
	char resolved[PATH_MAX];
	if (!realpath(path, resolved))
		return count;
	for (size_t i = 0; i < count; i++)
		if (!strcmp(list[i], resolved))
			return count;
	if (count < MOST_INTERPRETERS)
		list[count++] = strdup(resolved);
	return count;
}

static size_t find_interpreters(char **list)
{
	const char *root = getenv("PYENV_ROOT"), *home = getenv("HOME"), *asked = getenv("MUDLARK_TEST_PYTHONS");
	char pattern[PATH_MAX];
	glob_t found;
	size_t count = add_interpreter(list, 0, "/usr/bin/python3");
	if (root)
		snprintf(pattern, sizeof pattern, "%s/versions/3.*/bin/python3", root);
	else
		snprintf(pattern, sizeof pattern, "%s/.pyenv/versions/3.*/bin/python3", home ? home : "");
	if (!glob(pattern, 0, NULL, &found)) {
		for (size_t i = 0; i < found.gl_pathc; i++)
			count = add_interpreter(list, count, found.gl_pathv[i]);
		globfree(&found);
	}
	char *places = strdup(asked ? asked : ""), *rest = places;
	for (char *place; (place = strsep(&rest, ":"));)
		count = add_interpreter(list, count, place);
	free(places);
	return count;
}

/* "0a0b" in place; returns the number of bytes. */
static size_t from_hex(char *text)
{
	size_t bytes = 0;
	for (unsigned byte; sscanf(text + 2 * bytes, "%2x", &byte) == 1; bytes++)
		text[bytes] = (char)byte;
	return bytes;
}

/* One walk with ascending places, and each place by itself: both have to agree with the interpreter. */
static void compare(FILE *oracle, const char *interpreter, size_t *codes, size_t *places)
{
	char *text = NULL, *table = NULL;
	size_t capacity = 0, bytes = 0;
	unsigned format = 0;
	uint32_t first_line = 0;
	struct python_lines walk = {0};
	while (getline(&text, &capacity, oracle) > 0) {
		uint32_t offset, expected;
		int table_at = 0;
		if (sscanf(text, "code %u %" SCNu32 " %n", &format, &first_line, &table_at) == 2) {
			free(table);
			table = strdup(text + table_at);
			bytes = from_hex(table);
			python_lines_begin(&walk, format, table, bytes, first_line);
			++*codes;
			continue;
		}
		ck_assert_msg(sscanf(text, "%" SCNu32 " %" SCNu32, &offset, &expected) == 2, "%s: %s", interpreter,
			      text);
		uint32_t got = python_lines_at(&walk, offset + 1);
		ck_assert_msg(got == expected, "%s: code %zu, offset %u: line %u, not %u", interpreter, *codes, offset,
			      got, expected);
		if (*places % 16 == 0)
			ck_assert_uint_eq(line_in(format, table, bytes, first_line, offset + 1), expected);
		++*places;
	}
	free(text);
	free(table);
}

START_TEST(as_the_interpreter_says)
{
	char *interpreters[MOST_INTERPRETERS];
	size_t count = find_interpreters(interpreters), compared = 0;
	unsetenv("LD_PRELOAD");
	for (size_t i = 0; i < count; i++) {
		char command[PATH_MAX + 200];
		size_t codes = 0, places = 0;
		snprintf(command, sizeof command,
			 "'%s' -B -S tests/symbolize/python_lines.py argparse decimal _pydecimal asyncio.base_events "
			 "collections dataclasses difflib doctest enum inspect ipaddress json.decoder logging "
			 "mailbox pdb pickle re statistics subprocess tarfile threading tokenize typing "
			 "unittest.mock urllib.request xml.dom.minidom zipfile",
			 interpreters[i]);
		FILE *oracle = popen(command, "r");
		ck_assert_ptr_nonnull(oracle);
		compare(oracle, interpreters[i], &codes, &places);
		int status = pclose(oracle);
		if (WIFEXITED(status) && WEXITSTATUS(status) == TOO_OLD)
			continue;
		compared++;
		ck_assert_msg(status == 0, "%s: the oracle failed", interpreters[i]);
		ck_assert_msg(codes > 3000 && places > 100000, "%s: %zu codes, %zu places", interpreters[i], codes,
			      places);
		printf("%s: %zu codes, %zu places\n", interpreters[i], codes, places);
	}
	for (size_t i = 0; i < count; i++)
		free(interpreters[i]);
	ck_assert_msg(compared > 0, "there is no python3");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("python_lines");
	TCase *cases = tcase_create("all");
	tcase_add_test(cases, before_the_first_instruction);
	tcase_add_test(cases, unknown_formats_have_no_lines);
	tcase_add_test(cases, lnotab);
	tcase_add_test(cases, linetable);
	tcase_add_test(cases, locations);
	tcase_add_test(cases, as_the_interpreter_says);
	tcase_set_timeout(cases, 240);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
