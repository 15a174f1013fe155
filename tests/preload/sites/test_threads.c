/* The table of threads: numbers, names, numbers used again, and more threads than it holds. */
#include "preload/sites/threads.h"

#include "preload/base/losses.h"
#include "tests/preload/unit.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static struct heap heap[THREADS_MAX + 200];

START_TEST(numbers_and_counters)
{
	for (uint32_t i = 0; i < 10; i++) {
		threads_begin(&heap[i]);
		ck_assert_uint_eq(heap[i].thread_id, i + 1);
		const struct thread_entry *entry = threads_entry(i + 1);
		ck_assert(entry->alive && !entry->shared);
		ck_assert_ptr_eq(entry->heap, &heap[i]);
		ck_assert_int_eq(entry->tid, gettid());
		ck_assert_uint_eq(entry->instances, 1);
	}
	ck_assert_uint_eq(threads_count(), 10);
	ck_assert_uint_eq(threads_total(), 10);
	tally_add(&heap[3].tally.freed_blocks, 3);
	tally_add(&heap[3].tally.freed_bytes, 300);
	pthread_setname_np(pthread_self(), "worker 4");
	threads_end(&heap[3]);
	const struct thread_entry *entry = threads_entry(4);
	ck_assert(!entry->alive);
	ck_assert_ptr_null(entry->heap);
	ck_assert_str_eq(entry->name, "worker 4");
	ck_assert_uint_eq(tally_get(&entry->ended.freed_blocks), 3);
	ck_assert_uint_eq(tally_get(&entry->ended.freed_bytes), 300);
	ck_assert_uint_eq(tally_get(&heap[3].tally.freed_blocks), 0);
	ck_assert_uint_eq(heap[3].thread_id, 0);
	/* Twice does nothing. */
	threads_end(&heap[3]);
	ck_assert_uint_eq(tally_get(&entry->ended.freed_blocks), 3);
	/* While there is room, nobody takes over its number. */
	threads_begin(&heap[10]);
	ck_assert_uint_eq(heap[10].thread_id, 11);
	ck_assert_uint_eq(loss_value(LOSS_THREADS_MERGED), 0);
	ck_assert_uint_eq(lock_depth, 0);
}
END_TEST

/* What a thread is called when it ends, without a system call as it begins or ends. */
static sem_t named;

static void *ends_with_a_name(void *own)
{
	if (own)
		pthread_setname_np(pthread_self(), own);
	else
		sem_wait(&named);
	threads_begin(&heap[0]);
	fault_set(SYS_gettid, 0, ENOSYS);
	threads_end(&heap[0]);
	threads_begin(&heap[1]);
	ck_assert_int_eq(threads_entry(heap[1].thread_id)->tid, gettid());
	threads_end(&heap[1]);
	return NULL;
}

static void ends_as(char *own, const char *other, const char *expected)
{
	pthread_t thread;
	pthread_create(&thread, NULL, ends_with_a_name, own);
	if (other)
		pthread_setname_np(thread, other);
	sem_post(&named);
	pthread_join(thread, NULL);
	ck_assert_str_eq(threads_entry(threads_count())->name, expected);
}

START_TEST(names)
{
	sem_init(&named, 0, 0);
	prctl(PR_SET_NAME, "the program");
	threads_init();
	thread_names_init();
	ends_as(NULL, NULL, "the program");
	ends_as(NULL, "a worker", "a worker");
	static char own[] = "its own";
	ends_as(own, NULL, "its own");
	/* Its creator may have had a name of its own. */
	ends_as(NULL, NULL, "");
}
END_TEST

START_TEST(labels)
{
	char longest[5000];
	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	threads_begin(&heap[0]);
	ck_assert_ptr_null(threads_entry(1)->label);
	threads_label(&heap[0], "reader");
	ck_assert_str_eq(threads_entry(1)->label, "reader");
	threads_label(&heap[0], longest);
	ck_assert_str_eq(threads_entry(1)->label, longest);
	threads_label(&heap[0], "");
	ck_assert_str_eq(threads_entry(1)->label, "");
}
END_TEST

/* More than fit, all alive: the last number is shared by all that come too late. */
START_TEST(more_than_fit)
{
	for (uint32_t i = 0; i < THREADS_MAX + 100; i++) {
		threads_begin(&heap[i]);
		ENSURE(heap[i].thread_id == (i < THREADS_MAX - 1 ? i + 1 : THREADS_MAX), "thread %u has number %u", i,
		       heap[i].thread_id);
	}
	ck_assert_uint_eq(threads_count(), THREADS_MAX);
	ck_assert_uint_eq(threads_total(), THREADS_MAX + 100);
	ck_assert_uint_eq(loss_value(LOSS_THREADS_MERGED), 101);
	const struct thread_entry *last = threads_entry(THREADS_MAX);
	ck_assert(last->shared);
	ck_assert_ptr_null(last->heap);
	ck_assert_uint_eq(last->instances, 101);
	for (uint32_t i = 0; i < THREADS_MAX + 100; i++) {
		tally_add(&heap[i].tally.freed_blocks, 1);
		threads_end(&heap[i]);
	}
	ck_assert_uint_eq(tally_get(&last->ended.freed_blocks), 101);
	ck_assert(last->shared);
	/* Now the oldest numbers come back first, once each. */
	for (uint32_t i = 0; i < THREADS_MAX - 1; i++) {
		threads_begin(&heap[i]);
		ENSURE(heap[i].thread_id == i + 1, "number %u instead of %u", heap[i].thread_id, i + 1);
		ENSURE(threads_entry(i + 1)->instances == 2, "instances of %u", i + 1);
	}
	threads_begin(&heap[THREADS_MAX]);
	ck_assert_uint_eq(heap[THREADS_MAX].thread_id, THREADS_MAX);
}
END_TEST

/* A server with a thread for each request. */
START_TEST(many_one_after_the_other)
{
	uint32_t newest = 0;
	for (int i = 0; i < 100000; i++) {
		threads_begin(&heap[0]);
		newest = heap[0].thread_id;
		tally_add(&heap[0].tally.freed_bytes, 2);
		threads_end(&heap[0]);
	}
	ck_assert_uint_lt(newest, THREADS_MAX);
	ck_assert_uint_eq(threads_count(), THREADS_MAX - 1);
	ck_assert_uint_eq(threads_total(), 100000);
	uint64_t bytes = 0, instances = 0;
	for (uint32_t id = 1; id <= threads_count(); id++) {
		bytes += tally_get(&threads_entry(id)->ended.freed_bytes);
		instances += threads_entry(id)->instances;
		ck_assert(!threads_entry(id)->shared && !threads_entry(id)->alive);
	}
	ck_assert_uint_eq(bytes, 200000);
	ck_assert_uint_eq(instances, 100000);
}
END_TEST

static void *come_and_go(void *argument)
{
	struct heap *mine = argument;
	for (int i = 0; i < 5000; i++) {
		threads_begin(mine);
		ENSURE(mine->thread_id, "no number");
		ENSURE(threads_entry(mine->thread_id)->heap == mine, "two threads have number %u", mine->thread_id);
		tally_add(&mine->tally.freed_blocks, 1);
		threads_end(mine);
	}
	return NULL;
}

START_TEST(at_the_same_time)
{
	pthread_t thread[8];
	for (int i = 0; i < 8; i++)
		pthread_create(&thread[i], NULL, come_and_go, &heap[i]);
	for (int i = 0; i < 8; i++)
		pthread_join(thread[i], NULL);
	uint64_t blocks = 0;
	for (uint32_t id = 1; id <= threads_count(); id++)
		blocks += tally_get(&threads_entry(id)->ended.freed_blocks);
	ck_assert_uint_eq(blocks, 8 * 5000);
}
END_TEST

START_TEST(fork_child_has_one)
{
	for (int i = 0; i < 5; i++)
		threads_begin(&heap[i]);
	threads_fork_child(&heap[2]);
	for (uint32_t id = 1; id <= 5; id++)
		ck_assert_int_eq(threads_entry(id)->alive, id == 3);
	ck_assert_int_eq(threads_entry(3)->tid, gettid());
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("preload: threads");
	TCase *tests = tcase_create("threads");
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, numbers_and_counters);
	tcase_add_test(tests, names);
	tcase_add_test(tests, labels);
	tcase_add_test(tests, more_than_fit);
	tcase_add_test(tests, many_one_after_the_other);
	tcase_add_test(tests, at_the_same_time);
	tcase_add_test(tests, fork_child_has_one);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
