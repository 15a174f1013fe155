/* The few lines for the report: copied whole, each once, no more than there are; the rest is counted. */
#include "preload/base/notes.h"

#include "tests/preload/unit.h"

START_TEST(each_once)
{
	char line[] = "first";
	notes_add(line);
	line[0] = 'x';
	notes_add("second");
	notes_add("first");
	notes_add("second");
	ck_assert_uint_eq(notes_count(), 2);
	ck_assert_str_eq(notes_at(0), "first");
	ck_assert_str_eq(notes_at(1), "second");
}
END_TEST

START_TEST(long_lines_are_whole)
{
	char line[1000];
	memset(line, 'n', sizeof line - 1);
	line[999] = '\0';
	notes_add(line);
	notes_add(line);
	ck_assert_uint_eq(notes_count(), 1);
	ck_assert_str_eq(notes_at(0), line);
	line[998] = 'm';
	notes_add(line);
	ck_assert_uint_eq(notes_count(), 2);
}
END_TEST

START_TEST(too_many_are_counted)
{
	char line[40];
	for (int i = 0; i < 1000; i++) {
		snprintf(line, sizeof line, "line %d", i);
		notes_add(line);
	}
	ck_assert_uint_eq(notes_count(), NOTES_MAX);
	ck_assert_str_eq(notes_at(0), "line 0");
	ck_assert_str_eq(notes_at(NOTES_MAX - 1), "line 15");
	ck_assert_uint_eq(notes_dropped(), 1000 - NOTES_MAX);
}
END_TEST

static void *add_lines(void *argument)
{
	char line[40];
	for (int i = 0; i < 3; i++) {
		snprintf(line, sizeof line, "thread %d, line %d", (int)(intptr_t)argument, i);
		notes_add(line);
	}
	return NULL;
}

START_TEST(from_threads)
{
	pthread_t thread[5];
	for (intptr_t i = 0; i < 5; i++)
		pthread_create(&thread[i], NULL, add_lines, (void *)i);
	for (int i = 0; i < 5; i++)
		pthread_join(thread[i], NULL);
	/* What met another thread's note in the making is counted: notes wait for no lock. */
	ck_assert_uint_eq(notes_count() + notes_dropped(), 15);
	for (uint32_t i = 0; i < notes_count(); i++) {
		ck_assert_int_eq(strncmp(notes_at(i), "thread ", 7), 0);
		for (uint32_t k = 0; k < i; k++)
			ck_assert_str_ne(notes_at(i), notes_at(k));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("preload: notes");
	TCase *tests = tcase_create("notes");
	tcase_add_test(tests, each_once);
	tcase_add_test(tests, long_lines_are_whole);
	tcase_add_test(tests, too_many_are_counted);
	tcase_add_test(tests, from_threads);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
