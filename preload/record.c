/* Births and deaths of recorded blocks, and each heap's cache of recent stacks. record.h has the rules. */
#include "preload/record.h"

#include "preload/capture.h"
#include "preload/losses.h"
#include "preload/sample.h"
#include "preload/stacks.h"
#include "preload/threads.h"

#include <string.h>

/* Spreads epochs over a key, so that what was cached in another one is not found. Odd; any will do. */
#define EPOCH_KEY UINT64_C(0xd1b54a32d192ed03)

_Atomic uint32_t record_epoch = 1;
_Atomic bool record_active;

void record_start(void)
{
	atomic_store(&record_active, true);
	sample_begin();
}

/* Gives the cache room for `entries`. False when there is no memory; then it is as it was. */
static bool cache_allocate(struct site_cache *cache, uint32_t entries)
{
	struct site_cache_entry *memory = meta_allocate(entries * sizeof *memory);
	if (!memory)
		return false;
	cache->entry = memory;
	cache->mask = entries - 1;
	cache->evictions = 0;
	return true;
}

bool record_thread_begin(struct heap *heap)
{
	if (heap->thread_id)
		return true;
	if (!heap->sites) {
		struct site_cache *cache = meta_allocate(sizeof *cache + capture_bytes());
		if (!cache || !cache_allocate(cache, SITE_CACHE_FIRST))
			return false;
		cache->capture = capture_init(cache + 1);
		heap->sites = cache;
	}
	threads_begin(heap);
	totals_share();
	return true;
}

static inline struct site_cache_entry *cache_slot(const struct site_cache *cache, uint64_t key)
{
	return &cache->entry[key & cache->mask];
}

/* A key's other place, in the same cache line: where the last one went that had to make room in the first. */
static inline struct site_cache_entry *cache_second(const struct site_cache *cache, uint64_t key)
{
	return &cache->entry[(key ^ 1) & cache->mask];
}

/*
 * More evictions than entries: the thread's stacks do not fit. Entries move to a larger table; the old one is left, all
 * old ones together are a third of it.
 */
static void cache_grow(struct site_cache *cache)
{
	struct site_cache old = *cache;
	cache->evictions = 0;
	if (!cache_allocate(cache, (uint32_t)(old.mask + 1) * SITE_CACHE_GROWTH))
		return;
	for (uint64_t i = 0; i <= old.mask; i++)
		if (old.entry[i].key)
			*cache_slot(cache, old.entry[i].key) = old.entry[i]; /* one of two that meet is lost */
}

/* The stack is not in the cache: finds its site, and the site's cohort for the epoch. */
static __attribute__((noinline)) struct site *site_load(struct heap *heap, const struct captured_stack *stack,
							uint64_t key, uint32_t epoch)
{
	struct site_cache *cache = heap->sites;
	if (cache->evictions > cache->mask && cache->mask + 1 < SITE_CACHE_MAX)
		cache_grow(cache);
	uint32_t id = sites_intern(stacks_intern(stack->ip, stack->node, stack->depth, stack->cut), heap->thread_id);
	struct site *site = meta_table_at(&site_table, id);
	sites_cohort(id, epoch);
	if (id == SITE_UNKNOWN) {
		loss_count(LOSS_TABLE_FULL);
		return site; /* not kept: there may be room the next time */
	}
	struct site_cache_entry *first = cache_slot(cache, key), *second = cache_second(cache, key);
	cache->evictions += second->key != 0;
	*second = *first;
	*first = (struct site_cache_entry){key, site};
	cache->last_epoch = epoch;
	return site;
}

/* The site of a stack that is not the last birth's. */
static __attribute__((noinline)) struct site *site_find(struct heap *heap, const struct registers *caller,
							uint32_t epoch)
{
	struct captured_stack stack;
	struct site_cache *cache = heap->sites;
	cache->last_epoch = 0;
	capture_stack(heap, caller, cache->capture, &stack);
	uint64_t key = stack.key + epoch * EPOCH_KEY;
	const struct site_cache_entry *entry = cache_slot(cache, key);
	if (entry->key != key)
		entry = cache_second(cache, key);
	if (__builtin_expect(entry->key != key, 0))
		return cache->last_site = site_load(heap, &stack, key, epoch);
	cache->last_epoch = epoch;
	return cache->last_site = entry->site;
}

/* Adds to a site's counter. Sites that several threads share, because a table is full, are added to with a lock. */
static inline void site_add(const struct site *site, _Atomic uint64_t *counter, uint64_t n)
{
	if (__builtin_expect(site_is_shared(site), 0))
		atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
	else
		tally_add(counter, n);
}

static void live_add(struct heap *heap, int64_t bytes, int64_t blocks)
{
	int64_t pending = heap->live_bytes_pending + bytes;
	heap->live_bytes_pending = pending;
	heap->live_blocks_pending += blocks;
	if (pending > heap->live_bytes_high)
		heap->live_bytes_high = pending;
	int64_t portion = atomic_load_explicit(&totals_portion, memory_order_relaxed);
	if (__builtin_expect(pending > portion || pending < -portion, 0))
		totals_flush(heap);
}

uint32_t record_birth(struct heap *heap, const void *p, size_t bytes, const struct registers *caller)
{
	if (__builtin_expect(!heap->thread_id && !record_thread_begin(heap), 0)) {
		loss_count(LOSS_TABLE_FULL);
		return COHORT_IGNORED;
	}
	if (__builtin_expect(heap->ignore_depth != 0, 0)) {
		loss_count(LOSS_IGNORED_BLOCKS);
		return COHORT_IGNORED;
	}
	/*
	 * Published, then loaded again: the epoch in use is never older than published. A snapshot makes sure that it
	 * is seen (sys_barrier): a fence here would cost more than the walk.
	 */
	atomic_store_explicit(&heap->x_epoch_in_use, atomic_load_explicit(&record_epoch, memory_order_relaxed),
			      memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
	uint32_t epoch = atomic_load_explicit(&record_epoch, memory_order_relaxed);
	const struct site_cache *cache = heap->sites;
	struct site *site = cache->last_site;
	if (cache->last_epoch != epoch || !capture_again(heap, caller, cache->capture))
		site = site_find(heap, caller, epoch);
	site_add(site, &site->alloc_blocks, 1);
	site_add(site, &site->alloc_bytes, bytes);
	heap->last_block = p;
	heap->last_site = site;
	live_add(heap, (int64_t)bytes, 1);
	uint32_t cohort = atomic_load_explicit(&site->cohort, memory_order_relaxed);
	return cohort ? cohort : COHORT_UNKNOWN;
}

void record_death(struct heap *heap, const void *p, size_t bytes, uint32_t cohort)
{
	if (cohort == COHORT_IGNORED)
		return;
	if (heap->last_block == p)
		site_add(heap->last_site, &heap->last_site->temporary_blocks, 1);
	heap->last_block = NULL;
	tally_add(&heap->tally.freed_blocks, 1);
	tally_add(&heap->tally.freed_bytes, bytes);
	if ((int64_t)bytes > atomic_load_explicit(&totals_portion, memory_order_relaxed))
		totals_before_drop(heap, bytes);
	live_add(heap, -(int64_t)bytes, -1);
}

void record_revival(struct heap *heap, size_t bytes)
{
	tally_add(&heap->tally.freed_blocks, (uint64_t)-1);
	tally_add(&heap->tally.freed_bytes, -(uint64_t)bytes);
	live_add(heap, (int64_t)bytes, 1);
}

void record_death_apart(size_t bytes, uint32_t cohort)
{
	if (cohort != COHORT_IGNORED)
		totals_forget(bytes);
}

void record_thread_end(struct heap *heap)
{
	totals_flush(heap);
	if (heap->sites) {
		/* The sites in it are this thread's. */
		memset(heap->sites->entry, 0, (heap->sites->mask + 1) * sizeof *heap->sites->entry);
		heap->sites->last_epoch = 0;
		capture_forget(heap->sites->capture);
	}
	heap->last_block = NULL;
	threads_end(heap);
}
