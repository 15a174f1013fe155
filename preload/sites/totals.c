/* Live total, high-water mark and timeline; totals.h has the rules. */
#include "preload/sites/totals.h"

#include "preload/base/sys.h"
#include "preload/sites/sample.h"

#include <string.h>

enum {
	PORTION_MIN = 64,
	PORTION_MAX = 1 << 20,
	FALL_SHIFT = 9,         /* 1/512 */
	TOGETHER_SHIFT = 8,     /* 1/256: what several threads hold back; less, and those of a small heap meet often */
	PEAK_RISE_SHIFT = 8,    /* 1/256; */
	PEAK_RISE_MORE = 9,     /* and 1/512 more while one thread alone holds back less */
	FLUSHES_PER_CLOCK = 16, /* the clock is read at every 16th flush of a heap */
	TIMELINE_FIRST_NS = 1000000,
};

_Atomic int64_t totals_portion = PORTION_MIN;
struct lock timeline_lock = LOCK_INIT(RANK_TIMELINE);

static struct {
	_Alignas(64) _Atomic int64_t live_bytes;
	_Atomic int64_t live_blocks;
	_Alignas(64) _Atomic int64_t peak_bytes;
	_Atomic int64_t peak_blocks;
	_Atomic uint64_t peak_elapsed_ns;
	_Atomic int64_t taken_bytes; /* total when the composition was taken last */
	_Atomic uint64_t composition_bytes;
	uint64_t start_ns;
	bool follow_peak;
	void (*clock)(uint64_t elapsed_ns);
} totals;

/* Protected by timeline_lock. */
static struct {
	struct timeline_point point[TIMELINE_POINTS];
	uint32_t count;
	_Atomic uint64_t interval_ns;
	_Atomic uint64_t next_ns;
} timeline = {.interval_ns = TIMELINE_FIRST_NS};

void totals_init(bool follow_peak, void (*clock)(uint64_t elapsed_ns))
{
	totals.start_ns = sys_monotonic_ns();
	totals.follow_peak = follow_peak;
	totals.clock = clock;
}

uint64_t totals_elapsed_ns(void)
{
	return sys_monotonic_ns() - totals.start_ns;
}

static int64_t get(const _Atomic int64_t *value)
{
	return atomic_load_explicit(value, memory_order_relaxed);
}

static int64_t whole_blocks(int64_t blocks)
{
	return blocks > 0 ? (int64_t)sample_whole((uint64_t)blocks) : 0;
}

/* The counts of another thread, which adds with plain instructions to its own words; they are read whole. */
static int64_t pending(const int64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

int64_t totals_live_bytes(void)
{
	int64_t sum = get(&totals.live_bytes);
	for (struct heap *heap = heap_first(); heap; heap = heap->next_heap)
		sum += pending(&heap->live_bytes_pending);
	return sum;
}

int64_t totals_live_blocks(void)
{
	int64_t sum = get(&totals.live_blocks);
	for (struct heap *heap = heap_first(); heap; heap = heap->next_heap)
		sum += pending(&heap->live_blocks_pending);
	return whole_blocks(sum);
}

void totals_share(void)
{
	uint32_t users = heap_users();
	int64_t portion = (get(&totals.peak_bytes) >> (users > 1 ? TOGETHER_SHIFT : FALL_SHIFT)) / users;
	portion = portion < PORTION_MIN ? PORTION_MIN : portion > PORTION_MAX ? PORTION_MAX : portion;
	atomic_store_explicit(&totals_portion, portion, memory_order_relaxed);
}

static void peak_raise(int64_t candidate, int64_t blocks)
{
	int64_t peak = get(&totals.peak_bytes);
	if (candidate <= peak)
		return;
	while (candidate > peak && !atomic_compare_exchange_weak(&totals.peak_bytes, &peak, candidate))
		continue;
	atomic_store_explicit(&totals.peak_blocks, blocks, memory_order_relaxed);
	totals_share();
}

/* Returns whether `live` is just below a mark whose composition is not known. */
static bool peak_worth_taking(int64_t live)
{
	int64_t peak = get(&totals.peak_bytes), taken = get(&totals.taken_bytes);
	int64_t rise = (taken >> PEAK_RISE_SHIFT) + (heap_users() > 1 ? 0 : taken >> PEAK_RISE_MORE);
	return totals.follow_peak && live <= peak - (peak >> FALL_SHIFT) && peak > taken + rise;
}

bool totals_flush(struct heap *heap)
{
	int64_t high = heap->live_bytes_high;
	int64_t before = atomic_fetch_add_explicit(&totals.live_bytes, heap->live_bytes_pending, memory_order_relaxed);
	int64_t blocks =
		atomic_fetch_add_explicit(&totals.live_blocks, heap->live_blocks_pending, memory_order_relaxed) +
		heap->live_blocks_pending;
	int64_t live = before + heap->live_bytes_pending;
	heap->live_bytes_pending = 0;
	heap->live_blocks_pending = 0;
	heap->live_bytes_high = 0;
	peak_raise(before + high, whole_blocks(blocks));
	if (++heap->flushes % FLUSHES_PER_CLOCK == 0) {
		uint64_t now = totals_elapsed_ns();
		if (now >= atomic_load_explicit(&timeline.next_ns, memory_order_relaxed))
			timeline_add(0);
		if (totals.clock)
			totals.clock(now);
	}
	return peak_worth_taking(live);
}

void totals_forget(uint64_t bytes, uint64_t blocks)
{
	atomic_fetch_sub_explicit(&totals.live_bytes, (int64_t)bytes, memory_order_relaxed);
	atomic_fetch_sub_explicit(&totals.live_blocks, (int64_t)blocks, memory_order_relaxed);
}

bool totals_before_drop(struct heap *heap, uint64_t bytes)
{
	return totals_flush(heap) || peak_worth_taking(get(&totals.live_bytes) - (int64_t)bytes);
}

struct totals_peak totals_peak(void)
{
	return (struct totals_peak){
		.bytes = (uint64_t)get(&totals.peak_bytes),
		.blocks = (uint64_t)get(&totals.peak_blocks),
		.elapsed_ns = atomic_load_explicit(&totals.peak_elapsed_ns, memory_order_relaxed),
		.composition_bytes = atomic_load_explicit(&totals.composition_bytes, memory_order_relaxed),
	};
}

bool totals_peak_is_now(void)
{
	for (struct heap *heap = heap_first(); heap; heap = heap->next_heap)
		if (pending(&heap->live_bytes_high) > 0)
			peak_raise(get(&totals.live_bytes) + pending(&heap->live_bytes_high), totals_live_blocks());
	int64_t live = totals_live_bytes(), taken = get(&totals.taken_bytes), peak = get(&totals.peak_bytes);
	return totals.follow_peak && live > taken && live >= peak - (peak >> FALL_SHIFT);
}

void totals_peak_taken(uint64_t bytes)
{
	atomic_store_explicit(&totals.taken_bytes, get(&totals.peak_bytes), memory_order_relaxed);
	atomic_store_explicit(&totals.composition_bytes, bytes, memory_order_relaxed);
	atomic_store_explicit(&totals.peak_elapsed_ns, totals_elapsed_ns(), memory_order_relaxed);
}

/* Full: every second point goes, and points come half as often from now on. Caller holds timeline_lock. */
static void timeline_halve(void)
{
	for (uint32_t i = 0; i < TIMELINE_POINTS / 2; i++) {
		const struct timeline_point *first = &timeline.point[(size_t)2 * i], *second = first + 1;
		/* Keep the higher one: peaks must not vanish from the picture. */
		timeline.point[i] = first->live_bytes > second->live_bytes ? *first : *second;
	}
	timeline.count = TIMELINE_POINTS / 2;
	atomic_fetch_add_explicit(&timeline.interval_ns, atomic_load(&timeline.interval_ns), memory_order_relaxed);
}

void timeline_add(uint64_t rss_bytes)
{
	int64_t bytes = totals_live_bytes(), blocks = totals_live_blocks();
	if (!lock_try(&timeline_lock))
		return;
	uint64_t now = totals_elapsed_ns();
	if (timeline.count == TIMELINE_POINTS)
		timeline_halve();
	timeline.point[timeline.count++] = (struct timeline_point){now, bytes > 0 ? (uint64_t)bytes : 0,
								   blocks > 0 ? (uint64_t)blocks : 0, rss_bytes};
	atomic_store_explicit(&timeline.next_ns, now + atomic_load(&timeline.interval_ns), memory_order_relaxed);
	lock_release(&timeline_lock);
}

uint32_t timeline_copy(struct timeline_point *out)
{
	lock_acquire(&timeline_lock);
	uint32_t count = timeline.count;
	memcpy(out, timeline.point, count * sizeof *out);
	lock_release(&timeline_lock);
	return count;
}
