/* Which allocations are recorded: switching while threads allocate. */
#include "preload/sample.h"

#include "preload/record.h"
#include "tests/preload/renamed.h"
#include "tests/preload/unit.h"

enum { THREADS = 3, SWITCHES = 300 };

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
	atomic_store(&record_active, false);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, allocate_always, NULL);
	for (int round = 1; round <= 2 * SWITCHES; round++) {
		if (round & 1)
			record_start();
		else
			atomic_store(&record_active, false);
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
	atomic_store(&record_active, false);
	ck_assert(!is_recorded());
	ck_assert_int_gt(heap->x_until_sample, INT64_MAX / 2);
	record_start();
	ck_assert(is_recorded());
	/* Switched on and off again before the thread has looked. */
	atomic_store(&record_active, false);
	ck_assert(!is_recorded());
	record_start();
	ck_assert_int_eq(heap->x_until_sample, 0);
	atomic_store(&record_active, false);
	ck_assert(!is_recorded());
	ck_assert_int_gt(heap->x_until_sample, INT64_MAX / 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sample");
	TCase *tests = tcase_create("sample");
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, no_thread_misses_the_start);
	tcase_add_test(tests, countdown_is_reset);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
