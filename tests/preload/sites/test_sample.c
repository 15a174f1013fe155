/* Which allocations are recorded: switching while threads allocate, sampling, and estimates. */
#include "preload/sites/sample.h"

#include "preload/sites/recording.h"
#include "preload/sites/stacks.h"
#include "preload/sites/survey.h"
#include "tests/preload/renamed.h"
#include "tests/preload/unit.h"

#include <math.h>

enum { THREADS = 3, SWITCHES = 50 };

/* Each round: recording starts under the threads' hands, and what they allocate after they learn of it is recorded. */
static struct {
	_Atomic int round; /* odd: recording was started before */
	_Atomic int answers;
} game;

/* Whether a new block is recorded. */
static bool is_recorded(void)
{
	struct heap *heap = heap_mine;
	uint64_t before = tally_get(&heap->tally.freed_blocks);
	mud_free(mud_malloc(24));
	return tally_get(&heap->tally.freed_blocks) != before;
}

static void *allocate_always(void *argument)
{
	(void)argument;
	int seen = 0;
	while (seen < 2 * SWITCHES) {
		mud_free(mud_malloc(100));
		int round = atomic_load(&game.round);
		if (round == seen)
			continue;
		seen = round;
		ENSURE(is_recorded() == (round & 1), "round %d: a block is%s recorded", round, round & 1 ? " not" : "");
		atomic_fetch_add(&game.answers, 1);
	}
	return NULL;
}

START_TEST(no_thread_misses_the_start)
{
	pthread_t thread[THREADS];
	prepare_recording();
	atomic_store(&recording_active, false);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, allocate_always, NULL);
	for (int round = 1; round <= 2 * SWITCHES; round++) {
		if (round & 1)
			recording_start();
		else
			atomic_store(&recording_active, false);
		atomic_store(&game.answers, 0);
		atomic_store(&game.round, round);
		while (atomic_load(&game.answers) < THREADS)
			sched_yield();
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
}
END_TEST

/* The fast path serves a thread again whose recording has ended. */
START_TEST(countdown_is_reset)
{
	prepare_recording();
	mud_free(mud_malloc(24));
	struct heap *heap = heap_mine;
	ck_assert_int_le(heap->x_until_sample, 0);
	ck_assert(is_recorded());
	atomic_store(&recording_active, false);
	ck_assert(!is_recorded());
	ck_assert_int_gt(heap->x_until_sample, INT64_MAX / 2);
	recording_start();
	ck_assert(is_recorded());
	/* Switched on and off again before the thread has looked. */
	atomic_store(&recording_active, false);
	ck_assert(!is_recorded());
	recording_start();
	ck_assert_int_eq(heap->x_until_sample, 0);
	atomic_store(&recording_active, false);
	ck_assert(!is_recorded());
	ck_assert_int_gt(heap->x_until_sample, INT64_MAX / 2);
}
END_TEST

START_TEST(classes_are_in_order)
{
	uint64_t before = 0;
	for (unsigned class = 0; class < SAMPLE_CLASSES; class ++) {
		uint64_t bytes = sample_class_bytes(class);
		ENSURE(bytes > before, "class %u", class);
		ENSURE(sample_class_of(bytes) == class && sample_class_of(before + 1) == class, "class %u: %llu", class,
		       (unsigned long long)bytes);
		before = bytes;
	}
	ck_assert_uint_eq(sample_class_of(0), 0);
	ck_assert_uint_eq(sample_class_of(PTRDIFF_MAX), SAMPLE_CLASSES - 1);
	ck_assert_uint_eq(sample_class_bytes(SIZE_CLASSES), 20480);
}
END_TEST

/* Live bytes and blocks that all recorded blocks together stand for. */
static struct sample_sum surveyed(void)
{
	struct survey survey;
	struct sample_sum sum = {0};
	lock_acquire(&survey_lock);
	ck_assert(survey_take(&survey, meta_table_count(&cohort_table)));
	for (uint32_t id = COHORT_UNKNOWN; id < survey.cohorts; id++) {
		if (!survey.cohort[id].blocks)
			continue;
		const struct cohort *cohort = meta_table_at(&cohort_table, id);
		const struct site *site = meta_table_at(&site_table, cohort->site);
		struct sample_sum more =
			sample_estimate(site->class, survey.cohort[id].blocks, survey.cohort[id].bytes);
		sum.bytes += more.bytes;
		sum.blocks += more.blocks;
	}
	survey_end(&survey);
	lock_release(&survey_lock);
	return sum;
}

enum { RATE = 4096, WAYS = 5 };

/* Ways to a block of the size. */
static void *make(int way, size_t size)
{
	void *p = NULL;
	switch (way) {
	case 0:
		return mud_malloc(size);
	case 1:
		return mud_calloc(1, size);
	case 2:
		return mud_realloc(mud_malloc(size / 2 + 1), size); /* moves mostly, or stays in its class */
	case 3:
		return mud_realloc(mud_malloc(size * 5 / 4), size); /* stays mostly */
	default:
		ck_assert_int_eq(mud_posix_memalign(&p, 64, size), 0);
		return p;
	}
}

/* Sizes far below the rate, about it and far above, in pools and large, by every way to a block: no bias. */
static const size_t sizes[] = {0, 1, 24, 200, 1000, 4096, 5000, 16384, 16385, 50000, 300000};

START_TEST(estimates_are_unbiased)
{
	enum { BLOCKS = 1500 };
	static void *block[BLOCKS];
	size_t size = sizes[_i / WAYS];
	int way = _i % WAYS, rounds = size > 10000 ? 3 : 20;
	double bytes = 0, blocks = 0, variance = 0;
	if (size == 0 && (way == 2 || way == 3))
		return; /* realloc(p, 0) frees */
	sample_init(RATE);
	prepare_recording();
	mud_free(mud_malloc(1));
	heap_mine->sample_random = 1000 + (uint64_t)_i;
	for (int round = 0; round < rounds; round++) {
		for (int i = 0; i < BLOCKS; i++)
			block[i] = make(way, size);
		struct sample_sum sum = surveyed();
		bytes += (double)sum.bytes;
		blocks += (double)sum.blocks / (1 << POISSON_UNIT_BITS);
		ck_assert_int_eq(totals_live_blocks(), (int64_t)sample_whole(sum.blocks));
		/* Rounded once a sample or once a cohort. */
		ck_assert_int_le(llabs(totals_live_bytes() - (int64_t)sum.bytes), BLOCKS);
		for (int i = 0; i < BLOCKS; i++)
			mud_free(block[i]);
		ck_assert_int_eq(totals_live_blocks(), 0);
		ck_assert_int_eq(totals_live_bytes(), 0);
	}
	double chance = -expm1(-(double)sample_class_bytes(sample_class_of(size)) / RATE);
	double count = (double)rounds * BLOCKS;
	variance = count * (1 - chance) / chance;
	ck_assert_double_le(fabs(blocks - count), 4 * sqrt(variance) + count * 1e-4);
	ck_assert_double_le(fabs(bytes - count * (double)size), (double)size * (4 * sqrt(variance) + count * 1e-4));
}
END_TEST

/* A block that is freed as soon as it is there is temporary, one behind which others were allocated is not. */
START_TEST(temporary_samples)
{
	sample_init(RATE);
	prepare_recording();
	mud_free(mud_malloc(100000));
	struct heap *heap = heap_mine;
	ck_assert_uint_eq(tally_get(&heap->last_site->temporary_blocks), 1);
	void *p = mud_malloc(100000);
	heap->x_until_sample = 1000000;
	mud_free(mud_malloc(10));
	mud_free(p);
	ck_assert_uint_eq(tally_get(&heap->last_site->temporary_blocks), 0);
	ck_assert_uint_eq(sample_whole(tally_get(&heap->tally.freed_blocks)), 2);
}
END_TEST

static void child_draws(void *argument)
{
	sample_fork_child(heap_mine);
	*(int64_t *)argument = heap_mine->x_until_sample;
}

/* Parent and child do not sample the same blocks ever after. */
START_TEST(fork_child_samples_others)
{
	int64_t first, second;
	sample_init(1 << 30);
	prepare_recording();
	mud_free(mud_malloc(1));
	uint64_t random = heap_mine->sample_random;
	child_draws(&first);
	heap_mine->sample_random = random;
	child_draws(&second);
	ck_assert_int_ne(first, second);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sample");
	TCase *tests = tcase_create("sample");
	tcase_set_timeout(tests, 60);
	TCase *switching = tcase_create("switching");
	tcase_set_timeout(switching, 60);
	tcase_add_test(switching, no_thread_misses_the_start);
	suite_add_tcase(suite, switching);
	tcase_add_test(tests, countdown_is_reset);
	tcase_add_test(tests, classes_are_in_order);
	tcase_add_loop_test(tests, estimates_are_unbiased, 0, WAYS * (int)(sizeof sizes / sizeof sizes[0]));
	tcase_add_test(tests, temporary_samples);
	tcase_add_test(tests, fork_child_samples_others);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
