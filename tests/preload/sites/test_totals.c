/* Live total, high-water mark with its composition, and the timeline. */
#include "preload/sites/totals.h"

#include "preload/sites/peak.h"
#include "preload/sites/survey.h"
#include "tests/preload/renamed.h"
#include "tests/preload/unit.h"

static struct timeline_point point[TIMELINE_POINTS];

/* What a snapshot does with the peak. */
static struct totals_peak peak_now(void)
{
	struct survey survey;
	lock_acquire(&survey_lock);
	if (totals_peak_is_now()) {
		ck_assert(survey_take(&survey, meta_table_count(&cohort_table)));
		peak_take_from(&survey);
		survey_end(&survey);
	}
	struct totals_peak peak = totals_peak();
	lock_release(&survey_lock);
	return peak;
}

static uint64_t composition(void)
{
	uint64_t bytes = 0;
	for (uint32_t id = 1; id < meta_table_count(&site_table); id++)
		bytes += peak_of_site(meta_table_at(&site_table, id)).bytes;
	return bytes;
}

/* Scripts of another shape each: growth, saw-teeth, plateaus, one huge block among small ones. */
static size_t script_size(struct dice *dice, int script)
{
	switch (script) {
	case 0:
		return dice_below(dice, 200);
	case 1:
		return dice_below(dice, 20000);
	case 2:
		return dice_below(dice, 500) ? 64 : 3000000;
	default:
		return dice_below(dice, 100000);
	}
}

START_TEST(peak_is_exact_with_one_thread)
{
	enum { BLOCKS = 4000 };
	static void *block[BLOCKS];
	static size_t size[BLOCKS];
	struct dice dice = {(uint64_t)_i + 40};
	uint64_t live = 0, most = 0;
	prepare_recording();
	for (int round = 0; round < 30000; round++) {
		/* Mostly allocations, then mostly frees, in waves of growing height. */
		bool grows = round / 1500 % 2 == 0;
		uint64_t i = dice_below(&dice, BLOCKS);
		if (block[i] && (!grows || dice_below(&dice, 4) == 0)) {
			live -= size[i];
			mud_free(block[i]);
			block[i] = NULL;
		} else if (!block[i] && (grows || dice_below(&dice, 8) == 0)) {
			size[i] = script_size(&dice, _i);
			block[i] = mud_malloc(size[i]);
			live += size[i];
		}
		if (live > most)
			most = live;
		if (round % 3000 == 17)
			ENSURE(peak_now().bytes == most, "round %d: %llu instead of %llu", round,
			       (unsigned long long)totals_peak().bytes, (unsigned long long)most);
	}
	for (int i = 0; i < BLOCKS; i++)
		mud_free(block[i]);
	struct totals_peak peak = peak_now();
	ck_assert_uint_eq(peak.bytes, most);
	ck_assert_int_eq(totals_live_bytes(), 0);
	ck_assert_int_eq(totals_live_blocks(), 0);
	/* What it consisted of: of a moment within 1 % of the mark. */
	ck_assert_uint_eq(composition(), peak.composition_bytes);
	ck_assert_msg(peak.composition_bytes <= most && peak.composition_bytes >= most - most / 100,
		      "composition of %llu bytes, peak of %llu", (unsigned long long)peak.composition_bytes,
		      (unsigned long long)most);
}
END_TEST

START_TEST(peak_of_one_large_block)
{
	prepare_recording();
	void *small = mud_malloc(1000);
	mud_free(mud_malloc(50000000));
	struct totals_peak peak = peak_now();
	ck_assert_uint_eq(peak.bytes, 50001000);
	ck_assert_uint_eq(peak.composition_bytes, 50001000);
	mud_free(small);
	ck_assert_uint_eq(peak_now().bytes, 50001000);
}
END_TEST

/* A realloc is a free and an allocation in this order, whether the block moves or not. */
START_TEST(realloc_does_not_count_twice)
{
	prepare_recording();
	void *p = NULL;
	for (size_t size = 100; size <= 200000; size += size / 3)
		p = mud_realloc(p, size);
	for (size_t size = 150000; size; size /= 2)
		p = mud_realloc(p, size);
	uint64_t most = 100;
	while (most + most / 3 <= 200000)
		most += most / 3;
	ck_assert_uint_eq(peak_now().bytes, most);
	mud_free(p);
	ck_assert_int_eq(totals_live_bytes(), 0);
}
END_TEST

START_TEST(realloc_of_small_blocks_does_not_count_twice)
{
	prepare_recording();
	void *p = NULL;
	for (size_t size = 100; size <= 5000; size += 100)
		p = mud_realloc(p, size);
	ck_assert_uint_eq(peak_now().bytes, 5000);
	mud_free(p);
}
END_TEST

enum { THREADS = 4, EACH = 2000, EACH_BYTES = 500 };
static pthread_barrier_t all_there;

static void *climb(void *argument)
{
	void *block[EACH];
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < EACH; i++)
			block[i] = mud_malloc(EACH_BYTES);
		pthread_barrier_wait(&all_there);
		for (int i = 0; i < EACH; i++)
			mud_free(block[i]);
		pthread_barrier_wait(&all_there);
	}
	return argument;
}

/* With several threads the mark is within a portion of each. */
START_TEST(peak_with_threads)
{
	pthread_t thread[THREADS];
	prepare_recording();
	pthread_barrier_init(&all_there, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, climb, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	uint64_t truth = (uint64_t)THREADS * EACH * EACH_BYTES;
	struct totals_peak peak = peak_now();
	ck_assert_msg(peak.bytes <= truth + truth / 100 && peak.bytes >= truth - truth / 100, "%llu instead of %llu",
		      (unsigned long long)peak.bytes, (unsigned long long)truth);
	ck_assert_int_eq(totals_live_bytes(), 0);
	ck_assert_int_eq(totals_live_blocks(), 0);
}
END_TEST

START_TEST(peak_not_followed)
{
	prepare_recording();
	totals_init(false, NULL);
	mud_free(mud_malloc(10000000));
	ck_assert(!totals_peak_is_now());
	ck_assert_uint_eq(totals_peak().composition_bytes, 0);
	ck_assert_uint_eq(totals_peak().bytes, 10000000);
}
END_TEST

START_TEST(timeline_stays_bounded_and_monotone)
{
	prepare_recording();
	ck_assert_uint_eq(timeline_copy(point), 0);
	void *high = NULL;
	for (int i = 1; i <= 20000; i++) {
		if (i == 7777)
			high = mud_malloc(5000000);
		timeline_add((uint64_t)i);
		if (i == 7777)
			mud_free(high);
		if (i % 501 && i > 3)
			continue;
		uint32_t count = timeline_copy(point);
		ENSURE(count <= TIMELINE_POINTS &&
			       (i <= TIMELINE_POINTS ? count == (uint32_t)i : count >= TIMELINE_POINTS / 2),
		       "%u points after %d", count, i);
		bool seen = false;
		for (uint32_t k = 0; k < count; k++) {
			ENSURE(k == 0 || point[k].elapsed_ns >= point[k - 1].elapsed_ns,
			       "time runs backwards at %u of %u", k, count);
			ENSURE(k == 0 || point[k].rss_bytes > point[k - 1].rss_bytes, "points out of order at %u of %u",
			       k, count);
			seen |= point[k].live_bytes >= 5000000;
		}
		ENSURE(point[count - 1].rss_bytes == (uint64_t)i, "the latest point is missing");
		/* The highest point survives every halving. */
		ENSURE(i < 7777 || seen, "the peak vanished from the timeline after %d points", i);
	}
}
END_TEST

/* By itself, from the allocation path: points come, and ever more seldom. */
START_TEST(timeline_fills_by_itself)
{
	prepare_recording();
	static void *block[1000];
	uint64_t start = sys_monotonic_ns();
	for (uint64_t i = 0; sys_monotonic_ns() - start < 300000000; i++) {
		mud_free(block[i % 1000]);
		block[i % 1000] = mud_malloc(i % 3000);
	}
	uint32_t count = timeline_copy(point);
	ck_assert_uint_ge(count, 10);
	ck_assert_uint_le(count, 320); /* one a millisecond at most */
	for (uint32_t k = 1; k < count; k++)
		ENSURE(point[k].elapsed_ns > point[k - 1].elapsed_ns, "time stands still");
}
END_TEST

static void *add_points(void *argument)
{
	for (int i = 0; i < 20000; i++)
		timeline_add(1);
	return argument;
}

START_TEST(timeline_with_threads)
{
	pthread_t thread[4];
	prepare_recording();
	for (int i = 0; i < 4; i++)
		pthread_create(&thread[i], NULL, add_points, NULL);
	for (int i = 0; i < 100; i++) {
		uint32_t count = timeline_copy(point);
		ENSURE(count <= TIMELINE_POINTS, "%u points", count);
		for (uint32_t k = 1; k < count; k++)
			ENSURE(point[k].elapsed_ns >= point[k - 1].elapsed_ns, "time runs backwards at %u of %u", k,
			       count);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("preload: totals");
	TCase *tests = tcase_create("totals");
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, peak_is_exact_with_one_thread, 0, 4);
	tcase_add_test(tests, peak_of_one_large_block);
	tcase_add_test(tests, realloc_does_not_count_twice);
	tcase_add_test(tests, realloc_of_small_blocks_does_not_count_twice);
	tcase_add_test(tests, peak_with_threads);
	tcase_add_test(tests, peak_not_followed);
	tcase_add_test(tests, timeline_stays_bounded_and_monotone);
	tcase_add_test(tests, timeline_fills_by_itself);
	tcase_add_test(tests, timeline_with_threads);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
