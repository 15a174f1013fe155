/* Own memory: bump allocation and growing tables, from several threads and with no memory left. */
#include "preload/base/meta.h"
#include "tests/preload/unit.h"

enum { THREADS = 8, BLOCKS = 4000, ELEMENTS = 30000 };

START_TEST(blocks_are_apart_zeroed_and_aligned)
{
	struct dice dice = {2};
	struct {
		unsigned char *p;
		size_t bytes;
	} block[3000];
	for (int i = 0; i < 3000; i++) {
		size_t bytes = i % 500 == 499 ? dice_below(&dice, 400000) + 1 : dice_below(&dice, 600) + 1;
		block[i].p = meta_allocate(bytes, META_OTHER);
		block[i].bytes = bytes;
		ck_assert_ptr_nonnull(block[i].p);
		ck_assert_uint_eq((uintptr_t)block[i].p % 16, 0);
		for (size_t k = 0; k < bytes; k++)
			ENSURE(block[i].p[k] == 0, "byte %zu of block %d is not zero", k, i);
		memset(block[i].p, i % 255 + 1, bytes);
	}
	for (int i = 0; i < 3000; i++)
		for (size_t k = 0; k < block[i].bytes; k++)
			ENSURE(block[i].p[k] == i % 255 + 1, "block %d was overwritten at %zu", i, k);
}
END_TEST

START_TEST(bytes_count_what_is_mapped)
{
	uint64_t before = meta_bytes();
	ck_assert_ptr_nonnull(meta_allocate(1 << 20, META_OTHER));
	ck_assert_uint_ge(meta_bytes() - before, 1 << 20);
	before = meta_bytes();
	meta_account(12345, META_SITES);
	ck_assert_uint_eq(meta_bytes() - before, 12345);
	ck_assert_uint_eq(meta_part_bytes(META_SITES), 12345);
	meta_account(-12345, META_SITES);
	ck_assert_uint_eq(meta_bytes(), before);
	ck_assert_uint_eq(meta_part_bytes(META_SITES), 0);
	meta_allocate(100, META_FRAMES);
	ck_assert_uint_eq(meta_part_bytes(META_FRAMES), 112);
	/* A million small blocks cost little more than their bytes. */
	for (int i = 0; i < 100000; i++)
		meta_allocate(48, META_OTHER);
	ck_assert_uint_le(meta_bytes() - before, 100000 * 48 * 11 / 10 + (1 << 20));
}
END_TEST

static unsigned char *taken[THREADS][BLOCKS];

static void *take_blocks(void *argument)
{
	uintptr_t mine = (uintptr_t)argument;
	struct dice dice = {mine};
	for (int i = 0; i < BLOCKS; i++) {
		size_t bytes = 16 + dice_below(&dice, 200) / 16 * 16;
		unsigned char *p = meta_allocate(bytes, META_OTHER);
		ck_assert_ptr_nonnull(p);
		ck_assert_uint_eq(p[0], 0);
		memset(p, (int)mine + 1, bytes);
		memcpy(p + 8, &bytes, sizeof bytes);
		taken[mine][i] = p;
	}
	return NULL;
}

START_TEST(threads_get_different_blocks)
{
	pthread_t thread[THREADS];
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, take_blocks, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	for (int t = 0; t < THREADS; t++) {
		for (int i = 0; i < BLOCKS; i++) {
			size_t bytes;
			memcpy(&bytes, taken[t][i] + 8, sizeof bytes);
			for (size_t k = 0; k < bytes; k++)
				ENSURE((k >= 8 && k < 16) || taken[t][i][k] == t + 1, "block of thread %d overwritten",
				       t);
		}
	}
}
END_TEST

START_TEST(no_memory_is_null)
{
	while (meta_allocate(48, META_OTHER) == NULL)
		continue;
	uint64_t before = meta_bytes();
	fault_set(SYS_mmap, 0, ENOMEM);
	errno = 77;
	ck_assert_ptr_null(meta_allocate(1 << 20, META_OTHER));
	/* What is left of the block still serves; then it is over, again and again. */
	int served = 0;
	while (meta_allocate(48, META_OTHER))
		ck_assert_int_lt(++served, 256 * 1024 / 48);
	for (int i = 0; i < 1000; i++)
		ck_assert_ptr_null(meta_allocate(48, META_OTHER));
	ck_assert_int_eq(errno, 77);
	ck_assert_uint_eq(meta_bytes(), before);
	fault_clear();
	ck_assert_ptr_nonnull(meta_allocate(48, META_OTHER));
	ck_assert_ptr_nonnull(meta_allocate(1 << 20, META_OTHER));
}
END_TEST

static struct meta_table table = {.element_bytes = 24};

START_TEST(table_grows_and_never_moves)
{
	ck_assert_uint_eq(meta_table_count(&table), 1);
	uint64_t *first = NULL;
	for (uint32_t i = 1; i <= 100000; i++) {
		ENSURE(meta_table_add(&table) == i, "not element %u", i);
		uint64_t *element = meta_table_at(&table, i);
		if (i == 1)
			first = element;
		ENSURE((element[0] | element[1] | element[2]) == 0, "element %u is not zero", i);
		element[0] = element[2] = i;
	}
	ck_assert_uint_eq(meta_table_count(&table), 100001);
	ck_assert_ptr_eq(meta_table_at(&table, 1), first);
	for (uint32_t i = 1; i <= 100000; i++) {
		const uint64_t *element = meta_table_at(&table, i);
		ENSURE(element[0] == i && element[1] == 0 && element[2] == i, "element %u changed", i);
	}
}
END_TEST

static struct meta_table small = {.element_bytes = 1};

START_TEST(table_is_full_at_its_bound)
{
	for (uint32_t i = 1; i < META_TABLE_ELEMENTS; i++)
		if (meta_table_add(&small) != i)
			ck_abort_msg("element %u is not the next one", i);
	for (int i = 0; i < 100; i++)
		ck_assert_uint_eq(meta_table_add(&small), 0);
	ck_assert_uint_eq(meta_table_count(&small), META_TABLE_ELEMENTS);
}
END_TEST

START_TEST(table_without_memory)
{
	uint32_t last = meta_table_add(&table);
	fault_set(SYS_mmap, 0, ENOMEM);
	while (last + 1 < META_SEGMENT_ELEMENTS)
		ck_assert_uint_eq(meta_table_add(&table), ++last);
	for (int i = 0; i < 10; i++)
		ck_assert_uint_eq(meta_table_add(&table), 0);
	ck_assert_uint_eq(meta_table_count(&table), META_SEGMENT_ELEMENTS);
	fault_clear();
	ck_assert_uint_eq(meta_table_add(&table), META_SEGMENT_ELEMENTS);
}
END_TEST

static void *add_elements(void *argument)
{
	for (int i = 0; i < ELEMENTS; i++) {
		uint32_t index = meta_table_add(&table);
		ENSURE(index != 0, "no element");
		_Atomic uint64_t *element = meta_table_at(&table, index);
		/* Handed out once. */
		ENSURE(atomic_fetch_add(element, (uintptr_t)argument + 1) == 0, "element %u was handed out twice",
		       index);
	}
	return NULL;
}

START_TEST(threads_get_different_elements)
{
	pthread_t thread[THREADS];
	uint32_t each[THREADS] = {0};
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, add_elements, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	ck_assert_uint_eq(meta_table_count(&table), THREADS * ELEMENTS + 1);
	for (uint32_t i = 1; i <= THREADS * ELEMENTS; i++)
		each[*(uint64_t *)meta_table_at(&table, i) - 1]++;
	for (int i = 0; i < THREADS; i++)
		ck_assert_uint_eq(each[i], ELEMENTS);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("preload: meta");
	TCase *tests = tcase_create("meta");
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, blocks_are_apart_zeroed_and_aligned);
	tcase_add_test(tests, bytes_count_what_is_mapped);
	tcase_add_test(tests, threads_get_different_blocks);
	tcase_add_test(tests, no_memory_is_null);
	tcase_add_test(tests, table_grows_and_never_moves);
	tcase_add_test(tests, table_is_full_at_its_bound);
	tcase_add_test(tests, table_without_memory);
	tcase_add_test(tests, threads_get_different_elements);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
