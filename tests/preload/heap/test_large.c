/* Large blocks: contents, alignment, records and the diagnosis of wrong pointers, against a model. */
#include "preload/heap/large.h"

#include "preload/base/losses.h"
#include "preload/heap/damage.h"
#include "tests/preload/renamed.h"
#include "tests/preload/unit.h"

#include <sys/mman.h>

struct block {
	unsigned char *p;
	size_t size;
	uint32_t cohort;
	unsigned char mark;
};

static struct heap *begin(void)
{
	struct heap *heap = heap_enter();
	ck_assert(heap_attach(&heap));
	return heap;
}

/* The first, the last and some bytes between: whole blocks would take the test's time. */
static void fill(const struct block *b)
{
	for (size_t i = 0; i < b->size; i += 509)
		b->p[i] = b->mark;
	if (b->size)
		b->p[b->size - 1] = b->mark;
}

static bool intact(const struct block *b, size_t size)
{
	for (size_t i = 0; i < size; i += 509)
		if (b->p[i] != b->mark)
			return false;
	return size < b->size || size == 0 || b->p[size - 1] == b->mark;
}

static struct {
	uint64_t blocks, bytes, cohorts;
} walked;

static void visit(const struct large_record *record, void *context)
{
	(void)context;
	walked.blocks++;
	walked.bytes += record->size;
	walked.cohorts += atomic_load(&record->cohort);
}

START_TEST(model)
{
	enum { BLOCKS = 300 };
	static struct block block[BLOCKS];
	struct dice dice = {(uint64_t)_i + 1};
	prepare_allocator();
	struct heap *heap = begin();
	for (int round = 0; round < 20000; round++) {
		struct block *b = &block[dice_below(&dice, BLOCKS)];
		size_t most = dice_below(&dice, 50) ? 200000 : 6000000;
		if (!b->p) {
			size_t alignment = dice_below(&dice, 3) ? 16 : (size_t)16 << dice_below(&dice, 13);
			bool zero = dice_below(&dice, 4) == 0;
			b->size = dice_below(&dice, 10) ? SMALL_MAX_BYTES + 1 + dice_below(&dice, most)
							: dice_below(&dice, SMALL_MAX_BYTES);
			b->p = large_allocate(heap, b->size, alignment, zero);
			ENSURE(b->p && (uintptr_t)b->p % alignment == 0, "%zu bytes aligned to %zu: %p", b->size,
			       alignment, (void *)b->p);
			for (size_t i = 0; zero && i < b->size; i += 61)
				ENSURE(b->p[i] == 0, "not zero at %zu of %zu", i, b->size);
			struct large_record *record = large_find(b->p);
			ENSURE(record && record->size == b->size, "no record of %zu bytes at %p", b->size,
			       (void *)b->p);
			ENSURE(atomic_load(&record->cohort) == 0, "a new block has a cohort");
			ENSURE(large_usable(heap, b->p, record) >= b->size, "usable size");
			ENSURE(pool_kind_of(b->p) == KIND_LARGE, "kind");
			b->cohort = (uint32_t)dice_below(&dice, 1000) + 1;
			atomic_store(&record->cohort, b->cohort);
		} else {
			struct large_record *record = large_find(b->p);
			ENSURE(record && record->size == b->size && atomic_load(&record->cohort) == b->cohort,
			       "record of %p", (void *)b->p);
			ENSURE(intact(b, b->size), "contents of %zu bytes", b->size);
			if (dice_below(&dice, 2)) {
				large_free(heap, b->p, record);
				ENSURE(!large_find(b->p), "record after free");
				b->p = NULL;
				continue;
			}
			size_t size = SMALL_MAX_BYTES + 1 + dice_below(&dice, most);
			unsigned char *moved = large_resize(heap, b->p, record, size);
			ENSURE(moved, "no resize to %zu", size);
			ENSURE(moved == b->p || !large_find(b->p), "the old place still has a record");
			b->p = moved;
			ENSURE(intact(b, b->size < size ? b->size : size), "resize from %zu to %zu bytes lost contents",
			       b->size, size);
			b->size = size;
			record = large_find(moved);
			ENSURE(record && record->size == size && atomic_load(&record->cohort) == b->cohort,
			       "record after resize");
		}
		b->mark = (unsigned char)dice_next(&dice);
		fill(b);
	}
	uint64_t blocks = 0, bytes = 0, cohorts = 0;
	for (int i = 0; i < BLOCKS; i++) {
		if (!block[i].p)
			continue;
		blocks++;
		bytes += block[i].size;
		cohorts += block[i].cohort;
	}
	large_walk(visit, NULL);
	ck_assert_uint_eq(walked.blocks, blocks);
	ck_assert_uint_eq(walked.bytes, bytes);
	ck_assert_uint_eq(walked.cohorts, cohorts);
	for (int i = 0; i < BLOCKS; i++)
		if (block[i].p)
			large_free(heap, block[i].p, large_find(block[i].p));
	walked.blocks = 0;
	large_walk(visit, NULL);
	ck_assert_uint_eq(walked.blocks, 0);
	heap_leave(heap);
	ck_assert_uint_eq(loss_value(LOSS_BAD_FREES), 0);
}
END_TEST

START_TEST(blocks_do_not_overlap)
{
	enum { BLOCKS = 2000 };
	static struct block block[BLOCKS];
	struct dice dice = {5};
	prepare_allocator();
	struct heap *heap = begin();
	for (int i = 0; i < BLOCKS; i++) {
		block[i].size = 16385 + dice_below(&dice, 30000);
		block[i].p = large_allocate(heap, block[i].size, 16, false);
		memset(block[i].p, i, block[i].size);
	}
	for (int i = 0; i < BLOCKS; i++)
		for (size_t k = 0; k < block[i].size; k += 7)
			ENSURE(block[i].p[k] == (unsigned char)i, "block %d was overwritten", i);
	heap_leave(heap);
}
END_TEST

START_TEST(diagnosis)
{
	prepare_allocator();
	struct heap *heap = begin();
	char *p = large_allocate(heap, 3000000, 16, false), *q = large_allocate(heap, 20000, 16, false);
	char local;
	ck_assert_ptr_nonnull(large_find(p));
	ck_assert_ptr_null(large_find(p + 16));
	ck_assert_ptr_null(large_find(p + 4096));
	ck_assert_ptr_null(large_find(&local));
	ck_assert_ptr_null(large_find(NULL));
	ck_assert_ptr_null(large_find((void *)~(uintptr_t)0));
	static const size_t offsets[] = {1, 16, 4095, 4096, 8192, 1000000, 2999999};
	for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++)
		ck_assert_int_eq(large_diagnose(p + offsets[i]), MISUSE_NO_BLOCK);
	ck_assert_int_eq(MISUSE_NONE, large_diagnose(&local));
	ck_assert_int_eq(MISUSE_NONE, large_diagnose((void *)16));
	large_free(heap, q, large_find(q));
	ck_assert_int_eq(large_diagnose(q), MISUSE_DOUBLE_FREE);
	large_free(heap, p, large_find(p));
	ck_assert_int_eq(large_diagnose(p), MISUSE_DOUBLE_FREE);
	ck_assert_int_eq(MISUSE_NONE, large_diagnose(p + 8192));
	heap_leave(heap);
}
END_TEST

static void misuse(void *argument)
{
	const int *what = argument;
	char *p = mud_malloc(9000000);
	switch (*what) {
	case 0:
		mud_free(p);
		mud_free(p);
		break;
	case 1:
		mud_free(p + 32);
		break;
	case 2:
		mud_free(p + 8000000); /* more than 4 MiB in: another entry of the table of kinds */
		break;
	case 3:
		if (mud_realloc(p + 4096, 50000))
			_exit(9);
		break;
	default:
		mud_free(p);
		if (mud_realloc(p, 50000))
			_exit(9);
		break;
	}
	if (loss_value(LOSS_BAD_FREES) != 1)
		_exit(8);
}

/* Through free() and realloc(): named by us, not handed to libc, which would end the program. */
START_TEST(misuse_is_named)
{
	static const char *const names[] = {"double free", "free of a pointer", "free of a pointer",
					    "realloc of a pointer", "realloc of a freed block"};
	char err[500];
	int what = _i;
	prepare_allocator();
	damage_policy = DAMAGE_REPORT;
	int status = death_of(misuse, &what, err, sizeof err);
	ck_assert_msg(status == 0, "status %d: %s", status, err);
	ck_assert_msg(strncmp(err, "mudlark: ", 9) == 0 && strstr(err, names[_i]), "%s", err);
	damage_policy = DAMAGE_ABORT;
	ck_assert_int_eq(death_of(misuse, &what, err, sizeof err), 128 + SIGABRT);
}
END_TEST

/* A nested call must not enter jemalloc: it gets a mapping of its own and defers what it frees. */
START_TEST(nested_calls)
{
	prepare_allocator();
	struct heap *heap = begin();
	unsigned char *outer = large_allocate(heap, 50000, 16, false);
	memset(outer, 1, 50000);
	unsigned char *nested = large_allocate(&heap_busy, 70000, 16, true);
	ck_assert_ptr_nonnull(nested);
	memset(nested, 2, 70000);
	struct large_record *record = large_find(nested);
	ck_assert_uint_eq(record->size, 70000);
	ck_assert_uint_eq(large_usable(heap, nested, record), 73728);
	unsigned char *aligned = large_allocate(&heap_busy, 100, 1 << 20, false);
	ck_assert_uint_eq((uintptr_t)aligned % (1 << 20), 0);
	atomic_store(&record->cohort, 5);
	/* Resized by either kind of caller. */
	nested = large_resize(&heap_busy, nested, record, 200000);
	ck_assert_int_eq(nested[69999], 2);
	ck_assert_uint_eq(atomic_load(&large_find(nested)->cohort), 5);
	nested = large_resize(heap, nested, large_find(nested), 300000);
	ck_assert_int_eq(nested[69999], 2);
	ck_assert_uint_eq(atomic_load(&large_find(nested)->cohort), 5);
	outer = large_resize(&heap_busy, outer, large_find(outer), 400000);
	ck_assert_int_eq(outer[49999], 1);
	for (int i = 0; i < 1000; i++) {
		void *p = large_allocate(heap, 100000, 16, false);
		memset(p, 3, 100000);
		large_free(&heap_busy, p, large_find(p));
		ENSURE(!large_find(p), "freed, but found");
	}
	large_free(heap, outer, large_find(outer));
	large_free(&heap_busy, nested, large_find(nested));
	large_free(heap, aligned, large_find(aligned));
	walked.blocks = 0;
	large_walk(visit, NULL);
	ck_assert_uint_eq(walked.blocks, 0);
	heap_leave(heap);
}
END_TEST

/* What is free is used again, also where it has become one long piece. */
START_TEST(waves_take_no_more_memory)
{
	enum { BLOCKS = 2000, BLOCK_BYTES = 20000, WAVES = 6 };
	static void *block[BLOCKS];
	prepare_allocator();
	struct heap *heap = begin();
	uint64_t before = resident_kib();
	for (int wave = 0; wave < WAVES; wave++) {
		for (int i = 0; i < BLOCKS; i++)
			block[i] = memset(large_allocate(heap, BLOCK_BYTES, 16, false), 1, BLOCK_BYTES);
		for (int i = 0; i < BLOCKS; i++)
			large_free(heap, block[i], large_find(block[i]));
	}
	ck_assert_uint_le(resident_kib() - before, (uint64_t)BLOCKS * BLOCK_BYTES / 1024 * 3 / 2);
	heap_leave(heap);
}
END_TEST

START_TEST(purge_returns_memory)
{
	prepare_allocator();
	struct heap *heap = begin();
	void *block[100];
	block[0] = large_allocate(heap, 20000, 16, false);
	large_free(heap, block[0], large_find(block[0]));
	uint64_t before = resident_kib();
	for (int i = 0; i < 100; i++)
		block[i] = memset(large_allocate(heap, 1 << 20, 16, false), 1, 1 << 20);
	ck_assert_uint_ge(resident_kib(), before + 90000);
	ck_assert_uint_ge(large_mapped_bytes(), 100 << 20);
	for (int i = 0; i < 100; i++)
		large_free(heap, block[i], large_find(block[i]));
	large_purge(heap);
	ck_assert_uint_le(resident_kib(), before + 4000);
	heap_leave(heap);
}
END_TEST

START_TEST(no_memory)
{
	prepare_allocator();
	struct heap *heap = begin();
	ck_assert_ptr_null(large_allocate(heap, (size_t)1 << 62, 16, false));
	ck_assert_ptr_null(large_allocate(&heap_busy, (size_t)1 << 62, 16, false));
	ck_assert_ptr_null(large_allocate(&heap_busy, 20000, (size_t)1 << 62, false));
	unsigned char *p = memset(large_allocate(heap, 100000, 16, false), 6, 100000);
	struct large_record *record = large_find(p);
	atomic_store(&record->cohort, 7);
	ck_assert_ptr_null(large_resize(heap, p, record, (size_t)1 << 62));
	/* The block is as it was. */
	record = large_find(p);
	ck_assert_ptr_nonnull(record);
	ck_assert_uint_eq(record->size, 100000);
	ck_assert_uint_eq(atomic_load(&record->cohort), 7);
	ck_assert_int_eq(p[99999], 6);
	/* No memory for a record: no block either, and nothing leaks. */
	fault_set(SYS_mmap, 0, ENOMEM);
	int failures = 0;
	for (int i = 0; i < 100; i++)
		failures += large_allocate(&heap_busy, 20000, 16, false) == NULL;
	ck_assert_int_eq(failures, 100);
	fault_clear();
	ck_assert_ptr_nonnull(large_allocate(&heap_busy, 20000, 16, false));
	large_free(heap, p, record);
	heap_leave(heap);
}
END_TEST

/* What has grown past a megabyte is a mapping that the kernel moves; where it cannot, it is copied as any other. */
START_TEST(growth)
{
	enum { MEBIBYTE = 1 << 20 };
	prepare_allocator();
	struct heap *heap = begin();
	for (int refused = 0; refused < 2; refused++) {
		struct block b = {.size = MEBIBYTE / 2, .cohort = 3, .mark = 5};
		b.p = large_allocate(heap, b.size, 16, false);
		atomic_store(&large_find(b.p)->cohort, b.cohort);
		fill(&b);
		if (refused)
			fault_set(SYS_mremap, 0, ENOMEM);
		for (int i = 0; i < 40; i++) {
			size_t size = i < 20 ? b.size + b.size / 5 : b.size - b.size / 6;
			unsigned char *moved = large_resize(heap, b.p, large_find(b.p), size);
			ENSURE(moved, "no resize to %zu", size);
			ENSURE(moved == b.p || !large_find(b.p), "the old place still has a record");
			b.p = moved;
			ENSURE(intact(&b, b.size < size ? b.size : size), "contents after resize to %zu", size);
			struct large_record *record = large_find(b.p);
			ENSURE(record->size == size && atomic_load(&record->cohort) == b.cohort, "record of %zu", size);
			ENSURE(large_usable(heap, b.p, record) >= size, "usable size");
			ENSURE(large_live_bytes() == size, "%zu live bytes", (size_t)large_live_bytes());
			b.size = size;
			fill(&b);
		}
		large_free(heap, b.p, large_find(b.p));
		fault_clear();
		ck_assert_uint_eq(large_live_bytes(), 0);
	}
	heap_leave(heap);
}
END_TEST

/*
 * A block that the program has made several mappings of cannot be moved. Linux 6.1 says so only after it has unmapped
 * the place to move to, which another thread could get then: it must not come to that.
 */
START_TEST(growth_of_a_divided_block)
{
	enum { MEBIBYTE = 1 << 20, PAGE = 4096 };
	prepare_allocator();
	struct heap *heap = begin();
	struct block b = {.size = MEBIBYTE, .mark = 5};
	b.p = large_allocate(heap, b.size, 16, false);
	b.size = (size_t)2 * MEBIBYTE;
	b.p = large_resize(heap, b.p, large_find(b.p), b.size);
	fill(&b);
	ck_assert_int_eq(madvise(b.p + MEBIBYTE, PAGE, MADV_DONTDUMP), 0);
	/* The first mremap, which lengthens, is the kernel's; a second one would report what it must not try. */
	fault_set(SYS_mremap, 1, ENOMEM);
	b.p = large_resize(heap, b.p, large_find(b.p), (size_t)4 * MEBIBYTE);
	int tried = 1 - sys_fault.after;
	fault_clear();
	ck_assert_int_eq(tried, 1);
	ENSURE(intact(&b, b.size), "contents");
	large_free(heap, b.p, large_find(b.p));
	heap_leave(heap);
}
END_TEST

static _Atomic(struct block *) shared[64];

static void *exchange(void *argument)
{
	struct dice dice = {(uintptr_t)argument};
	for (int i = 0; i < 6000; i++) {
		struct block *b = malloc(sizeof *b);
		*b = (struct block){NULL, 16385 + dice_below(&dice, 100000), 0, (unsigned char)dice_next(&dice)};
		b->p = mud_malloc(b->size);
		fill(b);
		b = atomic_exchange(&shared[dice_below(&dice, 64)], b);
		if (!b)
			continue;
		ENSURE(intact(b, b->size), "a block of %zu bytes was given to two", b->size);
		if (dice_below(&dice, 3) == 0) {
			b->p = mud_realloc(b->p, b->size + 50000);
			ENSURE(intact(b, b->size), "realloc lost contents");
		}
		mud_free(b->p);
		free(b);
	}
	return NULL;
}

START_TEST(threads)
{
	pthread_t thread[4];
	prepare_allocator();
	for (uintptr_t i = 0; i < 4; i++)
		pthread_create(&thread[i], NULL, exchange, (void *)(i + 1));
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	uint64_t left = 0;
	for (int i = 0; i < 64; i++)
		left += atomic_load(&shared[i]) != NULL;
	large_walk(visit, NULL);
	ck_assert_uint_eq(walked.blocks, left);
	ck_assert_uint_eq(loss_value(LOSS_BAD_FREES), 0);
}
END_TEST

/* Also in a child: direct blocks only. */
START_TEST(distrusted)
{
	prepare_allocator();
	struct heap *heap = begin();
	unsigned char *before = memset(large_allocate(heap, 50000, 16, false), 1, 50000);
	large_distrust();
	unsigned char *after = large_allocate(heap, 50000, 16, true);
	ck_assert_uint_eq(large_usable(heap, after, large_find(after)), 53248);
	before = large_resize(heap, before, large_find(before), 90000);
	ck_assert_int_eq(before[49999], 1);
	large_free(heap, before, large_find(before));
	large_free(heap, after, large_find(after));
	heap_leave(heap);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("preload: large");
	TCase *tests = tcase_create("large");
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, model, 0, 2);
	tcase_add_test(tests, blocks_do_not_overlap);
	tcase_add_test(tests, diagnosis);
	tcase_add_loop_test(tests, misuse_is_named, 0, 5);
	tcase_add_test(tests, nested_calls);
	tcase_add_test(tests, waves_take_no_more_memory);
	tcase_add_test(tests, purge_returns_memory);
	tcase_add_test(tests, no_memory);
	tcase_add_test(tests, growth);
	tcase_add_test(tests, growth_of_a_divided_block);
	tcase_add_test(tests, threads);
	tcase_add_test(tests, distrusted);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
