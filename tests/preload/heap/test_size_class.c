/* Every size and every offset: the tables of size_class.c and the index arithmetic of pool.h. */
#include "preload/heap/pool.h"
#include "preload/heap/size_class.h"
#include "tests/preload/unit.h"

START_TEST(class_is_the_smallest_that_holds)
{
	for (size_t n = 0; n <= SMALL_MAX_BYTES; n++) {
		unsigned c = size_class_of(n);
		ENSURE(c < SIZE_CLASSES, "%zu bytes: class %u", n, c);
		ENSURE(size_class_bytes[c] >= n, "%zu bytes: class of %u bytes", n, size_class_bytes[c]);
		ENSURE(c == 0 || size_class_bytes[c - 1] < n, "%zu bytes would fit %u too", n,
		       size_class_bytes[c ? c - 1 : 0]);
	}
}
END_TEST

START_TEST(classes_ascend_in_units)
{
	for (unsigned c = 0; c < SIZE_CLASSES; c++) {
		ck_assert_uint_eq(size_class_bytes[c] % SIZE_UNIT_BYTES, 0);
		ck_assert_uint_eq(size_class_of(size_class_bytes[c]), c);
		if (c)
			ck_assert_uint_lt(size_class_bytes[c - 1], size_class_bytes[c]);
	}
	ck_assert_uint_eq(size_class_bytes[0], SIZE_UNIT_BYTES);
	ck_assert_uint_eq(size_class_bytes[SIZE_CLASSES - 1], SMALL_MAX_BYTES);
}
END_TEST

/* interpose.c looks upwards for a class that is a multiple of the alignment. */
START_TEST(alignments_up_to_a_page_have_a_class)
{
	for (size_t alignment = 16; alignment <= 4096; alignment *= 2)
		ck_assert_uint_eq(size_class_bytes[SIZE_CLASSES - 1] % alignment, 0);
}
END_TEST

START_TEST(index_is_exact)
{
	_Alignas(64) struct slab slab = {0};
	uintptr_t base = (uintptr_t)UINT64_C(0x7f1234560000);
	for (unsigned c = 0; c < SIZE_CLASSES; c++) {
		slab.size = size_class_bytes[c];
		slab.inverse = (uint32_t)((((uint64_t)1 << 32) + slab.size - 1) / slab.size);
		slab.slots = slab.carved = (uint16_t)(SLAB_BYTES / slab.size);
		for (uint32_t offset = 0; offset < SLAB_BYTES; offset++) {
			const void *p = (const void *)(base + offset);
			uint32_t index = slab_index(&slab, p);
			ENSURE(index == offset / slab.size, "%u bytes, offset %u: index %u", slab.size, offset, index);
			bool start = offset % slab.size == 0 && offset / slab.size < slab.slots;
			ENSURE(slab_is_slot(&slab, p, index) == start, "%u bytes, offset %u", slab.size, offset);
		}
	}
}
END_TEST

START_TEST(links_decode_to_what_was_encoded)
{
	struct dice dice = {1};
	for (int i = 0; i < 100000; i++) {
		uint64_t slot[2];
		void *next = (void *)(uintptr_t)(dice_next(&dice) >> 17);
		pool_key = dice_next(&dice);
		slot_link(slot, next);
		ck_assert_ptr_eq(slot_next(slot), next);
	}
	uint64_t slot = 0;
	ck_assert(slot_link_plausible(NULL, &slot));
	ck_assert(slot_link_plausible(&slot, &slot));
	ck_assert(!slot_link_plausible((char *)&slot + SLAB_BYTES, &slot));
	ck_assert(!slot_link_plausible((char *)&slot - SLAB_BYTES, &slot));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("preload: size_class");
	TCase *tests = tcase_create("size_class");
	tcase_add_test(tests, class_is_the_smallest_that_holds);
	tcase_add_test(tests, classes_ascend_in_units);
	tcase_add_test(tests, alignments_up_to_a_page_have_a_class);
	tcase_add_test(tests, index_is_exact);
	tcase_add_test(tests, links_decode_to_what_was_encoded);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
