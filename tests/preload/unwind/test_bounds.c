/* Bounds of stacks: the thread's own is known, of others each page is asked for, and nothing is believed for longer. */
#include "preload/unwind/bounds.h"

#include "tests/preload/unit.h"

#include <sys/mman.h>

enum { PAGES = 2 * BOUNDS_PAGES_MAX, WORD = sizeof(uintptr_t) };

static uintptr_t place; /* PAGES pages that can be read and written */

static void set_up(void)
{
	void *mapped =
		mmap(NULL, (size_t)PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(mapped, MAP_FAILED);
	place = (uintptr_t)mapped;
}

static void tear_down(void)
{
	munmap((void *)place, (size_t)PAGES * PAGE_BYTES);
}

static uintptr_t page(int number)
{
	return place + (uintptr_t)number * PAGE_BYTES;
}

static struct bounds begun(struct stack_range own, uintptr_t sp)
{
	struct bounds bounds;
	bounds_begin(&bounds, own, sp);
	return bounds;
}

START_TEST(own_stack)
{
	struct stack_range own = {page(2), page(6) - WORD};
	struct bounds bounds = begun(own, page(3) + WORD);
	ck_assert(bounds_on_own_stack(&bounds));
	ck_assert(bounds_extend(&bounds, own.high));
	ck_assert(!bounds_extend(&bounds, own.high + WORD));
	ck_assert(bounds_readable(&bounds, page(2)));
	ck_assert_uint_eq(bounds.pages, 0);
}
END_TEST

START_TEST(other_stack)
{
	struct bounds bounds = begun((struct stack_range){0, 0}, page(1) + 5 * WORD);
	ck_assert(!bounds_on_own_stack(&bounds));
	ck_assert(bounds_extend(&bounds, page(2)));
	ck_assert_uint_eq(bounds.pages, 1);
	ck_assert(bounds_extend(&bounds, page(4) + WORD));
	ck_assert_uint_eq(bounds.pages, 4);
	ck_assert_uint_eq(bounds.now.high, page(5));
	/* Asked for already. */
	ck_assert(bounds_readable(&bounds, page(3)));
	ck_assert_uint_eq(bounds.pages, 4);
}
END_TEST

/* The word below sp has been read: the page that it is on is there, the one that sp points to need not be. */
START_TEST(end_of_a_stack)
{
	ck_assert_int_eq(mprotect((void *)page(4), PAGE_BYTES, PROT_NONE), 0);
	struct bounds bounds = begun((struct stack_range){0, 0}, page(4));
	ck_assert_uint_eq(bounds.now.high, page(4));
	ck_assert(!bounds_extend(&bounds, page(4) + WORD));
	ck_assert(!bounds_readable(&bounds, page(4) - WORD / 2));
	ck_assert(bounds_readable(&bounds, page(4) - WORD));
	ck_assert_int_eq(munmap((void *)page(4), PAGE_BYTES), 0);
	bounds = begun((struct stack_range){0, 0}, page(4));
	ck_assert(!bounds_extend(&bounds, page(4) + WORD));
}
END_TEST

START_TEST(nothing_is_remembered)
{
	struct bounds bounds = begun((struct stack_range){0, 0}, page(1));
	ck_assert(bounds_extend(&bounds, page(3)));
	ck_assert_int_eq(munmap((void *)page(2), PAGE_BYTES), 0);
	bounds_begin(&bounds, (struct stack_range){0, 0}, page(1));
	ck_assert(!bounds_extend(&bounds, page(3)));
}
END_TEST

START_TEST(as_many_pages_as_there_is_room_for)
{
	struct bounds bounds = begun((struct stack_range){0, 0}, page(1));
	ck_assert(!bounds_extend(&bounds, page(PAGES)));
	ck_assert_uint_eq(bounds.pages, 1);
	ck_assert(bounds_extend(&bounds, page(BOUNDS_PAGES_MAX)));
	ck_assert(!bounds_extend(&bounds, page(BOUNDS_PAGES_MAX) + WORD));
}
END_TEST

START_TEST(switches)
{
	bool other;
	struct stack_range own = {page(40), page(50)};
	struct bounds bounds = begun(own, page(1) + WORD);
	ck_assert(bounds_switch(&bounds, page(1) + 9 * WORD, &other) && !other);
	/* Further out on the same stack. */
	ck_assert(bounds_switch(&bounds, page(3) + WORD, &other) && !other);
	ck_assert(bounds_switch(&bounds, page(45), &other) && other);
	ck_assert(bounds_on_own_stack(&bounds));
	ck_assert(bounds_switch(&bounds, page(47), &other) && !other);
	ck_assert(bounds_switch(&bounds, page(2), &other) && other);
	ck_assert(!bounds_on_own_stack(&bounds));
	ck_assert_int_eq(munmap((void *)page(5), PAGE_BYTES), 0);
	ck_assert(!bounds_switch(&bounds, page(5), &other));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("preload: bounds");
	TCase *tests = tcase_create("bounds");
	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, own_stack);
	tcase_add_test(tests, other_stack);
	tcase_add_test(tests, end_of_a_stack);
	tcase_add_test(tests, nothing_is_remembered);
	tcase_add_test(tests, as_many_pages_as_there_is_room_for);
	tcase_add_test(tests, switches);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
