/* Sections of a census: what is decoded, and which bytes are refused with a reason. */
#include "report/causes.h"
#include "report/snapshot_cursor.h"

#include <check.h>
#include <stdlib.h>

static const unsigned char types[] = {
	2,                                         /* types */
	0, 0,   0,   0,   0,   0,                  /* the one without a name */
	5, 'm', '.', 'T', 'a', 'g', 1, 7, 9, 5, 2, /* m.Tag */
	1, 2,   100, 3,                            /* one large object */
};

static const unsigned char refs[] = {
	1,                            /* paths */
	2, 7, 9, HOLD_MODULE, 0,   2, /* seven of m.Tag, two steps */
	1, 4, 0, 1,           'm',    /* module m */
	2, 1, 6, '.',         'c', 'a', 'c', 'h', 'e', 0,
};

static struct snapshot *decoded(void)
{
	struct snapshot *snapshot = must_allocate(1, sizeof *snapshot);
	struct cursor cursor = {types, types + sizeof types, NULL};
	decode_types(snapshot, &cursor);
	ck_assert(!cursor.failed && !cursor_left(&cursor));
	cursor = (struct cursor){refs, refs + sizeof refs, NULL};
	decode_refs(snapshot, &cursor);
	ck_assert(!cursor.failed && !cursor_left(&cursor));
	return snapshot;
}

static void release(struct snapshot *snapshot)
{
	free(snapshot->census.steps);
	arena_free(&snapshot->arena);
	free(snapshot);
}

START_TEST(whole_sections)
{
	struct snapshot *snapshot = decoded();
	const struct census_data *census = &snapshot->census;
	const char *why = NULL;
	ck_assert_uint_eq(link_census(snapshot, &why), SECTION_END);
	ck_assert_uint_eq(census->type_count, 2);
	ck_assert_str_eq(census->types[2].name, "m.Tag");
	ck_assert_uint_eq(census->types[2].objects, 7);
	ck_assert_uint_eq(census->types[2].garbage, 2);
	ck_assert_uint_eq(census->biggest[0].references, 3);
	ck_assert_uint_eq(census->path_count, 1);
	ck_assert_uint_eq(census->paths[0].step_count, 2);
	struct buffer text = {0};
	path_text(&text, snapshot, &census->paths[0]);
	ck_assert_str_eq(buffer_string(&text), "m.cache");
	ck_assert_int_eq(cause_of(snapshot, &census->paths[0]), CAUSE_CONTAINER);
	buffer_free(&text);
	release(snapshot);
}
END_TEST

/* Each beginning of a section is either refused, or leaves nothing dangling. */
START_TEST(cut_sections)
{
	for (size_t length = 0; length < sizeof refs; length++) {
		struct snapshot *snapshot = must_allocate(1, sizeof *snapshot);
		struct cursor cursor = {refs, refs + length, NULL};
		decode_refs(snapshot, &cursor);
		ck_assert(cursor.failed != NULL);
		release(snapshot);
	}
	for (size_t length = 0; length < sizeof types; length++) {
		struct snapshot *snapshot = must_allocate(1, sizeof *snapshot);
		struct cursor cursor = {types, types + length, NULL};
		decode_types(snapshot, &cursor);
		ck_assert(cursor.failed != NULL);
		release(snapshot);
	}
}
END_TEST

START_TEST(dangling_ids)
{
	struct snapshot *snapshot = decoded();
	const char *why = NULL;
	snapshot->census.steps[1].type = 3;
	ck_assert_uint_eq(link_census(snapshot, &why), SECTION_REFS);
	snapshot->census.steps[1].type = 2;
	snapshot->census.biggest[0].type = 3;
	ck_assert_uint_eq(link_census(snapshot, &why), SECTION_TYPES);
	snapshot->census.biggest[0].type = 2;
	struct snapshot_type_site site = {.type = 2, .site = 1};
	snapshot->census.type_sites = &site;
	snapshot->census.type_site_count = 1;
	ck_assert_uint_eq(link_census(snapshot, &why), SECTION_TYPE_SITES);
	release(snapshot);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("census_read");
	TCase *tcase = tcase_create("census_read");
	tcase_add_test(tcase, whole_sections);
	tcase_add_test(tcase, cut_sections);
	tcase_add_test(tcase, dangling_ids);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
