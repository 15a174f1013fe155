/* The countdown's slow side, and estimates; sample.h has the model. */
#include "preload/sites/sample.h"

#include "preload/base/sys.h"
#include "preload/heap/guard.h"

#include <sys/single_threaded.h>

/*
 * A thread in a tight loop of allocations has nearly always a store under way that covers ours: about one round in ten
 * gets through.
 */
enum { BEGIN_ROUNDS = 10000 };

uint64_t sample_bytes;

/* By class: what poisson_weight() says. */
static uint64_t sample_weights[SAMPLE_CLASSES + 1];

void sample_init(uint64_t bytes)
{
	sample_bytes = bytes;
	for (unsigned class = 0; bytes && class < SAMPLE_CLASSES; class ++)
		sample_weights[class] = poisson_weight(sample_class_bytes(class), bytes);
	sample_weights[SAMPLE_CLASS_UNKNOWN] = UINT64_C(1) << POISSON_UNIT_BITS;
}

struct sample_sum sample_estimate(unsigned class, uint64_t blocks, uint64_t bytes)
{
	if (!sample_bytes)
		return (struct sample_sum){bytes, blocks};
	const uint64_t half = UINT64_C(1) << (POISSON_UNIT_BITS - 1);
	uint64_t weight = sample_weights[class];
	return (struct sample_sum){
		(uint64_t)(((unsigned __int128)bytes * weight + half) >> POISSON_UNIT_BITS),
		blocks * weight,
	};
}

uint64_t sample_whole(uint64_t blocks)
{
	const uint64_t half = UINT64_C(1) << (POISSON_UNIT_BITS - 1);
	return sample_bytes ? (blocks + half) >> POISSON_UNIT_BITS : blocks;
}

static enum sample_mode mode_now(void)
{
	if (guard_on)
		return SAMPLE_GUARDED;
	return !recording_is_on() ? SAMPLE_NONE : sample_bytes ? SAMPLE_SOME : SAMPLE_ALL;
}

/* Bytes that pass before the one that is chosen next. */
static int64_t next_distance(struct heap *heap)
{
	if (!heap->sample_random)
		heap->sample_random = (uint64_t)(uintptr_t)heap ^ pool_key ^ sys_monotonic_ns();
	return (int64_t)poisson_gap(poisson_bits(&heap->sample_random), sample_bytes) - 1;
}

static void countdown_start(struct heap *heap, enum sample_mode mode)
{
	int64_t distance = mode == SAMPLE_NONE ? INT64_MAX : mode == SAMPLE_SOME ? next_distance(heap) : 0;
	atomic_store_explicit(&heap->sample_mode, (uint8_t)mode, memory_order_relaxed);
	__atomic_store_n(&heap->x_until_sample, distance, __ATOMIC_RELAXED);
}

/*
 * Starts the countdown for what holds now, and checks again: a caller that switches recording on in between either is
 * seen here or sees the countdown that was set.
 */
static void countdown_settle(struct heap *heap)
{
	enum sample_mode mode;
	do {
		mode = mode_now();
		countdown_start(heap, mode);
		atomic_thread_fence(memory_order_seq_cst);
	} while (mode != mode_now());
}

bool sample_due(struct heap *heap, size_t size)
{
	while (!sample_is_all(heap)) {
		enum sample_mode mode = mode_now();
		if (atomic_load_explicit(&heap->sample_mode, memory_order_relaxed) != mode) {
			countdown_settle(heap);
		} else if (mode == SAMPLE_GUARDED) {
			return recording_is_on();
		} else if (mode == SAMPLE_SOME) {
			if (sample_spend(heap, sample_class_bytes(sample_class_of(size))))
				return false;
			countdown_start(heap, mode);
			return true;
		} else if (mode == SAMPLE_NONE) {
			if (__atomic_load_n(&heap->x_until_sample, __ATOMIC_RELAXED) > 0)
				return false;
			countdown_settle(heap); /* sample_begin() has ended it */
		}
	}
	return true;
}

bool sample_passes(struct heap *heap, size_t size)
{
	if (mode_now() != SAMPLE_SOME)
		return true;
	if (atomic_load_explicit(&heap->sample_mode, memory_order_relaxed) != SAMPLE_SOME)
		countdown_settle(heap);
	uint64_t bytes = sample_class_bytes(sample_class_of(size));
	if (sample_spend(heap, bytes))
		return true;
	sample_refund(heap, bytes);
	return false;
}

/* Ends the countdowns that run without recording. Whether there was one. */
static bool countdowns_end(void)
{
	bool any = false;
	for (struct heap *heap = heap_first(); heap; heap = heap->next_heap) {
		if (atomic_load_explicit(&heap->sample_mode, memory_order_relaxed) != SAMPLE_NONE ||
		    __atomic_load_n(&heap->x_until_sample, __ATOMIC_RELAXED) <= 0)
			continue;
		__atomic_store_n(&heap->x_until_sample, 0, __ATOMIC_RELAXED);
		any = true;
	}
	return any;
}

void sample_begin(void)
{
	atomic_thread_fence(memory_order_seq_cst);
	for (int round = 0; round < BEGIN_ROUNDS && countdowns_end(); round++)
		if (!__libc_single_threaded)
			sys_barrier();
}

void sample_fork_child(struct heap *mine)
{
	if (!heap_is_real(mine) || atomic_load_explicit(&mine->sample_mode, memory_order_relaxed) != SAMPLE_SOME)
		return;
	/* The process has no memory of where it is: a new distance is as good as the rest of the old one. */
	mine->sample_random ^= sys_monotonic_ns() + ((uint64_t)sys_getpid() << 32);
	countdown_start(mine, SAMPLE_SOME);
}
