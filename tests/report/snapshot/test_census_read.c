/* Sections of a census: what is decoded, and which bytes are refused with a reason. */
#include "report/analysis/causes.h"
#include "report/snapshot/cursor.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

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

static const unsigned char shares[] = {
	0, /* flags */
	1,         2, 10, 20, 7, 2,
	0,         1, 3,  9, /* ten of m.Tag, of which the path has seven; one of nobody knows when, nine of epoch 3 */
	SHARE_ALL, 2, 0,  0,  0, 2,
	2,         1, 3,  6, /* the path: one of epoch 2, six of epoch 3 */
};

/* Shares of the paths that are there. */
static void decode_more(struct snapshot *snapshot)
{
	struct cursor cursor = {shares, shares + sizeof shares, NULL};
	decode_shares(snapshot, &cursor);
	ck_assert_msg(!cursor.failed && !cursor_left(&cursor), "%s", cursor.failed);
	snapshot->numbers[META_EPOCH] = 3;
	snapshot->python_numbers[PYTHON_OBJECTS] = OBJECTS_RECORDED;
}

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
	free(snapshot->census.births);
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

static void assert_why(const struct snapshot *snapshot, const struct snapshot *before, const char *expected)
{
	struct buffer text = {0};
	ck_assert(cause_text(&text, snapshot, "m.Tag", before));
	ck_assert_msg(strncmp(buffer_string(&text), expected, strlen(expected)) == 0, "%s", buffer_string(&text));
	buffer_free(&text);
}

/* What is new is counted by its epoch; what there is no epoch to compare with, all that there is. */
START_TEST(parts_of_what_is_new)
{
	struct snapshot *snapshot = decoded(), before = {0};
	const char *why = NULL;
	decode_more(snapshot);
	ck_assert_uint_eq(link_census(snapshot, &why), SECTION_END);
	assert_why(snapshot, NULL, "m.cache holds 7 of the 10, a variable");
	before.numbers[META_EPOCH] = 2;
	assert_why(snapshot, &before, "m.cache holds 6 of the 9 new ones, a variable");
	before.numbers[META_PID] = 1;
	assert_why(snapshot, &before, "m.cache holds 7 of the 10, a variable");
	snapshot->census.births[snapshot->census.paths[0].births.first + 1].objects = 4;
	before.numbers[META_PID] = 0;
	assert_why(snapshot, &before, "none holds half of the 9 new ones; the largest shares: m.cache 4 (44 %).");
	/* Few, but most of the bytes. */
	snapshot->census.held[0].bytes = 1000;
	snapshot->census.paths[0].bytes = 900;
	assert_why(snapshot, &before, "m.cache holds 900 B of all 1000 B (4 of the 9 new ones), a variable");
	snapshot->census.held[0].type = 3;
	ck_assert_uint_eq(link_census(snapshot, &why), SECTION_SHARES);
	release(snapshot);
}
END_TEST

/* A snapshot of before there were shares: a path of seven among the seven that the census counted. */
START_TEST(without_shares)
{
	struct snapshot *snapshot = decoded();
	assert_why(snapshot, NULL, "m.cache holds 7 of the 7, a variable");
	snapshot->census.paths[0].objects = 3;
	assert_why(snapshot, NULL, "none holds half of the 7; the largest shares: m.cache 3 (43 %).");
	/* No look at memory proves that a reference was lost. */
	snapshot->census.paths[0].hold = HOLD_OUTSIDE;
	snapshot->census.paths[0].lost = 1;
	ck_assert_int_eq(cause_of(snapshot, &snapshot->census.paths[0]), CAUSE_UNKNOWN);
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
	for (size_t length = 0; length < sizeof shares; length++) {
		struct snapshot *snapshot = decoded();
		struct cursor cursor = {shares, shares + length, NULL};
		decode_shares(snapshot, &cursor);
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
	tcase_add_test(tcase, parts_of_what_is_new);
	tcase_add_test(tcase, without_shares);
	tcase_add_test(tcase, cut_sections);
	tcase_add_test(tcase, dangling_ids);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
