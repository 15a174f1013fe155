/* Hash sets of ids against a plain array: every id is found by its hash, also while the table grows. */
#include "preload/id_table.h"
#include "preload/meta.h"
#include "tests/preload/unit.h"

enum { IDS = 200000, READERS = 4 };

static struct id_table ids = {.lock = LOCK_INIT(RANK_STACKS)};
static uint64_t hash_of[IDS + 1];
static _Atomic uint32_t added; /* ids up to this one are in the table */

/* The key is the id that is looked for; equal hashes are told apart by it alone. */
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
		ENSURE(id_table_add(&ids, hash_of[id], id), "id %u", id);
		lock_release(&ids.lock);
		atomic_store(&added, id);
	}
}

static void find_all(uint32_t count)
{
	for (uint32_t id = 1; id <= count; id++)
		ENSURE(id_table_find(&ids, hash_of[id], match, &id) == id, "id %u is lost", id);
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

/* Without memory it fills up further than it would like to, then says so, and what is in it stays. */
START_TEST(no_memory_to_grow)
{
	struct dice dice = {5};
	for (uint32_t id = 1; id <= IDS; id++)
		hash_of[id] = dice_next(&dice);
	lock_acquire(&ids.lock);
	fault_set(SYS_mmap, 0, ENOMEM);
	ck_assert(!id_table_add(&ids, hash_of[1], 1));
	fault_clear();
	uint32_t count = 0;
	while (count < 60000) {
		count++;
		ENSURE(id_table_add(&ids, hash_of[count], count), "no memory for id %u", count);
	}
	fault_set(SYS_mmap, 0, ENOMEM);
	while (id_table_add(&ids, hash_of[count + 1], count + 1))
		ck_assert_uint_lt(++count, IDS);
	ck_assert_uint_ge(count, 60000);
	find_all(count);
	uint32_t missing = count + 1;
	ck_assert_uint_eq(id_table_find(&ids, hash_of[missing], match, &missing), 0);
	fault_clear();
	ck_assert(id_table_add(&ids, hash_of[missing], missing));
	lock_release(&ids.lock);
	find_all(missing);
}
END_TEST

/* Outgrown tables stay mapped: together no larger than the current one. */
START_TEST(memory_is_bounded)
{
	struct dice dice = {6};
	for (uint32_t id = 1; id <= IDS; id++)
		hash_of[id] = dice_next(&dice);
	uint64_t before = meta_bytes();
	add_all(IDS);
	ck_assert_uint_le(meta_bytes() - before, (uint64_t)IDS * 8 * 8 + (1 << 20));
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
	tcase_add_test(tests, no_memory_to_grow);
	tcase_add_test(tests, memory_is_bounded);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
