/*
 * The interval map against a slow model, and the string pool.
 */
#include "symbolize/interval_map.h"
#include "symbolize/string_pool.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPACE = 512 };

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1du;
}

/* Adds ranges that nest, as compilers make them, and paints them in a model: a child over its parent. */
static void add_nested(struct interval_map *map, uint32_t *model, uint64_t start, uint64_t end, uint32_t level,
		       uint32_t *next, uint64_t *state)
{
	uint64_t at = start;
	while (at < end && level < 6) {
		uint64_t from = at + next_random(state) % 9, to = from + 1 + next_random(state) % 60;
		if (to > end)
			break;
		uint32_t owner = (*next)++;
		ck_assert(interval_map_add(map, from, to, level, owner));
		for (uint64_t i = from; i < to; i++)
			model[i] = owner;
		add_nested(map, model, from, to, level + 1, next, state);
		at = to;
	}
}

START_TEST(nested_ranges_equal_a_model)
{
	uint64_t state = 88172645463325252u + (uint64_t)_i;
	struct interval_map map = {.ranges = NULL};
	uint32_t model[SPACE], next = 0;
	memset(model, 0xff, sizeof model);
	add_nested(&map, model, 1, SPACE - 1, 0, &next, &state);
	ck_assert(interval_map_build(&map));
	for (uint64_t i = 0; i < SPACE; i++)
		ck_assert_uint_eq(interval_map_find(&map, i), model[i]);
	for (size_t i = 1; i < map.segment_count; i++) {
		ck_assert_uint_lt(map.segments[i - 1].start, map.segments[i].start);
		ck_assert_uint_ne(map.segments[i - 1].owner, map.segments[i].owner);
	}
	if (map.segment_count > 0)
		ck_assert_uint_eq(map.segments[map.segment_count - 1].owner, INTERVAL_NONE);
	interval_map_free(&map);
}
END_TEST

/* Ranges without any order: every address has an owner whose range contains it, or none. */
START_TEST(wild_ranges_stay_within_themselves)
{
	uint64_t state = 123456789 + (uint64_t)_i, starts[64], ends[64];
	struct interval_map map = {.ranges = NULL};
	for (uint32_t i = 0; i < 64; i++) {
		starts[i] = next_random(&state) % SPACE;
		ends[i] = next_random(&state) % SPACE;
		ck_assert(interval_map_add(&map, starts[i], ends[i], (uint32_t)(next_random(&state) % 5), i));
	}
	ck_assert(interval_map_build(&map));
	for (uint64_t address = 0; address < SPACE; address++) {
		uint32_t owner = interval_map_find(&map, address);
		if (owner != INTERVAL_NONE)
			ck_assert(starts[owner] <= address && address < ends[owner]);
	}
	interval_map_free(&map);
}
END_TEST

START_TEST(empty_and_extreme)
{
	struct interval_map map = {.ranges = NULL};
	ck_assert(interval_map_build(&map));
	ck_assert_uint_eq(interval_map_find(&map, 5), INTERVAL_NONE);
	ck_assert(interval_map_add(&map, 7, 7, 0, 1));
	ck_assert(interval_map_add(&map, 9, 3, 0, 1));
	ck_assert(interval_map_add(&map, UINT64_MAX - 1, UINT64_MAX, 0, 2));
	ck_assert(interval_map_add(&map, 0, 1, 0, 3));
	ck_assert(interval_map_build(&map));
	ck_assert_uint_eq(interval_map_find(&map, 0), 3);
	ck_assert_uint_eq(interval_map_find(&map, 7), INTERVAL_NONE);
	ck_assert_uint_eq(interval_map_find(&map, UINT64_MAX - 1), 2);
	ck_assert_uint_eq(interval_map_find(&map, UINT64_MAX), INTERVAL_NONE);
	interval_map_free(&map);
}
END_TEST

START_TEST(pool_keeps_one_copy)
{
	struct string_pool pool = {.chunks = NULL};
	static const char *kept[5000];
	char text[32];
	for (int i = 0; i < 5000; i++) {
		snprintf(text, sizeof text, "name %d", i);
		kept[i] = string_pool_add_text(&pool, text);
	}
	for (int i = 0; i < 5000; i++) {
		snprintf(text, sizeof text, "name %d", i);
		ck_assert_str_eq(kept[i], text);
		ck_assert_ptr_eq(string_pool_add_text(&pool, text), kept[i]);
		ck_assert_ptr_ne(string_pool_add(&pool, text, strlen(text) - 1), kept[i]);
	}
	char *large = malloc(300000);
	memset(large, 'x', 299999);
	large[299999] = '\0';
	const char *copy = string_pool_add_text(&pool, large);
	ck_assert_str_eq(copy, large);
	ck_assert_ptr_eq(string_pool_add_text(&pool, large), copy);
	ck_assert_str_eq(string_pool_add_text(&pool, ""), "");
	ck_assert_ptr_null(string_pool_add_text(&pool, NULL));
	free(large);
	string_pool_close(&pool);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("interval_map");
	TCase *cases = tcase_create("interval_map");
	tcase_add_loop_test(cases, nested_ranges_equal_a_model, 0, 200);
	tcase_add_loop_test(cases, wild_ranges_stay_within_themselves, 0, 200);
	tcase_add_test(cases, empty_and_extreme);
	tcase_add_test(cases, pool_keeps_one_copy);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_set_fork_status(runner, CK_NOFORK);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
