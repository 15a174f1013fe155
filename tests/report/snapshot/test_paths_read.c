/* Paths and retained sizes: what is decoded, and which bytes are refused with a reason. */
#include "report/snapshot/cursor.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { SITES = 3 };

static const unsigned char paths[] = {
	2,                                   /* paths */
	3, ROOT_MEMORY, 0, 100, 24, 2, 7, 1, /* of site 3, two steps, 7 blocks left out behind the first */
	1, 16,          8, 5,                /* five of site 1 */
	0, 32,          0, 1,                /* one that is not recorded */
	2, ROOT_STACK,  9, 64,  40, 0, 0, 0, /* of site 2, right on a stack */
};

static const unsigned char places[] = {2, 3, 0, 1, 24, 2, 4, 0, 0}; /* site 3: 24 in module 1; 2: frame 4 */

static const unsigned char sums[] = {2, 1, 5, 80, 3, 1, 24};

static struct snapshot *decoded(const unsigned char *bytes, size_t size, const char **failed)
{
	struct snapshot *snapshot = must_allocate(1, sizeof *snapshot);
	struct cursor cursor = {bytes, bytes + size, NULL};
	snapshot->site_count = SITES;
	decode_paths(snapshot, &cursor);
	*failed = cursor.failed;
	return snapshot;
}

static void release(struct snapshot *snapshot)
{
	free(snapshot->retained.steps);
	arena_free(&snapshot->arena);
	free(snapshot);
}

START_TEST(whole_sections)
{
	const char *why = NULL;
	struct snapshot *snapshot = decoded(paths, sizeof paths, &why);
	struct cursor cursor = {sums, sums + sizeof sums, NULL};
	const struct retained_data *data = &snapshot->retained;
	ck_assert_ptr_null(why);
	decode_retained(snapshot, &cursor);
	ck_assert(!cursor.failed && !cursor_left(&cursor));
	ck_assert_uint_eq(link_retained(snapshot, &why), SECTION_END);
	ck_assert_uint_eq(data->path_count, 2);
	ck_assert_uint_eq(data->step_count, 2);
	ck_assert_uint_eq(data->paths[0].site, 3);
	ck_assert_uint_eq(data->paths[0].left_out, 7);
	ck_assert_uint_eq(data->paths[1].root, ROOT_STACK);
	ck_assert_uint_eq(data->paths[1].thread, 9);
	ck_assert_uint_eq(data->paths[1].first_step, 2);
	ck_assert_uint_eq(data->steps[0].times, 5);
	ck_assert_uint_eq(data->sums[0].bytes, 80);
	cursor = (struct cursor){places, places + sizeof places, NULL};
	decode_places(snapshot, &cursor);
	ck_assert(!cursor.failed && !cursor_left(&cursor));
	ck_assert_uint_eq(data->paths[0].frame, 0);
	ck_assert_uint_eq(data->paths[0].module, 1);
	ck_assert_uint_eq(data->paths[0].module_offset, 24);
	ck_assert_uint_eq(data->paths[1].frame, 4);
	release(snapshot);
}
END_TEST

START_TEST(cut_sections)
{
	const char *failed;
	for (size_t length = 0; length < sizeof paths; length++) {
		release(decoded(paths, length, &failed));
		ck_assert_ptr_nonnull(failed);
	}
	for (size_t length = 0; length < sizeof places; length++) {
		struct snapshot *snapshot = decoded(paths, sizeof paths, &failed);
		struct cursor cursor = {places, places + length, NULL};
		decode_places(snapshot, &cursor);
		ck_assert_ptr_nonnull(cursor.failed);
		release(snapshot);
	}
	for (size_t length = 0; length < sizeof sums; length++) {
		struct snapshot *snapshot = must_allocate(1, sizeof *snapshot);
		struct cursor cursor = {sums, sums + length, NULL};
		decode_retained(snapshot, &cursor);
		ck_assert_ptr_nonnull(cursor.failed);
		release(snapshot);
	}
}
END_TEST

START_TEST(dangling_ids)
{
	const char *why = NULL;
	struct snapshot *snapshot = decoded(paths, sizeof paths, &why);
	struct retained_sum sum = {.site = SITES + 1};
	snapshot->retained.steps[1].site = SITES + 1;
	ck_assert_uint_eq(link_retained(snapshot, &why), SECTION_PATHS);
	snapshot->retained.steps[1].site = 0;
	snapshot->retained.paths[1].site = 0;
	ck_assert_uint_eq(link_retained(snapshot, &why), SECTION_PATHS);
	snapshot->retained.paths[1].site = 2;
	snapshot->retained.paths[1].frame = 1;
	ck_assert_uint_eq(link_retained(snapshot, &why), SECTION_PLACES);
	snapshot->frame_count = 1;
	snapshot->retained.paths[1].module = 1;
	ck_assert_uint_eq(link_retained(snapshot, &why), SECTION_PLACES);
	snapshot->module_count = 1;
	ck_assert_uint_eq(link_retained(snapshot, &why), SECTION_END);
	snapshot->retained.sums = &sum;
	snapshot->retained.sum_count = 1;
	ck_assert_uint_eq(link_retained(snapshot, &why), SECTION_RETAINED);
	release(snapshot);
}
END_TEST

/* Of a site without a path, and of paths in another order. */
START_TEST(places_of_no_path)
{
	static const unsigned char wrong[][9] = {{1, 1, 4, 0, 0}, {2, 2, 4, 0, 0, 3, 4, 0, 0}};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		const char *failed;
		struct snapshot *snapshot = decoded(paths, sizeof paths, &failed);
		struct cursor cursor = {wrong[i], wrong[i] + sizeof wrong[i], NULL};
		decode_places(snapshot, &cursor);
		ck_assert_str_eq(cursor.failed, "a place belongs to no path");
		release(snapshot);
	}
}
END_TEST

/* Whatever a byte is: what is not refused has its steps where it says. */
START_TEST(changed_bytes)
{
	unsigned char bytes[sizeof paths];
	for (unsigned change = 0; change < sizeof paths << 8; change++) {
		const char *failed;
		memcpy(bytes, paths, sizeof bytes);
		bytes[change >> 8] = (unsigned char)change;
		struct snapshot *snapshot = decoded(bytes, sizeof bytes, &failed);
		const struct retained_data *data = &snapshot->retained;
		for (uint32_t i = 0; !failed && i < data->path_count; i++) {
			const struct retained_path *path = &data->paths[i];
			ck_assert(path->first_step + (uint64_t)path->step_count <= data->step_count);
			ck_assert(path->near_root <= path->step_count);
		}
		release(snapshot);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("paths_read");
	TCase *tcase = tcase_create("paths_read");
	tcase_add_test(tcase, whole_sections);
	tcase_add_test(tcase, cut_sections);
	tcase_add_test(tcase, dangling_ids);
	tcase_add_test(tcase, places_of_no_path);
	tcase_add_test(tcase, changed_bytes);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
