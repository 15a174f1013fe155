/* Chunks and slabs: layout, carving, records, release and purge, shortage of memory. */
#include "preload/heap/heap.h"
#include "preload/heap/pool.h"
#include "tests/preload/renamed.h"
#include "tests/preload/unit.h"

#include <sys/mman.h>

static struct heap *const owner = &heap_unborn; /* only its address matters here */

static struct slab *acquire(unsigned size_class, bool tracked)
{
	return pool_acquire(owner, size_class, tracked, true);
}

static bool page_is_resident(const void *p)
{
	unsigned char in = 0;
	void *page = (void *)((uintptr_t)p & ~(uintptr_t)4095);
	return mincore(page, 4096, &in) == 0 && (in & 1);
}

START_TEST(slab_is_found_from_every_pointer)
{
	struct slab *slab[300];
	for (unsigned i = 0; i < 300; i++) {
		slab[i] = acquire(i % SIZE_CLASSES, i % 3 == 0);
		ck_assert_ptr_nonnull(slab[i]);
		ck_assert_uint_eq((uintptr_t)slab[i]->base % SLAB_BYTES, 0);
		ck_assert_uint_ne(((uintptr_t)slab[i]->base >> SLAB_BITS) % CHUNK_SLABS, 0);
		ck_assert_ptr_eq(atomic_load(&slab[i]->heap), owner);
		ck_assert_int_eq(slab[i]->cohorts != NULL, i % 3 == 0);
		ck_assert_int_eq(slab[i]->tracked, i % 3 == 0);
		for (size_t offset = 0; offset < SLAB_BYTES; offset += 997) {
			ENSURE(pool_kind_of(slab[i]->base + offset) == KIND_POOL, "kind at %zu", offset);
			ENSURE(slab_of(slab[i]->base + offset) == slab[i], "slab at %zu", offset);
		}
		for (unsigned k = 0; k < i; k++)
			ENSURE(slab[k]->base != slab[i]->base, "slab %u is slab %u", i, k);
	}
}
END_TEST

START_TEST(kinds_of_other_addresses)
{
	int local = 0;
	ck_assert_int_eq(pool_kind_of(&local), KIND_FOREIGN);
	ck_assert_int_eq(pool_kind_of(NULL), KIND_FOREIGN);
	ck_assert_int_eq(pool_kind_of((void *)~(uintptr_t)0), KIND_FOREIGN);
	ck_assert_int_eq(pool_kind_of((void *)((uintptr_t)1 << ADDRESS_BITS)), KIND_FOREIGN);
	ck_assert_int_eq(pool_kind_of((void *)(((uintptr_t)1 << ADDRESS_BITS) - 1)), KIND_FOREIGN);
}
END_TEST

/* What runs out of a slab downwards must not reach the metadata, nor from the chunk before. */
START_TEST(metadata_is_guarded)
{
	struct slab *slab = acquire(0, false);
	char *chunk = (char *)((uintptr_t)slab->base & ~(CHUNK_BYTES - 1));
	char c;
	ck_assert(!sys_read_memory(chunk, &c, 1));
	ck_assert(!sys_read_memory(chunk + CHUNK_HEADER_OFFSET - 1, &c, 1));
	ck_assert(sys_read_memory(chunk + CHUNK_HEADER_OFFSET, &c, 1));
	/* The descriptors stand in pages of their own, apart from all slots. */
	ck_assert_uint_le((uintptr_t)(slab + 1) - (uintptr_t)chunk, SLAB_BYTES);
}
END_TEST

START_TEST(carving_gives_each_slot_once)
{
	for (unsigned c = 0; c < SIZE_CLASSES; c++) {
		static unsigned char seen[SLAB_BYTES / SIZE_UNIT_BYTES];
		struct slab *slab = acquire(c, c & 1);
		uint32_t slots = (uint32_t)(SLAB_BYTES / size_class_bytes[c]), taken = 0;
		memset(seen, 0, sizeof seen);
		ck_assert_uint_eq(slab->slots, slots);
		ck_assert_uint_eq(slab->size, size_class_bytes[c]);
		ck_assert_ptr_null(slab->free);
		ck_assert_uint_eq(slab->used, 0);
		while (slab_carve(slab)) {
			ck_assert_uint_le(slab->carved, slots);
			for (void *slot; (slot = slab_pop(slab));) {
				uint32_t index = slab_index(slab, slot);
				ENSURE(slab_is_slot(slab, slot, index), "class %u: %p is no slot", c, slot);
				ENSURE(!seen[index], "class %u: slot %u twice", c, index);
				ENSURE(*(uint64_t *)slot == 0, "the link is still there");
				seen[index] = 1;
				memset(slot, 0xa5, slab->size);
				taken++;
			}
			/* used + free + remote = carved: free and remote are empty now. */
			ck_assert_uint_eq(slab->used, slab->carved);
		}
		ck_assert_uint_eq(taken, slots);
		ck_assert_uint_eq(slab->used, slots);
	}
}
END_TEST

/* Each slot of each class has a bit of its own, and no pointer but a slot's start finds it. */
START_TEST(live_bits)
{
	for (unsigned c = 0; c < SIZE_CLASSES; c++) {
		struct slab *slab = acquire(c, false);
		for (uint32_t i = 0; i < slab->slots; i++) {
			char *slot = slab->base + (size_t)i * slab->size;
			ENSURE(!slot_is_marked(slot) && !slot_unmark(slot), "class %u: slot %u begins live", c, i);
			slot_mark(slot);
		}
		for (size_t at = 0; at < (size_t)slab->slots * slab->size; at++)
			ENSURE(slot_is_marked(slab->base + at) == (at % slab->size == 0), "class %u at %zu", c, at);
		for (uint32_t i = 0; i < slab->slots; i++) {
			char *slot = slab->base + (size_t)i * slab->size;
			ENSURE(!slot_unmark(slot + 1) && slot_unmark(slot) && !slot_unmark(slot), "class %u: slot %u",
			       c, i);
		}
		pool_release(slab);
	}
}
END_TEST

START_TEST(records_begin_empty_whatever_was_there)
{
	struct dice dice = {9};
	for (int round = 0; round < 2000; round++) {
		unsigned c = (unsigned)dice_below(&dice, SIZE_CLASSES);
		struct slab *slab = acquire(c, true);
		for (uint32_t i = 0; i < slab->slots; i++)
			ENSURE(slab->cohorts[i] == 0, "round %d: record %u of class %u", round, i, c);
		/* As allocations leave it: ids back to 0, slack as it was. */
		for (uint32_t i = 0; i < slab->slots; i++)
			slab_slack(slab)[i] = 0xffff;
		pool_release(slab);
		if (round % 500 == 499)
			pool_purge(true);
	}
}
END_TEST

static void count_slab(struct slab *slab, void *context)
{
	(void)slab;
	++*(unsigned *)context;
}

START_TEST(walk_sees_what_is_handed_out)
{
	enum { SLABS = 200 };
	struct slab *slab[SLABS];
	struct pool_usage usage;
	unsigned seen = 0;
	uint64_t record_pages = 0;
	pool_walk(count_slab, &seen, &usage);
	ck_assert_uint_eq(seen, 0);
	ck_assert_uint_eq(usage.mapped_bytes, 0);
	for (unsigned i = 0; i < SLABS; i++) {
		slab[i] = acquire(3, i & 1);
		record_pages += i & 1 ? (slab[i]->slots * 6u + 4095) / 4096 : 0;
	}
	pool_walk(count_slab, &seen, &usage);
	ck_assert_uint_eq(seen, SLABS);
	ck_assert_uint_eq(usage.mapped_bytes, SLABS * SLAB_BYTES);
	ck_assert_uint_eq(usage.record_bytes, record_pages * 4096);
	for (unsigned i = 0; i < SLABS; i += 2)
		pool_release(slab[i]);
	seen = 0;
	pool_walk(count_slab, &seen, &usage);
	ck_assert_uint_eq(seen, SLABS / 2);
	ck_assert_ptr_null(atomic_load(&slab[0]->heap));
}
END_TEST

START_TEST(purge_returns_memory)
{
	enum { SLABS = 400 };
	struct slab *slab[SLABS];
	char *base[SLABS];
	struct pool_usage usage;
	unsigned seen = 0;
	for (unsigned i = 0; i < SLABS; i++) {
		slab[i] = acquire(35, true);
		memset(slab[i]->base, 1, SLAB_BYTES);
		for (uint32_t k = 0; k < slab[i]->slots; k++)
			slab[i]->cohorts[k] = 1;
	}
	for (unsigned i = 0; i < SLABS; i++)
		base[i] = slab[i]->base;
	uint64_t full = resident_kib();
	char *kept = slab[0]->base, *gone = slab[1]->base;
	for (unsigned i = 1; i < SLABS; i++) {
		memset(slab[i]->cohorts, 0, slab[i]->slots * sizeof(uint32_t));
		pool_release(slab[i]);
	}
	/* Not at once: most programs want them back. */
	ck_assert(page_is_resident(gone));
	ck_assert(!pool_purge(false));
	ck_assert(pool_purge(true));
	ck_assert(!pool_purge(true));
	ck_assert_uint_le(resident_kib() + (SLABS - 20) * 64, full);
	ck_assert(page_is_resident(kept));
	ck_assert_int_eq(kept[SLAB_BYTES - 1], 1);
	ck_assert(!page_is_resident(gone));
	pool_walk(count_slab, &seen, &usage);
	ck_assert_uint_eq(seen, 1);
	ck_assert_uint_eq(usage.mapped_bytes, SLAB_BYTES);
	/* Chunks that hold nothing are given up but for one; their addresses are nobody's then. */
	unsigned foreign = 0;
	for (unsigned i = 1; i < SLABS; i++)
		foreign += pool_kind_of(base[i]) == KIND_FOREIGN;
	ck_assert_uint_ge(foreign, SLABS - 3 * 63);
	for (unsigned i = 1; i < SLABS; i++) {
		slab[i] = acquire(0, false);
		ck_assert_ptr_nonnull(slab[i]);
		ck_assert_int_eq(slab[i]->base[77], 0);
		memset(slab[i]->base, 2, SLAB_BYTES);
	}
	ck_assert_int_eq(kept[0], 1);
}
END_TEST

START_TEST(decay_after_a_second)
{
	enum { SLABS = 300 };
	struct slab *slab[SLABS];
	for (unsigned i = 0; i < SLABS; i++) {
		slab[i] = acquire(20, false);
		memset(slab[i]->base, 1, SLAB_BYTES);
	}
	for (unsigned i = 0; i < SLABS; i++)
		pool_release(slab[i]);
	uint64_t full = resident_kib();
	usleep(1300000);
	/* The clock is looked at when slabs change hands. */
	pool_release(acquire(20, false));
	ck_assert_uint_le(resident_kib() + (SLABS - 10) * 64, full);
}
END_TEST

START_TEST(no_memory_and_then_some)
{
	for (int after = 0; after < 3; after++) {
		struct slab *slab[200];
		unsigned count = 0;
		fault_set(SYS_mmap, after, ENOMEM);
		errno = 55;
		while (count < 200 && (slab[count] = acquire(1, after == 2)))
			count++;
		ck_assert_int_eq(errno, 55);
		fault_clear();
		struct slab *again = acquire(1, true);
		ck_assert_ptr_nonnull(again);
		pool_release(again);
		while (count)
			pool_release(slab[--count]);
	}
	/* Unmapping may fail as well (too many mappings): no harm. */
	struct slab *slab[200];
	for (int i = 0; i < 200; i++)
		slab[i] = acquire(1, true);
	for (int i = 0; i < 200; i++)
		pool_release(slab[i]);
	fault_set(SYS_munmap, 0, ENOMEM);
	pool_purge(true);
	fault_clear();
	for (int i = 0; i < 200; i++)
		ck_assert_ptr_nonnull(slab[i] = acquire(1, true));
}
END_TEST

/* A purge that the kernel refuses leaves the memory as it is; records must begin empty all the same. */
START_TEST(purge_that_fails)
{
	struct slab *slab = acquire(30, true);
	for (uint32_t i = 0; i < slab->slots; i++)
		slab_slack(slab)[i] = 0xffff;
	pool_release(slab);
	fault_set(SYS_mmap, 0, ENOMEM);
	pool_purge(true);
	fault_clear();
	slab = acquire(0, true);
	for (uint32_t i = 0; i < slab->slots; i++)
		ENSURE(slab->cohorts[i] == 0, "record %u is not empty", i);
}
END_TEST

START_TEST(nested_call_gets_nothing)
{
	lock_acquire(&pool_lock);
	struct pool_usage usage;
	unsigned seen = 0;
	ck_assert_ptr_null(pool_acquire(owner, 0, false, false));
	pool_walk(count_slab, &seen, &usage);
	lock_release(&pool_lock);
	ck_assert_ptr_nonnull(acquire(0, false));
}
END_TEST

static void limited(void *unused)
{
	(void)unused;
	/* `ulimit -v` with 40 MiB to spare: runs of 64 MiB are halved until they fit. */
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");
	if (!file || fscanf(file, "%lu", &pages) != 1)
		_exit(1);
	fclose(file);
	struct rlimit room = {pages * 4096 + (40 << 20), pages * 4096 + (40 << 20)};
	setrlimit(RLIMIT_AS, &room);
	int count = 0;
	while (acquire(10, false))
		count++;
	_exit(count >= 4 * 63 ? 0 : 2);
}

START_TEST(little_address_space)
{
	char err[100];
	ck_assert_int_eq(death_of(limited, NULL, err, sizeof err), 0);
}
END_TEST

static void *take_and_give(void *argument)
{
	struct dice dice = {(uintptr_t)argument};
	struct slab *mine[40];
	unsigned count = 0;
	for (int i = 0; i < 20000; i++) {
		if (count < 40 && dice_below(&dice, 2)) {
			struct slab *slab =
				acquire((unsigned)dice_below(&dice, SIZE_CLASSES), dice_below(&dice, 2) == 1);
			ENSURE(slab, "no slab");
			*(uint64_t *)slab->base = (uintptr_t)argument;
			mine[count++] = slab;
		} else if (count) {
			struct slab *slab = mine[--count];
			ENSURE(*(uint64_t *)slab->base == (uintptr_t)argument, "two threads have one slab");
			pool_release(slab);
		}
		if (i % 4000 == 0)
			pool_purge(true);
	}
	while (count)
		pool_release(mine[--count]);
	return NULL;
}

START_TEST(threads_share_the_supply)
{
	pthread_t thread[4];
	struct pool_usage usage;
	unsigned seen = 0;
	for (uintptr_t i = 0; i < 4; i++)
		pthread_create(&thread[i], NULL, take_and_give, (void *)(i + 1));
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	pool_walk(count_slab, &seen, &usage);
	ck_assert_uint_eq(seen, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("preload: pool");
	TCase *tests = tcase_create("pool");
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, slab_is_found_from_every_pointer);
	tcase_add_test(tests, kinds_of_other_addresses);
	tcase_add_test(tests, metadata_is_guarded);
	tcase_add_test(tests, carving_gives_each_slot_once);
	tcase_add_test(tests, live_bits);
	tcase_add_test(tests, records_begin_empty_whatever_was_there);
	tcase_add_test(tests, walk_sees_what_is_handed_out);
	tcase_add_test(tests, purge_returns_memory);
	tcase_add_test(tests, decay_after_a_second);
	tcase_add_test(tests, no_memory_and_then_some);
	tcase_add_test(tests, purge_that_fails);
	tcase_add_test(tests, nested_call_gets_nothing);
	tcase_add_test(tests, little_address_space);
	tcase_add_test(tests, threads_share_the_supply);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
