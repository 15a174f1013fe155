/* Hash sets of ids against a plain array: every id is found by its hash, also while the table grows. */
#include "preload/base/id_table.h"
#include "preload/base/meta.h"
#include "tests/preload/unit.h"

enum { IDS = 200000, READERS = 4 };

static uint64_t hash_of[IDS + 1];

static uint64_t hash_at(uint32_t id)
{
	return hash_of[id];
}

static struct id_table ids = {.lock = LOCK_INIT(RANK_STACKS), .hash = hash_at};
static _Atomic uint32_t added; /* ids up to this one are in the table */

/* The key is the id that is looked for; it alone distinguishes equal hashes. */
static bool match(uint32_t id, const void *key)
{
	return id == *(const uint32_t *)key;
}

static bool never(uint32_t id, const void *key)
{
	(void)id, (void)key;
	return false;
}

static void add_all(uint32_t count)
{
	for (uint32_t id = 1; id <= count; id++) {
		lock_acquire(&ids.lock);
		ENSURE(id_table_add(&ids, id), "id %u", id);
		lock_release(&ids.lock);
		atomic_store(&added, id);
	}
}

static void find_all(uint32_t count)
{
	for (uint32_t id = 1; id <= count; id++)
		ENSURE(id_table_find(&ids, hash_of[id], match, &id) == id, "id %u is lost", id);
}

static uint64_t hash_of_all_ones(uint32_t id)
{
	(void)id;
	return UINT64_MAX;
}

START_TEST(empty_table_has_nothing)
{
	uint32_t id = 1;
	ck_assert_uint_eq(id_table_find(&ids, 0, match, &id), 0);
	ck_assert_uint_eq(id_table_find(&ids, UINT64_MAX, match, &id), 0);
}
END_TEST

/* Hashes that share their upper or lower half, or everything, besides random ones. */
START_TEST(all_are_found_whatever_the_hash)
{
	struct dice dice = {3};
	for (uint32_t id = 1; id <= IDS; id++) {
		uint64_t hash = dice_next(&dice);
		switch (id % 8) {
		case 0:
			hash = hash << 32;
			break;
		case 1:
			hash = hash >> 32;
			break;
		case 2:
			hash = id < 3000 ? 42 : hash;
			break;
		default:
			break;
		}
		/* Many ids with one upper half make one long run: keep it short enough to search. */
		if (id % 8 == 1 && id > 2000)
			hash |= dice_next(&dice) << 32;
		hash_of[id] = hash;
	}
	add_all(IDS);
	ck_assert_uint_eq(ids.count, IDS);
	find_all(IDS);
	for (uint32_t id = IDS + 1; id < IDS + 1000; id++) {
		ck_assert_uint_eq(id_table_find(&ids, dice_next(&dice), match, &id), 0);
		ck_assert_uint_eq(id_table_find(&ids, hash_of[id - IDS], never, &id), 0);
	}
}
END_TEST

static void *read_all(void *argument)
{
	struct dice dice = {(uintptr_t)argument};
	for (uint32_t seen = 0; seen < IDS;) {
		seen = atomic_load(&added);
		for (int i = 0; i < 100 && seen; i++) {
			uint32_t id = (uint32_t)dice_below(&dice, seen) + 1;
			ENSURE(id_table_find(&ids, hash_of[id], match, &id) == id, "id %u of %u is lost", id, seen);
		}
	}
	return NULL;
}

START_TEST(readers_see_all_while_it_grows)
{
	struct dice dice = {4};
	pthread_t reader[READERS];
	for (uint32_t id = 1; id <= IDS; id++)
		hash_of[id] = dice_next(&dice);
	for (uintptr_t i = 0; i < READERS; i++)
		pthread_create(&reader[i], NULL, read_all, (void *)(i + 100));
	add_all(IDS);
	for (int i = 0; i < READERS; i++)
		pthread_join(reader[i], NULL);
}
END_TEST

/* Hashes that no tag tells apart: match() alone does, and each doubling asks for the bits that are in no entry. */
START_TEST(equal_tags_are_told_apart)
{
	struct dice dice = {7};
	for (uint32_t id = 1; id <= IDS; id++)
		hash_of[id] = UINT64_C(0xffc0) << 48 | dice_next(&dice) >> 10;
	add_all(IDS);
	find_all(IDS);
	for (uint32_t id = 1; id < 1000; id++)
		ck_assert_uint_eq(id_table_find(&ids, hash_of[id], never, &id), 0);
}
END_TEST

static uint32_t asked;

static bool never_but_counted(uint32_t id, const void *key)
{
	(void)id, (void)key;
	asked++;
	return false;
}

/* Elements are looked at for equal tags only: for what is not there, hardly ever. */
START_TEST(tags_spare_looks_at_elements)
{
	enum { SEARCHES = 10000 };
	struct dice dice = {8};
	for (uint32_t id = 1; id <= IDS; id++)
		hash_of[id] = dice_next(&dice);
	add_all(IDS);
	for (int i = 0; i < SEARCHES; i++)
		ck_assert_uint_eq(id_table_find(&ids, dice_next(&dice), never_but_counted, NULL), 0);
	ck_assert_uint_gt(asked, 0);
	ck_assert_uint_lt(asked, SEARCHES / 100);
}
END_TEST

/* The largest ids that a meta_table gives: none of their bits is lost to the tag. */
START_TEST(largest_ids_are_kept)
{
	uint32_t largest = META_TABLE_ELEMENTS - 1;
	static struct id_table few = {.lock = LOCK_INIT(RANK_STACKS), .hash = hash_of_all_ones};
	lock_acquire(&few.lock);
	for (uint32_t id = largest - 300; id <= largest; id++)
		ck_assert(id_table_add(&few, id));
	lock_release(&few.lock);
	for (uint32_t id = largest - 300; id <= largest; id++)
		ENSURE(id_table_find(&few, UINT64_MAX, match, &id) == id, "id %u is lost", id);
}
END_TEST

/* Without memory it fills up further than it would like to, then says so, and what is in it stays. */
START_TEST(no_memory_to_grow)
{
	struct dice dice = {5};
	for (uint32_t id = 1; id <= IDS; id++)
		hash_of[id] = dice_next(&dice);
	lock_acquire(&ids.lock);
	fault_set(SYS_mmap, 0, ENOMEM);
	ck_assert(!id_table_add(&ids, 1));
	fault_clear();
	uint32_t count = 0;
	while (count < 60000) {
		count++;
		ENSURE(id_table_add(&ids, count), "no memory for id %u", count);
	}
	fault_set(SYS_mmap, 0, ENOMEM);
	while (id_table_add(&ids, count + 1))
		ck_assert_uint_lt(++count, IDS);
	ck_assert_uint_ge(count, 60000);
	find_all(count);
	uint32_t missing = count + 1;
	ck_assert_uint_eq(id_table_find(&ids, hash_of[missing], match, &missing), 0);
	fault_clear();
	ck_assert(id_table_add(&ids, missing));
	lock_release(&ids.lock);
	find_all(missing);
}
END_TEST

/* Four bytes in an entry, three of eight entries used just after growth; outgrown tables as large again; a bump block.
 */
START_TEST(memory_is_bounded)
{
	struct dice dice = {6};
	for (uint32_t id = 1; id <= IDS; id++)
		hash_of[id] = dice_next(&dice);
	uint64_t before = meta_bytes();
	add_all(IDS);
	ck_assert_uint_le(meta_bytes() - before, (uint64_t)IDS * 4 * 8 / 3 * 2 + (256 << 10));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("preload: id_table");
	TCase *tests = tcase_create("id_table");
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, empty_table_has_nothing);
	tcase_add_test(tests, all_are_found_whatever_the_hash);
	tcase_add_test(tests, readers_see_all_while_it_grows);
	tcase_add_test(tests, equal_tags_are_told_apart);
	tcase_add_test(tests, tags_spare_looks_at_elements);
	tcase_add_test(tests, largest_ids_are_kept);
	tcase_add_test(tests, no_memory_to_grow);
	tcase_add_test(tests, memory_is_bounded);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
