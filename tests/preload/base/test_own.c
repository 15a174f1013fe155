/* Our pages against a plain bitmap. The addresses are made up: nothing has to lie there. */
#include "preload/base/own.h"

#include "preload/heap/pool.h"
#include "tests/preload/unit.h"

#define GIB ((uintptr_t)1 << 30)
/* Nothing is mapped here: below what mmap gives, above the program. */
#define PLACE ((uintptr_t)0x100000000000)

enum { PAGES = 4096, ROUNDS = 20000, LOOKS = 8, LEAVES = 2048 };

/* Around a border between two leaves. */
static const uintptr_t base = PLACE + GIB - (uintptr_t)PAGES / 2 * SYS_PAGE_BYTES;
static bool model[PAGES];

static uintptr_t page_at(size_t page)
{
	return base + page * SYS_PAGE_BYTES;
}

static void add(uintptr_t address, size_t bytes)
{
	own_add((const void *)address, bytes);
}

static void drop(uintptr_t address, size_t bytes)
{
	own_remove((const void *)address, bytes);
}

/* Of the pages that lie in the bytes whole. */
static void change_model(uintptr_t from, size_t bytes, bool mine)
{
	for (size_t page = 0; page < PAGES; page++)
		if (page_at(page) >= from && page_at(page + 1) <= from + bytes)
			model[page] = mine;
}

static uintptr_t find_in_model(uintptr_t from, uintptr_t end, bool mine)
{
	for (uintptr_t at = from; at < end; at = (at & ~(uintptr_t)(SYS_PAGE_BYTES - 1)) + SYS_PAGE_BYTES)
		if (model[(at - base) / SYS_PAGE_BYTES] == mine)
			return at;
	return end;
}

START_TEST(as_a_plain_bitmap)
{
	struct dice dice = {.state = 20261128};
	for (int round = 0; round < ROUNDS; round++) {
		/* Mostly short pieces, so that the map does not become all or nothing; some that cross the border. */
		size_t most = dice_below(&dice, 8) ? 40 : PAGES;
		uintptr_t from = base + dice_below(&dice, (uint64_t)PAGES * SYS_PAGE_BYTES);
		size_t bytes = dice_below(&dice, most * SYS_PAGE_BYTES);
		if (dice_below(&dice, 2)) {
			from &= ~(uintptr_t)(SYS_PAGE_BYTES - 1);
			bytes &= ~(size_t)(SYS_PAGE_BYTES - 1);
		}
		if (from + bytes > page_at(PAGES))
			bytes = page_at(PAGES) - from;
		bool mine = dice_below(&dice, 2);
		(mine ? add : drop)(from, bytes);
		change_model(from, bytes, mine);
		for (int look = 0; look < LOOKS; look++) {
			uintptr_t start = base + dice_below(&dice, (uint64_t)PAGES * SYS_PAGE_BYTES);
			uintptr_t end = start + dice_below(&dice, page_at(PAGES) - start);
			uintptr_t found = own_find(start, end, look % 2),
				  expected = find_in_model(start, end, look % 2);
			ENSURE(found == expected, "round %d: from %#lx to %#lx, mine %d: %#lx, not %#lx", round, start,
			       end, look % 2, found, expected);
		}
	}
}
END_TEST

/* A word is for 64 pages. */
START_TEST(words_and_leaves_have_no_seams)
{
	for (size_t first = 0; first < 130; first++) {
		add(page_at(first), 130 * SYS_PAGE_BYTES);
		ck_assert_uint_eq(own_find(base, page_at(PAGES), true), page_at(first));
		ck_assert_uint_eq(own_find(page_at(first), page_at(PAGES), false), page_at(first + 130));
		drop(page_at(first), 130 * SYS_PAGE_BYTES);
		ck_assert_uint_eq(own_find(base, page_at(PAGES), true), page_at(PAGES));
	}
	add(base, PAGES * SYS_PAGE_BYTES);
	ck_assert_uint_eq(own_find(base, page_at(PAGES) + 1, false), page_at(PAGES));
	drop(PLACE + GIB, SYS_PAGE_BYTES);
	ck_assert_uint_eq(own_find(base, page_at(PAGES), false), PLACE + GIB);
}
END_TEST

START_TEST(parts_of_pages_are_not_ours)
{
	add(base + 1, 2 * SYS_PAGE_BYTES);
	ck_assert_uint_eq(own_find(base, page_at(PAGES), true), page_at(1));
	ck_assert_uint_eq(own_find(page_at(1), page_at(PAGES), false), page_at(2));
	add(page_at(8), SYS_PAGE_BYTES - 1);
	ck_assert_uint_eq(own_find(page_at(2), page_at(PAGES), true), page_at(PAGES));
	/* What is asked about may begin and end anywhere. */
	ck_assert_uint_eq(own_find(page_at(1) + 100, page_at(1) + 200, true), page_at(1) + 100);
	ck_assert_uint_eq(own_find(page_at(1) + 100, page_at(1) + 200, false), page_at(1) + 200);
	ck_assert_uint_eq(own_find(page_at(0) + 7, page_at(1), true), page_at(1));
	ck_assert_uint_eq(own_find(page_at(1), page_at(1), true), page_at(1));
}
END_TEST

START_TEST(nothing_beyond_the_address_space)
{
	uintptr_t beyond = (uintptr_t)1 << ADDRESS_BITS;
	add(beyond, 4 * SYS_PAGE_BYTES);
	ck_assert(!own_is_incomplete());
	ck_assert_uint_eq(own_find(beyond, beyond + 4 * SYS_PAGE_BYTES, true), beyond + 4 * SYS_PAGE_BYTES);
	ck_assert_uint_eq(own_find(beyond, beyond + 4 * SYS_PAGE_BYTES, false), beyond);
	drop(beyond, 4 * SYS_PAGE_BYTES);
}
END_TEST

/* What does not fit is said, and what fitted stays. */
START_TEST(too_many_leaves)
{
	size_t fitted = 0;
	for (size_t i = 0; i < LEAVES + 8; i++)
		add(PLACE + i * GIB, SYS_PAGE_BYTES);
	ck_assert(own_is_incomplete());
	for (size_t i = 0; i < LEAVES + 8; i++) {
		uintptr_t at = PLACE + i * GIB;
		bool has = own_find(at, at + SYS_PAGE_BYTES, true) == at;
		ENSURE(has || i >= fitted, "%zu: lost", i);
		fitted += has;
	}
	/* The process has a few leaves of its own. */
	ck_assert_uint_le(fitted, LEAVES);
	ck_assert_uint_ge(fitted, LEAVES - 8);
}
END_TEST

START_TEST(removing_makes_no_leaf)
{
	for (size_t i = 0; i < 2 * LEAVES; i++)
		drop(PLACE + i * GIB, GIB);
	ck_assert(!own_is_incomplete());
	add(PLACE, SYS_PAGE_BYTES);
	ck_assert_uint_eq(own_find(PLACE, PLACE + 2 * LEAVES * GIB, true), PLACE);
	ck_assert_uint_eq(own_find(PLACE + SYS_PAGE_BYTES, PLACE + 2 * LEAVES * GIB, true), PLACE + 2 * LEAVES * GIB);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("own");
	TCase *tests = tcase_create("own");
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, as_a_plain_bitmap);
	tcase_add_test(tests, words_and_leaves_have_no_seams);
	tcase_add_test(tests, parts_of_pages_are_not_ours);
	tcase_add_test(tests, nothing_beyond_the_address_space);
	tcase_add_test(tests, too_many_leaves);
	tcase_add_test(tests, removing_makes_no_leaf);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
