/* What the last census counted: found again by the next one, also where a copy of the process took it. */
#include "preload/census/growth.h"

#include "tests/preload/unit.h"

#include <sys/wait.h>
#include <unistd.h>

START_TEST(nothing_before_the_first)
{
	ck_assert_uint_eq(census_growth_epoch(), 0);
	ck_assert_uint_eq(census_growth_last(7), 0);
	census_growth_begin(3);
	census_growth_note(7, 70);
	ck_assert_uint_eq(census_growth_epoch(), 0);
	census_growth_prepare();
	ck_assert_uint_eq(census_growth_epoch(), 0);
	ck_assert_uint_eq(census_growth_last(7), 0);
}
END_TEST

START_TEST(the_last_one_counts)
{
	census_growth_prepare();
	census_growth_begin(3);
	for (uint32_t hash = 1; hash <= 1000; hash++)
		census_growth_note(hash * 2654435761u | 1, hash);
	census_growth_note(2654435761u | 1, 5); /* another type of the same name */
	ck_assert_uint_eq(census_growth_epoch(), 3);
	ck_assert_uint_eq(census_growth_last(2654435761u | 1), 6);
	for (uint32_t hash = 2; hash <= 1000; hash++)
		ck_assert_uint_eq(census_growth_last(hash * 2654435761u | 1), hash);
	census_growth_begin(3);
	ck_assert_uint_eq(census_growth_last(2654435761u | 1), 0);
	ck_assert_uint_eq(census_growth_first(2654435761u | 1), 6);
	census_growth_note(2654435761u | 1, 8);
	census_growth_note(7, 70);
	ck_assert_uint_eq(census_growth_last(2654435761u | 1), 8);
	ck_assert_uint_eq(census_growth_first(2654435761u | 1), 6);
	ck_assert_uint_eq(census_growth_first(7), 0);
}
END_TEST

/* More types than there is room for: some are as if they were new, none is taken for another. */
START_TEST(full)
{
	census_growth_prepare();
	census_growth_begin(3);
	for (uint32_t hash = 1; hash <= 10000; hash++)
		census_growth_note(hash, hash);
	for (uint32_t hash = 1; hash <= 10000; hash++) {
		uint32_t objects = census_growth_last(hash);
		ck_assert(objects == hash || objects == 0);
	}
}
END_TEST

START_TEST(a_copy_counts_for_its_process)
{
	census_growth_prepare();
	pid_t pid = fork();
	if (pid == 0) {
		census_growth_begin(3);
		census_growth_note(11, 1100);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_uint_eq(census_growth_last(11), 1100);
	census_growth_fork_child();
	ck_assert_uint_eq(census_growth_epoch(), 0);
	ck_assert_uint_eq(census_growth_last(11), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("preload: growth of types");
	TCase *tests = tcase_create("growth");
	tcase_add_test(tests, nothing_before_the_first);
	tcase_add_test(tests, the_last_one_counts);
	tcase_add_test(tests, full);
	tcase_add_test(tests, a_copy_counts_for_its_process);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
