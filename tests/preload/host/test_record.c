/*
 * Births and deaths against a model: counters of each call site, live and temporary blocks, epochs.
 *
 * The callers are made-up addresses on a made-up stack: such a stack cannot be walked and consists of its caller alone,
 * so each caller is exactly one site of this thread.
 */
#include "preload/host/record.h"

#include "preload/base/losses.h"
#include "preload/sites/survey.h"
#include "preload/sites/threads.h"
#include "tests/preload/renamed.h"
#include "tests/preload/unit.h"

enum { CALLERS = 9000, BLOCKS = 2000 };

struct sums {
	uint64_t blocks, bytes, temporary;
};

static struct sums expected[CALLERS];
static char dummy[BLOCKS]; /* their addresses stand for blocks */

static uintptr_t caller_of(uint32_t i)
{
	return 0x10000 + (uintptr_t)i * 64;
}

static uint32_t birth(struct heap *heap, const void *p, size_t bytes, uintptr_t caller)
{
	struct registers registers = {caller, 0x1000, 0};
	return record_birth(heap, p, bytes, &registers);
}

/* The counters of the caller's site. */
static struct sums sums_of(uint32_t caller)
{
	struct sums sums = {0};
	uint32_t id = 0;
	for (uint32_t i = 2; i < meta_table_count(&site_table); i++) {
		const struct site *site = meta_table_at(&site_table, i);
		const struct frame_node *node = meta_table_at(&frame_table, site->stack);
		if (node->pc != caller_of(caller) || node->parent)
			continue;
		ENSURE(id == 0, "two sites for caller %u", caller);
		id = i;
		sums = (struct sums){atomic_load(&site->alloc_blocks), atomic_load(&site->alloc_bytes),
				     atomic_load(&site->temporary_blocks)};
	}
	return sums;
}

static struct sums sums_of_all(void)
{
	struct sums sums = {0};
	for (uint32_t i = 1; i < meta_table_count(&site_table); i++) {
		const struct site *site = meta_table_at(&site_table, i);
		sums.blocks += atomic_load(&site->alloc_blocks);
		sums.bytes += atomic_load(&site->alloc_bytes);
		sums.temporary += atomic_load(&site->temporary_blocks);
	}
	return sums;
}

static void check_sums(uint32_t step)
{
	for (uint32_t i = 0; i < CALLERS; i += step) {
		struct sums sums = sums_of(i);
		ENSURE(sums.blocks == expected[i].blocks && sums.bytes == expected[i].bytes &&
			       sums.temporary == expected[i].temporary,
		       "caller %u: %llu blocks, %llu bytes, %llu temporary instead of %llu, %llu, %llu", i,
		       (unsigned long long)sums.blocks, (unsigned long long)sums.bytes,
		       (unsigned long long)sums.temporary, (unsigned long long)expected[i].blocks,
		       (unsigned long long)expected[i].bytes, (unsigned long long)expected[i].temporary);
	}
}

START_TEST(counters_are_exact)
{
	struct {
		uint32_t caller, cohort;
		size_t bytes;
		bool lives;
	} block[BLOCKS] = {{0}};
	struct dice dice = {21};
	uint64_t live_blocks = 0, live_bytes = 0, freed_blocks = 0, freed_bytes = 0, most = 0;
	int last = -1;
	prepare_recording();
	struct heap *heap = heap_enter();
	heap_attach(&heap);
	for (int round = 0; round < 120000; round++) {
		int i = (int)dice_below(&dice, BLOCKS);
		if (last >= 0 && dice_below(&dice, 3) == 0)
			i = last;
		if (block[i].lives) {
			if (last == i)
				expected[block[i].caller].temporary++;
			record_death(heap, &dummy[i], block[i].bytes, block[i].cohort);
			block[i].lives = false;
			live_blocks--, freed_blocks++;
			live_bytes -= block[i].bytes, freed_bytes += block[i].bytes;
			last = -1;
			continue;
		}
		block[i].caller =
			(uint32_t)(dice_below(&dice, 4) ? dice_below(&dice, 100) : dice_below(&dice, CALLERS));
		block[i].bytes = dice_below(&dice, 5000);
		block[i].cohort = birth(heap, &dummy[i], block[i].bytes, caller_of(block[i].caller));
		ENSURE(block[i].cohort > COHORT_IGNORED, "cohort %u", block[i].cohort);
		block[i].lives = true;
		expected[block[i].caller].blocks++;
		expected[block[i].caller].bytes += block[i].bytes;
		live_blocks++;
		live_bytes += block[i].bytes;
		if (live_bytes > most)
			most = live_bytes;
		last = i;
		if (round % 20000 == 0)
			atomic_fetch_add(&recording_epoch, 1);
	}
	check_sums(37);
	ck_assert_int_eq(totals_live_blocks(), (int64_t)live_blocks);
	ck_assert_int_eq(totals_live_bytes(), (int64_t)live_bytes);
	ck_assert_uint_eq(tally_get(&heap->tally.freed_blocks), freed_blocks);
	ck_assert_uint_eq(tally_get(&heap->tally.freed_bytes), freed_bytes);
	/* With one thread the high-water mark is exact. */
	totals_peak_is_now();
	ck_assert_uint_eq(totals_peak().bytes, most);
	record_thread_end(heap);
	check_sums(371);
	ck_assert_uint_eq(tally_get(&threads_entry(1)->ended.freed_blocks), freed_blocks);
	heap_leave(heap);
	ck_assert_uint_eq(lock_depth, 0);
}
END_TEST

START_TEST(temporary_is_the_very_next_operation)
{
	prepare_recording();
	struct heap *heap = heap_enter();
	heap_attach(&heap);
	uint32_t a = birth(heap, &dummy[1], 10, caller_of(1));
	record_death(heap, &dummy[1], 10, a); /* temporary */
	a = birth(heap, &dummy[1], 10, caller_of(1));
	uint32_t b = birth(heap, &dummy[2], 10, caller_of(2));
	record_death(heap, &dummy[1], 10, a); /* not: an allocation lies between */
	record_death(heap, &dummy[2], 10, b); /* not: a free lies between */
	a = birth(heap, &dummy[3], 10, caller_of(3));
	atomic_fetch_add(&recording_epoch, 1);
	record_death(heap, &dummy[3], 10, a); /* temporary, over a snapshot */
	ck_assert_uint_eq(sums_of(1).temporary, 1);
	ck_assert_uint_eq(sums_of(2).temporary, 0);
	ck_assert_uint_eq(sums_of(3).temporary, 1);
	ck_assert_uint_eq(sums_of_all().temporary, 2);
	heap_leave(heap);
}
END_TEST

START_TEST(epochs_make_cohorts)
{
	prepare_recording();
	struct heap *heap = heap_enter();
	heap_attach(&heap);
	uint32_t first = birth(heap, &dummy[1], 10, caller_of(1)), same = birth(heap, &dummy[2], 10, caller_of(1));
	ck_assert_uint_eq(first, same);
	atomic_fetch_add(&recording_epoch, 1);
	uint32_t second = birth(heap, &dummy[3], 10, caller_of(1));
	ck_assert_uint_ne(first, second);
	const struct cohort *a = meta_table_at(&cohort_table, first), *b = meta_table_at(&cohort_table, second);
	ck_assert_uint_eq(a->site, b->site);
	ck_assert_uint_eq(a->epoch, 1);
	ck_assert_uint_eq(b->epoch, 2);
	heap_leave(heap);
}
END_TEST

START_TEST(ignored_regions)
{
	prepare_recording();
	struct heap *heap = heap_enter();
	heap_attach(&heap);
	uint32_t counted = birth(heap, &dummy[1], 10, caller_of(1));
	heap->ignore_depth = 2;
	uint32_t ignored = birth(heap, &dummy[2], 10, caller_of(1));
	ck_assert_uint_eq(ignored, COHORT_IGNORED);
	heap->ignore_depth = 0;
	record_death(heap, &dummy[2], 10, ignored);
	ck_assert_int_eq(totals_live_blocks(), 1);
	ck_assert_uint_eq(loss_value(LOSS_IGNORED_BLOCKS), 1);
	ck_assert_uint_eq(sums_of(1).blocks, 1);
	record_death(heap, &dummy[1], 10, counted);
	ck_assert_int_eq(totals_live_bytes(), 0);
	heap_leave(heap);
}
END_TEST

/* Tables that are full: the blocks are counted, at the unknown site. */
START_TEST(tables_full)
{
	prepare_recording();
	struct heap *heap = heap_enter();
	heap_attach(&heap);
	birth(heap, &dummy[0], 1, caller_of(0));
	uint32_t frames = atomic_exchange(&frame_table.count, META_TABLE_ELEMENTS);
	for (uint32_t i = 1; i < 100; i++)
		ck_assert_uint_eq(birth(heap, &dummy[i], 10, caller_of(i)), COHORT_UNKNOWN);
	ck_assert_uint_ge(loss_value(LOSS_TABLE_FULL), 99);
	atomic_store(&frame_table.count, frames);
	ck_assert_int_eq(totals_live_blocks(), 100);
	const struct site *unknown = meta_table_at(&site_table, SITE_UNKNOWN);
	ck_assert_uint_eq(atomic_load(&unknown->alloc_blocks), 99);
	heap_leave(heap);
}
END_TEST

START_TEST(survey_counts_what_lives)
{
	enum { MANY = 20000 };
	static void *block[MANY];
	struct dice dice = {31};
	uint64_t blocks = 0, bytes = 0;
	prepare_recording();
	for (int i = 0; i < MANY; i++) {
		size_t size = dice_below(&dice, 40) ? dice_below(&dice, 700) : dice_below(&dice, 90000);
		block[i] = mud_malloc(size);
		if (dice_below(&dice, 2)) {
			blocks++;
			bytes += size;
		} else {
			mud_free(block[i]);
			block[i] = NULL;
		}
	}
	/* In between, blocks that are not recorded: the survey does not see them. */
	atomic_store(&recording_active, false);
	for (int i = 0; i < 1000; i++)
		ck_assert_ptr_nonnull(mud_malloc((size_t)i * 30));
	struct survey survey;
	lock_acquire(&survey_lock);
	ck_assert(survey_take(&survey, meta_table_count(&cohort_table)));
	ck_assert_uint_eq(survey.total.blocks, blocks);
	ck_assert_uint_eq(survey.total.bytes, bytes);
	uint64_t sum = 0;
	for (uint32_t id = 1; id < survey.cohorts; id++)
		sum += survey.cohort[id].blocks;
	ck_assert_uint_eq(sum, blocks);
	ck_assert_uint_eq(survey.cohort[COHORT_IGNORED].blocks, 0);
	survey_end(&survey);
	fault_set(SYS_mmap, 0, ENOMEM);
	ck_assert(!survey_take(&survey, meta_table_count(&cohort_table)));
	survey_end(&survey);
	fault_clear();
	lock_release(&survey_lock);
	ck_assert_int_eq(totals_live_blocks(), (int64_t)blocks);
	ck_assert_int_eq(totals_live_bytes(), (int64_t)bytes);
}
END_TEST

/* A realloc is a free and an allocation, whether the block moves or not. */
START_TEST(realloc_counts_as_both)
{
	prepare_recording();
	void *p = mud_malloc(100);
	static const size_t sizes[] = {105, 112, 60, 3000, 2900, 50000, 51000, 1 << 20, 30000, 17};
	uint64_t bytes = 100;
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		p = mud_realloc(p, sizes[i]);
		bytes += sizes[i];
		ck_assert_int_eq(totals_live_blocks(), 1);
		ck_assert_msg(totals_live_bytes() == (int64_t)sizes[i], "%lld bytes live after realloc to %zu",
			      (long long)totals_live_bytes(), sizes[i]);
	}
	ck_assert_uint_eq(sums_of_all().blocks, 1 + sizeof sizes / sizeof sizes[0]);
	ck_assert_uint_eq(sums_of_all().bytes, bytes);
	ck_assert_ptr_null(mud_realloc(p, 0));
	ck_assert_int_eq(totals_live_blocks(), 0);
	ck_assert_int_eq(totals_live_bytes(), 0);
}
END_TEST

/* Whether a realloc'ed block was temporary must not depend on whether it could stay where it was. */
START_TEST(realloc_is_temporary_or_not)
{
	prepare_recording();
	void *p = mud_malloc(100);
	for (int i = 0; i < 10; i++)
		p = mud_realloc(p, i % 2 ? 100 : 110); /* stays */
	uint64_t stays = sums_of_all().temporary;
	for (int i = 0; i < 10; i++)
		p = mud_realloc(p, i % 2 ? 100 : 1000); /* moves */
	ck_assert_uint_eq(sums_of_all().temporary - stays, stays);
	mud_free(p);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("preload: record");
	TCase *tests = tcase_create("record");
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, counters_are_exact);
	tcase_add_test(tests, temporary_is_the_very_next_operation);
	tcase_add_test(tests, epochs_make_cohorts);
	tcase_add_test(tests, ignored_regions);
	tcase_add_test(tests, tables_full);
	tcase_add_test(tests, survey_counts_what_lives);
	tcase_add_test(tests, realloc_counts_as_both);
	tcase_add_test(tests, realloc_is_temporary_or_not);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
