/*
 * Pairs of numbers: equal ones have one number, others have not, and numbers count up in the order of first sight.
 */
#include "report/base/pair_table.h"

#include <check.h>
#include <stdlib.h>

START_TEST(numbers_count_from_one)
{
	struct pair_table table = {0};
	ck_assert_uint_eq(pair_number(&table, 0, 0), 1);
	ck_assert_uint_eq(pair_number(&table, 0, 1), 2);
	ck_assert_uint_eq(pair_number(&table, 1, 0), 3);
	ck_assert_uint_eq(pair_number(&table, UINT64_MAX, UINT64_MAX), 4);
	ck_assert_uint_eq(pair_number(&table, UINT64_MAX, UINT32_MAX), 5);
	ck_assert_uint_eq(pair_number(&table, 0, 1), 2);
	ck_assert_uint_eq(table.count, 5);
	pair_table_free(&table);
	ck_assert_uint_eq(pair_number(&table, 7, 7), 1);
	pair_table_free(&table);
}
END_TEST

/* A grid, so that the answer is known; its rows are met in a scattered order, twice, with room made midway. */
START_TEST(a_grid)
{
	enum { SIDE = 400, STEP = 171 };
	struct pair_table table = {0};
	uint32_t *numbers = calloc(SIDE * SIDE, sizeof *numbers), next = 1;
	for (uint32_t round = 0; round < 2; round++)
		for (uint32_t i = 0; i < SIDE; i++) {
			if (i == SIDE / 2)
				pair_table_reserve(&table, SIDE * SIDE * (round + 1));
			for (uint32_t j = 0; j < SIDE; j++) {
				uint32_t row = i * STEP % SIDE;
				uint32_t *number = &numbers[row * SIDE + j];
				if (!round)
					*number = next++;
				ck_assert_uint_eq(pair_number(&table, row, (uint64_t)j << 40), *number);
			}
		}
	ck_assert_uint_eq(table.count, SIDE * SIDE);
	pair_table_free(&table);
	free(numbers);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pair_table");
	TCase *cases = tcase_create("all");
	tcase_add_test(cases, numbers_count_from_one);
	tcase_add_test(cases, a_grid);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
