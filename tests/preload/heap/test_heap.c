/*
 * The heaps behind malloc and free: a model with random calls, remote frees, threads that come and go, nested calls
 * from signals, and what is done about a program that damages its heap.
 */
#include "preload/heap/heap.h"

#include "preload/base/losses.h"
#include "preload/heap/damage.h"
#include "tests/preload/renamed.h"
#include "tests/preload/unit.h"

struct block {
	unsigned char *p;
	size_t size;
	uint64_t seed;
};

static void fill(struct block *block)
{
	struct dice dice = {block->seed};
	for (size_t i = 0; i < block->size; i += 8) {
		uint64_t word = dice_next(&dice);
		memcpy(block->p + i, &word, block->size - i < 8 ? block->size - i : 8);
	}
}

/* The first `size` bytes are as fill() left them. */
static bool intact(const struct block *block, size_t size)
{
	struct dice dice = {block->seed};
	for (size_t i = 0; i < size; i += 8) {
		uint64_t word = dice_next(&dice);
		if (memcmp(block->p + i, &word, size - i < 8 ? size - i : 8) != 0)
			return false;
	}
	return true;
}

static size_t random_size(struct dice *dice)
{
	switch (dice_below(dice, 20)) {
	case 0:
		return 0;
	case 1:
		return dice_below(dice, 300000);
	case 2:
	case 3:
		return dice_below(dice, SMALL_MAX_BYTES + 200);
	case 4:
		return size_class_bytes[dice_below(dice, SIZE_CLASSES)] + dice_below(dice, 3) - 1;
	default:
		return dice_below(dice, 600);
	}
}

static void sum_used(struct slab *slab, void *context)
{
	*(uint64_t *)context += slab->used;
}

static uint64_t slots_in_use(void)
{
	struct pool_usage usage;
	uint64_t used = 0;
	uint64_t recent_slots, recent_bytes;
	pool_walk(sum_used, &used, &usage);
	heap_recent(&recent_slots, &recent_bytes);
	return used - recent_slots;
}

static uint64_t pool_bytes(void)
{
	struct pool_usage usage;
	uint64_t used = 0;
	pool_walk(sum_used, &used, &usage);
	return usage.mapped_bytes;
}

static uint64_t slots_recent(void)
{
	uint64_t slots, bytes;
	heap_recent(&slots, &bytes);
	ck_assert_uint_ge(bytes, slots * SIZE_UNIT_BYTES);
	return slots;
}

static void *allocate_somehow(struct dice *dice, size_t *size, size_t *alignment)
{
	void *p = NULL;
	*size = random_size(dice);
	*alignment = 16;
	switch (dice_below(dice, 8)) {
	case 0:
		p = mud_calloc(1, *size);
		for (size_t i = 0; i < *size; i++)
			ENSURE(((unsigned char *)p)[i] == 0, "calloc(%zu) is not zero at %zu", *size, i);
		return p;
	case 1:
		*alignment = (size_t)16 << dice_below(dice, 12);
		return mud_aligned_alloc(*alignment, *size);
	case 2:
		*alignment = (size_t)8 << dice_below(dice, 14);
		ENSURE(mud_posix_memalign(&p, *alignment, *size) == 0, "posix_memalign(%zu, %zu)", *alignment, *size);
		return p;
	default:
		return mud_malloc(*size);
	}
}

/* One thread against a shadow array: alignment, contents, usable size, and as many slots in use as there should be. */
static void run_model(uint64_t seed, int rounds)
{
	enum { BLOCKS = 3000 };
	static struct block block[BLOCKS];
	struct dice dice = {seed};
	uint64_t before = slots_in_use();
	memset(block, 0, sizeof block);
	for (int round = 0; round < rounds; round++) {
		struct block *b = &block[dice_below(&dice, BLOCKS)];
		if (!b->p) {
			size_t alignment;
			b->p = allocate_somehow(&dice, &b->size, &alignment);
			ENSURE(b->p, "no block of %zu bytes", b->size);
			ENSURE((uintptr_t)b->p % alignment == 0 && (uintptr_t)b->p % 16 == 0,
			       "%p is not aligned to %zu", (void *)b->p, alignment);
			ENSURE(mud_malloc_usable_size(b->p) >= b->size, "usable size of %zu bytes", b->size);
		} else if (dice_below(&dice, 3) == 0) {
			ENSURE(intact(b, b->size), "contents of %zu bytes at %p", b->size, (void *)b->p);
			size_t size = random_size(&dice) + 1;
			unsigned char *moved = mud_realloc(b->p, size);
			ENSURE(moved, "no realloc to %zu bytes", size);
			b->p = moved;
			ENSURE(intact(b, b->size < size ? b->size : size),
			       "realloc from %zu to %zu bytes lost contents", b->size, size);
			b->size = size;
			ENSURE((uintptr_t)moved % 16 == 0, "realloc'ed block is not aligned");
		} else {
			ENSURE(intact(b, b->size), "contents of %zu bytes at %p", b->size, (void *)b->p);
			mud_free(b->p);
			b->p = NULL;
			continue;
		}
		b->seed = dice_next(&dice);
		fill(b);
	}
	uint64_t small = 0;
	for (int i = 0; i < BLOCKS; i++) {
		if (!block[i].p)
			continue;
		ENSURE(intact(&block[i], block[i].size), "contents at the end");
		small += pool_kind_of(block[i].p) == KIND_POOL;
	}
	ck_assert_uint_eq(slots_in_use() - before, small);
	for (int i = 0; i < BLOCKS; i++)
		mud_free(block[i].p);
	ck_assert_uint_eq(slots_in_use(), before);
	ck_assert_uint_eq(loss_value(LOSS_BAD_FREES), 0);
	ck_assert_uint_eq(loss_value(LOSS_FOREIGN_FREES), 0);
}

START_TEST(model_plain)
{
	prepare_allocator();
	run_model((uint64_t)_i + 1, 100000);
}
END_TEST

START_TEST(model_recorded)
{
	prepare_recording();
	run_model((uint64_t)_i + 100, 60000);
	/* All was freed: the books are closed. */
	ck_assert_int_eq(totals_live_blocks(), 0);
	ck_assert_int_eq(totals_live_bytes(), 0);
}
END_TEST

/* Recording that comes and goes: blocks are freed as what they were born as. */
START_TEST(model_switched)
{
	enum { BLOCKS = 500 };
	static struct block block[BLOCKS];
	struct dice dice = {33};
	prepare_recording();
	for (int round = 0; round < 100000; round++) {
		struct block *b = &block[dice_below(&dice, BLOCKS)];
		if (round % 2000 == 0)
			recording_start();
		else if (round % 1000 == 0)
			atomic_store(&recording_active, false);
		if (b->p) {
			ENSURE(intact(b, b->size), "contents");
			if (dice_below(&dice, 2)) {
				mud_free(b->p);
				b->p = NULL;
				continue;
			}
			size_t size = random_size(&dice) + 1;
			b->p = mud_realloc(b->p, size);
			ENSURE(intact(b, b->size < size ? b->size : size), "contents after realloc");
			b->size = size;
		} else {
			b->size = random_size(&dice);
			b->p = mud_malloc(b->size);
		}
		b->seed = dice_next(&dice);
		fill(b);
	}
	for (int i = 0; i < BLOCKS; i++)
		mud_free(block[i].p);
	ck_assert_int_eq(totals_live_blocks(), 0);
	ck_assert_int_eq(totals_live_bytes(), 0);
}
END_TEST

/* Threads that exchange blocks: each writes into what it got from anywhere, frees what others allocated. */
enum { SHARED = 512, EXCHANGERS = 6 };
static _Atomic(struct block *) shared[SHARED];
static int exchange_rounds;

static void *exchange(void *argument)
{
	struct dice dice = {(uintptr_t)argument};
	for (int i = 0; i < exchange_rounds; i++) {
		struct block *b = mud_malloc(sizeof *b);
		b->size = dice_below(&dice, 10) ? dice_below(&dice, 400) : dice_below(&dice, 40000);
		b->seed = dice_next(&dice);
		b->p = mud_malloc(b->size);
		ENSURE(b->p, "no block of %zu bytes", b->size);
		fill(b);
		b = atomic_exchange(&shared[dice_below(&dice, SHARED)], b);
		if (!b)
			continue;
		ENSURE(intact(b, b->size), "a block of %zu bytes at %p was given to two", b->size, (void *)b->p);
		if (dice_below(&dice, 4) == 0) {
			b->p = mud_realloc(b->p, b->size + 100);
			ENSURE(intact(b, b->size), "realloc of another thread's block");
		}
		mud_free(b->p);
		mud_free(b);
	}
	return NULL;
}

static void run_exchange(int generations, int rounds)
{
	exchange_rounds = rounds;
	for (int generation = 0; generation < generations; generation++) {
		pthread_t thread[EXCHANGERS];
		for (uintptr_t i = 0; i < EXCHANGERS; i++)
			pthread_create(&thread[i], NULL, exchange, (void *)(i + 1 + (uintptr_t)generation * 100));
		for (int i = 0; i < EXCHANGERS; i++)
			pthread_join(thread[i], NULL);
	}
	for (int i = 0; i < SHARED; i++) {
		struct block *b = atomic_load(&shared[i]);
		if (!b)
			continue;
		ENSURE(intact(b, b->size), "contents at the end");
		mud_free(b->p);
		mud_free(b);
	}
	/* What was freed remotely is still on the lists of its slabs. */
	struct heap *heap = heap_enter();
	heap_attach(&heap);
	heap_tidy(heap);
	heap_leave(heap);
	ck_assert_uint_eq(slots_in_use(), 0);
	ck_assert_uint_eq(loss_value(LOSS_BAD_FREES), 0);
}

START_TEST(threads_exchange_plain)
{
	prepare_allocator();
	run_exchange(5, 15000);
}
END_TEST

START_TEST(threads_exchange_recorded)
{
	prepare_recording();
	run_exchange(5, 6000);
	ck_assert_int_eq(totals_live_blocks(), 0);
	ck_assert_int_eq(totals_live_bytes(), 0);
}
END_TEST

/* Blocks that one thread allocates and another frees come back to the first: memory does not grow. */
enum { HANDED = 20000 };
static void *handed[HANDED];

static void *free_all(void *unused)
{
	(void)unused;
	for (int i = 0; i < HANDED; i++)
		mud_free(handed[i]);
	return NULL;
}

START_TEST(remote_frees_come_back)
{
	uint64_t first = 0;
	prepare_allocator();
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < HANDED; i++)
			handed[i] = memset(mud_malloc(100), round, 100);
		if (round == 0)
			first = pool_bytes();
		pthread_t thread;
		pthread_create(&thread, NULL, free_all, NULL);
		pthread_join(thread, NULL);
	}
	ck_assert_uint_le(pool_bytes(), first + 4 * SLAB_BYTES);
	ck_assert_uint_eq(loss_value(LOSS_BAD_FREES), 0);
}
END_TEST

static unsigned heaps_count(void)
{
	unsigned count = 0;
	for (struct heap *heap = heap_first(); heap; heap = heap->next_heap)
		count++;
	return count;
}

static void *leave_blocks(void *argument)
{
	for (int i = 0; i < 50; i++)
		((void **)argument)[i] = memset(mud_malloc(200), 7, 200);
	for (int i = 50; i < 500; i++)
		mud_free(mud_malloc((size_t)i));
	return NULL;
}

START_TEST(ended_threads_heaps_are_adopted)
{
	static void *block[2000][50];
	prepare_allocator();
	mud_free(mud_malloc(1));
	unsigned before = heaps_count();
	for (int i = 0; i < 2000; i++) {
		pthread_t thread;
		pthread_create(&thread, NULL, leave_blocks, block[i]);
		pthread_join(thread, NULL);
		for (int k = 0; i >= 100 && k < 50; k++)
			mud_free(block[i - 100][k]);
	}
	ck_assert_uint_le(heaps_count(), before + 1);
	/* 5000 blocks live in 200-byte slots (16 slabs), and some slabs of other classes. */
	ck_assert_uint_le(pool_bytes(), 80 * SLAB_BYTES);
	for (int i = 1900; i < 2000; i++) {
		for (int k = 0; k < 50; k++) {
			ENSURE(((unsigned char *)block[i][k])[199] == 7, "a block of an ended thread changed");
			mud_free(block[i][k]);
		}
	}
	mud_malloc_trim(0);
	ck_assert_uint_eq(slots_in_use(), 0);
}
END_TEST

static pthread_barrier_t all_allocated;

static void *allocate_and_wait(void *argument)
{
	(void)argument;
	void *p = mud_malloc(64);
	pthread_barrier_wait(&all_allocated);
	mud_free(p);
	return NULL;
}

START_TEST(orphans_are_adopted_by_many)
{
	enum { THREADS = 64 };
	unsigned after_first = 0;
	prepare_allocator();
	for (int generation = 0; generation < 10; generation++) {
		pthread_t thread[THREADS];
		pthread_barrier_init(&all_allocated, NULL, THREADS);
		for (int i = 0; i < THREADS; i++)
			pthread_create(&thread[i], NULL, allocate_and_wait, NULL);
		for (int i = 0; i < THREADS; i++)
			pthread_join(thread[i], NULL);
		if (generation == 0)
			after_first = heaps_count();
	}
	ck_assert_uint_eq(heaps_count(), after_first);
	ck_assert_uint_le(pool_bytes(), (THREADS + 8) * SLAB_BYTES);
}
END_TEST

START_TEST(trim_returns_memory)
{
	enum { BLOCKS = 60000 };
	static void *block[BLOCKS];
	prepare_allocator();
	mud_free(mud_malloc(1));
	uint64_t before = resident_kib();
	for (int i = 0; i < BLOCKS; i++)
		block[i] = memset(mud_malloc(1000), 1, 1000);
	ck_assert_uint_ge(resident_kib(), before + 55000);
	for (int i = 0; i < BLOCKS; i++)
		mud_free(block[i]);
	ck_assert_int_eq(mud_malloc_trim(0), 1);
	ck_assert_uint_le(resident_kib(), before + 3000);
	ck_assert_uint_eq(slots_in_use(), 0);
}
END_TEST

/* A handler at 1 kHz that allocates and frees, blocks of its own and of the program's. */
static struct block handlers[64];
static _Atomic int handler_calls;
static _Atomic(void *) given; /* a block that the program wants the handler to free */

static void on_tick(int number)
{
	(void)number;
	int saved = errno;
	static struct dice dice = {77};
	for (int i = 0; i < 8; i++) {
		struct block *b = &handlers[dice_below(&dice, 64)];
		if (b->p) {
			if (!intact(b, b->size))
				abort();
			mud_free(b->p);
			b->p = NULL;
			continue;
		}
		b->size = dice_below(&dice, 9) ? dice_below(&dice, 500) : dice_below(&dice, 60000);
		b->p = mud_malloc(b->size);
		if (!b->p || errno != saved)
			abort();
		b->seed = dice_next(&dice);
		fill(b);
	}
	mud_free(atomic_exchange(&given, NULL));
	atomic_fetch_add(&handler_calls, 1);
	errno = saved;
}

static void run_under_ticks(int wanted)
{
	enum { BLOCKS = 256 };
	static struct block block[BLOCKS];
	struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct itimerspec period = {{0, 1000000}, {0, 1000000}}, stop = {{0, 0}, {0, 0}};
	struct dice dice = {88};
	timer_t timer;
	sigaction(SIGUSR1, &action, NULL);
	timer_create(CLOCK_MONOTONIC, &event, &timer);
	timer_settime(timer, 0, &period, NULL);
	while (atomic_load(&handler_calls) < wanted) {
		struct block *b = &block[dice_below(&dice, BLOCKS)];
		if (b->p) {
			ENSURE(intact(b, b->size), "contents under signals");
			if (b->size % 8 == 0)
				b->p = atomic_exchange(&given, b->p);
			mud_free(b->p);
			b->p = NULL;
		} else {
			b->size = random_size(&dice);
			b->p = mud_malloc(b->size);
			ENSURE(b->p, "no memory under signals");
			b->seed = dice_next(&dice);
			fill(b);
		}
	}
	timer_settime(timer, 0, &stop, NULL);
	timer_delete(timer);
	usleep(2000);
	for (int i = 0; i < BLOCKS; i++)
		mud_free(block[i].p);
	for (int i = 0; i < 64; i++)
		mud_free(handlers[i].p);
	mud_free(atomic_exchange(&given, NULL));
	mud_malloc_trim(0);
	ck_assert_uint_eq(loss_value(LOSS_BAD_FREES), 0);
	ck_assert_uint_eq(lock_depth, 0);
}

START_TEST(signals_plain)
{
	prepare_allocator();
	run_under_ticks(1000);
}
END_TEST

START_TEST(signals_recorded)
{
	prepare_recording();
	run_under_ticks(1000);
	ck_assert_uint_gt(loss_value(LOSS_NESTED_BLOCKS), 0);
}
END_TEST

/* A recorded block that is freed in a nested call, or after the thread's end, leaves the running total as well. */
START_TEST(nested_frees_are_subtracted)
{
	prepare_recording();
	void *block[1000];
	for (int i = 0; i < 1000; i++)
		block[i] = mud_malloc(100);
	struct heap *heap = heap_enter();
	for (int i = 0; i < 1000; i++)
		mud_free(block[i]);
	heap_leave(heap);
	mud_free(mud_malloc(1));
	ck_assert_int_eq(totals_live_blocks(), 0);
	ck_assert_int_eq(totals_live_bytes(), 0);
}
END_TEST

/* No memory at all: NULL and ENOMEM, and then it goes on. */
START_TEST(no_memory)
{
	static void *block[100000];
	prepare_allocator();
	mud_free(mud_malloc(1));
	fault_set(SYS_mmap, 0, ENOMEM);
	int count = 0;
	while (count < 100000 && (block[count] = mud_malloc(1000)))
		count++;
	ck_assert_int_lt(count, 100000);
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert_ptr_null(mud_calloc(1, 1000));
	void *kept = block[count - 1];
	memset(kept, 9, 1000);
	ck_assert_ptr_null(mud_realloc(kept, 5000));
	ck_assert_int_eq(((unsigned char *)kept)[999], 9);
	void *out = &out;
	errno = 11;
	ck_assert_int_eq(mud_posix_memalign(&out, 64, 5000), ENOMEM);
	ck_assert_ptr_eq(out, &out);
	ck_assert_int_eq(errno, ENOMEM);
	fault_clear();
	ck_assert_ptr_nonnull(mud_malloc(1000));
	while (count)
		mud_free(block[--count]);
	ck_assert_ptr_nonnull(mud_malloc(100000));
}
END_TEST

/* Damage. Each act must be named, exactly, and not hurt a program that goes on. */
static void double_free(void *p)
{
	mud_free(p);
	mud_free(p);
}

static void double_free_later(void *p)
{
	void *others[20];
	for (int i = 0; i < 20; i++)
		others[i] = mud_malloc(100);
	mud_free(p);
	for (int i = 0; i < 20; i++)
		mud_free(others[i]);
	mud_free(p);
}

static void interior_free(void *p)
{
	mud_free((char *)p + 16);
}

static void misaligned_free(void *p)
{
	mud_free((char *)p + 1);
}

static void realloc_freed(void *p)
{
	mud_free(p);
	if (mud_realloc(p, 40))
		_exit(9);
}

static void realloc_interior(void *p)
{
	if (mud_realloc((char *)p + 32, 4000))
		_exit(9);
}

static void write_to_freed(void *p)
{
	mud_free(p);
	memset(p, 0x41, 100);
	for (int i = 0; i < 10; i++)
		if (mud_malloc(100) == NULL)
			_exit(9);
}

static void one_bit_in_freed(void *p)
{
	mud_free(p);
	((unsigned char *)p)[3] ^= 1;
	for (int i = 0; i < 10; i++)
		if (mud_malloc(100) == NULL)
			_exit(9);
}

static void overflow_into_free(void *p)
{
	/* Slots of 112 bytes stand side by side; the next one is free, with its link at the start. */
	memset(p, 0x42, 120);
	for (int i = 0; i < 100; i++)
		if (mud_malloc(100) == NULL)
			_exit(9);
}

static void *free_it(void *p)
{
	mud_free(p);
	return NULL;
}

static void double_free_remote(void *p)
{
	pthread_t thread;
	for (int i = 0; i < 2; i++) {
		pthread_create(&thread, NULL, free_it, p);
		pthread_join(thread, NULL);
	}
}

static void double_free_remote_then_local(void *p)
{
	pthread_t thread;
	pthread_create(&thread, NULL, free_it, p);
	pthread_join(thread, NULL);
	mud_free(p);
}

static void write_to_remotely_freed(void *p)
{
	static void *block[5000];
	pthread_t thread;
	pthread_create(&thread, NULL, free_it, p);
	pthread_join(thread, NULL);
	memset(p, 0x43, 100);
	for (int i = 0; i < 5000; i++)
		if (!(block[i] = mud_malloc(100)))
			_exit(9);
}

static void free_of_a_slab_never_given(void *p)
{
	/* The last slab of the chunk: nothing has been handed out there yet. */
	mud_free((void *)(((uintptr_t)p & ~(CHUNK_BYTES - 1)) + 63 * SLAB_BYTES + 64));
}

static void free_of_a_slot_never_carved(void *p)
{
	mud_free((void *)(((uintptr_t)p & ~(SLAB_BYTES - 1)) + 500 * 112));
}

static const char twice[] = "double free", inside[] = "free of a pointer that is not the start of a block",
		  freed[] = "write to freed memory",
		  realloc_inside[] = "realloc of a pointer that is not the start of a block";

static const struct {
	const char *name;
	void (*act)(void *);
	const char *what;
	const char *or_what; /* another name that is right as well */
} damages[] = {
	{"double free", double_free, twice, NULL},
	{"double free later", double_free_later, twice, NULL},
	{"interior free", interior_free, inside, NULL},
	{"misaligned free", misaligned_free, inside, NULL},
	{"realloc of a freed block", realloc_freed, "realloc of a freed block", realloc_inside},
	{"realloc of an interior pointer", realloc_interior, inside, realloc_inside},
	{"write to a freed block", write_to_freed, freed, NULL},
	{"one bit in a freed block", one_bit_in_freed, freed, NULL},
	{"overflow into a free slot", overflow_into_free, freed, NULL},
	{"double free by another thread", double_free_remote, twice, NULL},
	{"double free, the first by another thread", double_free_remote_then_local, twice, NULL},
	{"write to a block freed by another thread", write_to_remotely_freed, freed, NULL},
	{"free in a slab never handed out", free_of_a_slab_never_given, inside, NULL},
	{"free of a slot never handed out", free_of_a_slot_never_carved, inside, NULL},
};

struct misuse {
	void (*act)(void *);
	enum damage_policy policy;
	bool recorded;
};

static void misuse(void *argument)
{
	const struct misuse *misuse = argument;
	if (misuse->recorded)
		prepare_recording();
	else
		prepare_allocator();
	damage_policy = misuse->policy;
	errno = 66;
	void *p = mud_malloc(100);
	misuse->act(p);
	if (misuse->policy == DAMAGE_ABORT)
		_exit(7);
	/* Counted, errno kept where it must be, and the heap is as good as before. */
	if (loss_value(LOSS_BAD_FREES) == 0)
		_exit(8);
	for (int i = 0; i < 10000; i++) {
		unsigned char *q = mud_malloc((size_t)i % 900);
		memset(q, i, (size_t)i % 900);
		if (i % 3)
			mud_free(q);
	}
	_exit(0);
}

START_TEST(damage)
{
	char err[2000], expected[200];
	const char *what = damages[_i].what, *or_what = damages[_i].or_what;
	for (int recorded = 0; recorded < 2; recorded++) {
		struct misuse act = {damages[_i].act, DAMAGE_ABORT, recorded};
		int status = death_of(misuse, &act, err, sizeof err);
		ck_assert_msg(status == 128 + SIGABRT, "%s: status %d: %s", damages[_i].name, status, err);
		snprintf(expected, sizeof expected, "mudlark: %s at 0x", what);
		if (strncmp(err, expected, strlen(expected)) != 0 && or_what)
			snprintf(expected, sizeof expected, "mudlark: %s at 0x", or_what);
		ck_assert_msg(strncmp(err, expected, strlen(expected)) == 0, "%s: %s", damages[_i].name, err);
		ck_assert_msg(strstr(err, " in process ") && strchr(err, '\n') == err + strlen(err) - 1, "%s: %s",
			      damages[_i].name, err);
		act.policy = DAMAGE_REPORT;
		status = death_of(misuse, &act, err, sizeof err);
		ck_assert_msg(status == 0, "%s, reported: status %d: %s", damages[_i].name, status, err);
		ck_assert_msg(strncmp(err, expected, strlen(expected)) == 0, "%s, reported: %s", damages[_i].name, err);
		act.policy = DAMAGE_IGNORE;
		status = death_of(misuse, &act, err, sizeof err);
		ck_assert_msg(status == 0, "%s, ignored: status %d: %s", damages[_i].name, status, err);
		ck_assert_str_eq(err, "");
	}
}
END_TEST

/* No block that a sound program frees is taken for a damaged one, whatever it holds. */
START_TEST(no_false_alarms)
{
	prepare_allocator();
	struct dice dice = {12};
	for (int i = 0; i < 300000; i++) {
		uint64_t *p = mud_malloc(64);
		switch (i % 5) {
		case 0:
			p[0] = (uintptr_t)p;
			break;
		case 1:
			p[0] = 0;
			break;
		case 2:
			p[0] = UINT64_MAX;
			break;
		case 3:
			p[0] = (uintptr_t)p + dice_below(&dice, SLAB_BYTES);
			break;
		default:
			p[0] = dice_next(&dice);
			break;
		}
		mud_free(p);
	}
	ck_assert_uint_eq(loss_value(LOSS_BAD_FREES), 0);
}
END_TEST

START_TEST(foreign_blocks_go_on)
{
	prepare_allocator();
	char *p = strdup("of libc's own");
	char *moved = mud_realloc(p, 20000);
	ck_assert_str_eq(moved, "of libc's own");
	mud_free(moved);
	mud_free(strdup("another"));
	ck_assert_uint_eq(loss_value(LOSS_FOREIGN_FREES), 2);
	ck_assert_uint_ge(mud_malloc_usable_size(strdup("12345678901234567")), 18);
	ck_assert_uint_eq(loss_value(LOSS_BAD_FREES), 0);
}
END_TEST

/* What was freed last is allocated first, in each class; what is more than its room goes to the slabs. */
START_TEST(recent_first)
{
	enum { BLOCKS = 200 };
	static void *block[BLOCKS];
	prepare_allocator();
	mud_free(mud_malloc(1));
	mud_malloc_trim(0);
	for (unsigned c = 0; c < SIZE_CLASSES; c++) {
		size_t size = size_class_bytes[c];
		size_t room = RECENT_BYTES / size < RECENT_SLOTS ? RECENT_BYTES / size : RECENT_SLOTS - 1;
		uint64_t used = slots_in_use();
		for (int i = 0; i < BLOCKS; i++)
			block[i] = mud_malloc(size);
		for (int i = 0; i < BLOCKS; i++)
			mud_free(block[i]);
		ENSURE(slots_in_use() == used, "%zu bytes: %zu slots in use", size, (size_t)(slots_in_use() - used));
		ENSURE(slots_recent() == room, "%zu bytes: %zu recent slots", size, (size_t)slots_recent());
		for (size_t i = room; i-- > 0;) {
			void *p = mud_malloc(size);
			ENSURE(p == block[i], "%zu bytes: %p instead of %p", size, p, block[i]);
		}
		ENSURE(slots_recent() == 0, "%zu bytes: still recent slots", size);
		for (size_t i = 0; i < room; i++)
			mud_free(block[i]);
		mud_malloc_trim(0);
		ENSURE(slots_recent() == 0, "%zu bytes: recent slots after trim", size);
	}
	ck_assert_uint_eq(loss_value(LOSS_BAD_FREES), 0);
}
END_TEST

static void *free_some_and_end(void *unused)
{
	void *block[10];
	for (int i = 0; i < 10; i++)
		block[i] = mud_malloc(50);
	for (int i = 0; i < 10; i++)
		mud_free(block[i]);
	ENSURE(slots_recent() == 10, "%zu recent slots", (size_t)slots_recent());
	return unused;
}

START_TEST(ended_threads_keep_no_slots)
{
	pthread_t thread;
	prepare_allocator();
	pthread_create(&thread, NULL, free_some_and_end, NULL);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(slots_recent(), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("preload: heap");
	TCase *tests = tcase_create("heap");
	tcase_set_timeout(tests, 90);
	tcase_add_loop_test(tests, model_plain, 0, 3);
	tcase_add_loop_test(tests, model_recorded, 0, 2);
	tcase_add_test(tests, model_switched);
	tcase_add_test(tests, threads_exchange_plain);
	tcase_add_test(tests, threads_exchange_recorded);
	tcase_add_test(tests, remote_frees_come_back);
	tcase_add_test(tests, ended_threads_heaps_are_adopted);
	tcase_add_test(tests, orphans_are_adopted_by_many);
	tcase_add_test(tests, recent_first);
	tcase_add_test(tests, ended_threads_keep_no_slots);
	tcase_add_test(tests, trim_returns_memory);
	tcase_add_test(tests, signals_plain);
	tcase_add_test(tests, signals_recorded);
	tcase_add_test(tests, nested_frees_are_subtracted);
	tcase_add_test(tests, no_memory);
	tcase_add_loop_test(tests, damage, 0, (int)(sizeof damages / sizeof damages[0]));
	tcase_add_test(tests, no_false_alarms);
	tcase_add_test(tests, foreign_blocks_go_on);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
