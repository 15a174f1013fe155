/* The map of 4 MiB units against a plain list. The addresses are made up: nothing has to lie there. */
#include "preload/heap/kinds.h"
#include "tests/preload/unit.h"

#define UNIT ((uintptr_t)1 << KIND_UNIT_BITS)
#define PLACE ((uintptr_t)0x400000000000)

static const void *at(uintptr_t address)
{
	return (const void *)address;
}

/* Inside the window, at its borders, far away on both sides, and in units next to each other. */
static const uintptr_t starts[] = {
	PLACE,
	PLACE + UNIT,
	PLACE - UNIT,
	PLACE + (KINDS_NEAR / 2 - 1) * UNIT,
	PLACE + KINDS_NEAR / 2 * UNIT,
	PLACE - KINDS_NEAR / 2 * UNIT,
	PLACE - (KINDS_NEAR / 2 + 1) * UNIT,
	UNIT,
	0x7fff00000000,
	((uintptr_t)1 << ADDRESS_BITS) - UNIT,
};
enum { STARTS = sizeof(starts) / sizeof(starts[0]) };

START_TEST(units_near_and_far)
{
	ck_assert(kinds_enter(at(PLACE), 1, KIND_POOL));
	for (int i = 1; i < STARTS; i++) {
		ck_assert_int_eq(pool_kind_of(at(starts[i])), KIND_FOREIGN);
		ck_assert(kinds_enter(at(starts[i]), UNIT, i % 2 ? KIND_LARGE : KIND_POOL));
	}
	for (int i = 0; i < STARTS; i++) {
		enum pool_kind kind = i % 2 ? KIND_LARGE : KIND_POOL;
		ENSURE(pool_kind_of(at(starts[i])) == kind, "start %d", i);
		ENSURE(pool_kind_of(at(starts[i] + UNIT - 1)) == kind, "end %d", i);
		ENSURE(!pool_is_near(at(starts[i])) || kind == KIND_POOL, "near %d", i);
	}
	ck_assert(pool_is_near(at(PLACE + 5)));
	ck_assert(!pool_is_near(at(0x7fff00000000)));
	for (int i = 0; i < STARTS; i++)
		ck_assert(kinds_enter(at(starts[i]), UNIT, KIND_FOREIGN));
	for (int i = 0; i < STARTS; i++)
		ck_assert_int_eq(pool_kind_of(at(starts[i])), KIND_FOREIGN);
}
END_TEST

START_TEST(a_block_over_many_units)
{
	uintptr_t far = PLACE - 5000 * (KINDS_NEAR / 8) * UNIT / 1000;
	ck_assert(kinds_enter(at(PLACE), 1, KIND_POOL));
	ck_assert(kinds_enter(at(far + 5), 5000 * UNIT, KIND_LARGE));
	ck_assert_int_eq(pool_kind_of(at(far - 1)), KIND_FOREIGN);
	for (uintptr_t i = 0; i <= 5000; i++)
		ENSURE(pool_kind_of(at(far + i * UNIT)) == KIND_LARGE, "unit %lu", i);
	ck_assert_int_eq(pool_kind_of(at(far + 5001 * UNIT)), KIND_FOREIGN);
}
END_TEST

START_TEST(no_memory_for_a_leaf)
{
	ck_assert(kinds_enter(at(PLACE), 1, KIND_POOL));
	fault_set(SYS_mmap, 0, ENOMEM);
	ck_assert(kinds_enter(at(PLACE + UNIT), UNIT, KIND_POOL));
	ck_assert(!kinds_enter(at(UNIT), UNIT, KIND_LARGE));
	ck_assert_int_eq(pool_kind_of(at(UNIT)), KIND_FOREIGN);
	fault_clear();
	ck_assert(kinds_enter(at(UNIT), UNIT, KIND_LARGE));
	ck_assert_int_eq(pool_kind_of(at(UNIT)), KIND_LARGE);
}
END_TEST

START_TEST(no_address_of_a_program)
{
	ck_assert(kinds_enter(at(PLACE), 1, KIND_POOL));
	ck_assert(!kinds_enter(at((uintptr_t)1 << ADDRESS_BITS), 1, KIND_POOL));
	ck_assert(!kinds_enter(at(((uintptr_t)1 << ADDRESS_BITS) - 1), 2, KIND_POOL));
	ck_assert_int_eq(pool_kind_of(at(~(uintptr_t)0)), KIND_FOREIGN);
	ck_assert_int_eq(pool_kind_of(NULL), KIND_FOREIGN);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kinds");
	TCase *tests = tcase_create("kinds");
	tcase_add_test(tests, units_near_and_far);
	tcase_add_test(tests, a_block_over_many_units);
	tcase_add_test(tests, no_memory_for_a_leaf);
	tcase_add_test(tests, no_address_of_a_program);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
