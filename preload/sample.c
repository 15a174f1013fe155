/* The countdown's slow side; sample.h has the model. */
#include "preload/sample.h"

#include "preload/record.h"
#include "preload/sys.h"

#include <sys/single_threaded.h>

/* Where the kernel has no barrier for us, as many looks make it improbable that a thread stores over ours in each. */
enum { BEGIN_ROUNDS = 100 };

static enum sample_mode mode_now(void)
{
	return record_is_on() ? SAMPLE_ALL : SAMPLE_NONE;
}

static void countdown_start(struct heap *heap, enum sample_mode mode)
{
	atomic_store_explicit(&heap->sample_mode, (uint8_t)mode, memory_order_relaxed);
	__atomic_store_n(&heap->x_until_sample, mode == SAMPLE_NONE ? INT64_MAX : 0, __ATOMIC_RELAXED);
}

/*
 * Starts the countdown for what holds now, and looks again: whoever switches recording on in between either is seen
 * here or sees the countdown that was set.
 */
static enum sample_mode countdown_settle(struct heap *heap)
{
	enum sample_mode mode;
	do {
		mode = mode_now();
		countdown_start(heap, mode);
		atomic_thread_fence(memory_order_seq_cst);
	} while (mode != mode_now());
	return mode;
}

bool sample_due(struct heap *heap, size_t size)
{
	enum sample_mode mode = mode_now();
	if (atomic_load_explicit(&heap->sample_mode, memory_order_relaxed) != mode)
		mode = countdown_settle(heap);
	if (mode == SAMPLE_NONE && !sample_spend(heap, size))
		mode = countdown_settle(heap); /* sample_begin() ended it */
	return mode == SAMPLE_ALL;
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
