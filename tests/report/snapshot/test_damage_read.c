/* Misuses of the heap: what is decoded, and which bytes are refused with a reason. */
#include "report/snapshot/cursor.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { SITES = 3 };

/* Offsets are varints of 2^32 and so many. */
#define OFFSET(n) 0x80 + (n), 0x80, 0x80, 0x80, 0x10

static const unsigned char damages[] = {
	5,
	2, /* five, two of them here */
	MISUSE_WRITE_BEHIND,
	FOUND_BY_FREE,
	64,
	25,
	0,
	OFFSET(24),
	OFFSET(27),
	3,
	0,
	2, /* of 24 bytes */
	MISUSE_STACK,
	FOUND_BY_FREE,
	80,
	0,
	0,
	0,
	0,
	0,
	0,
	0, /* nothing but the address */
};

static struct snapshot *decoded(const unsigned char *bytes, size_t size, const char **failed)
{
	struct snapshot *snapshot = must_allocate(1, sizeof *snapshot);
	struct cursor cursor = {bytes, bytes + size, NULL};
	snapshot->site_count = SITES;
	decode_damage(snapshot, &cursor);
	*failed = cursor.failed;
	return snapshot;
}

static void release(struct snapshot *snapshot)
{
	arena_free(&snapshot->arena);
	free(snapshot);
}

START_TEST(whole_section)
{
	const char *why = NULL;
	struct snapshot *snapshot = decoded(damages, sizeof damages, &why);
	ck_assert_ptr_null(why);
	ck_assert_uint_eq(link_damage(snapshot, &why), SECTION_END);
	ck_assert_uint_eq(snapshot->damage_total, 5);
	ck_assert_uint_eq(snapshot->damage_count, 2);
	const struct snapshot_damage *damage = snapshot->damages;
	ck_assert_uint_eq(damage[0].misuse, MISUSE_WRITE_BEHIND);
	ck_assert_uint_eq(damage[0].address, 64);
	ck_assert(damage[0].bytes_known && damage[0].bytes == 24);
	ck_assert_int_eq(damage[0].first, 24);
	ck_assert_int_eq(damage[0].end, 27);
	ck_assert_uint_eq(damage[0].allocated, 3);
	ck_assert_uint_eq(damage[0].found, 2);
	ck_assert(!damage[1].bytes_known && damage[1].first == damage[1].end);
	release(snapshot);
}
END_TEST

START_TEST(truncated)
{
	for (size_t size = 0; size < sizeof damages; size++) {
		const char *why = NULL;
		release(decoded(damages, size, &why));
		ck_assert_msg(why != NULL, "%zu bytes are enough", size);
	}
}
END_TEST

START_TEST(dangling_site)
{
	unsigned char bytes[sizeof damages];
	const char *why = NULL;
	memcpy(bytes, damages, sizeof bytes);
	bytes[sizeof bytes - 1] = SITES + 1;
	struct snapshot *snapshot = decoded(bytes, sizeof bytes, &why);
	ck_assert_ptr_null(why);
	ck_assert_uint_eq(link_damage(snapshot, &why), SECTION_DAMAGE);
	ck_assert_ptr_nonnull(why);
	release(snapshot);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("damage_read");
	TCase *tests = tcase_create("damage_read");
	tcase_add_test(tests, whole_section);
	tcase_add_test(tests, truncated);
	tcase_add_test(tests, dangling_site);
	suite_add_tcase(suite, tests);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
