/* Births and deaths of recorded blocks, and each heap's cache of recent stacks. record.h has the rules. */
#include "preload/record.h"

#include "preload/capture.h"
#include "preload/losses.h"
#include "preload/sample.h"
#include "preload/stacks.h"
#include "preload/threads.h"

/* An entry that stays hot for ever hands its counters on before they can overflow. */
enum { ENTRY_BLOCKS_MAX = 1 << 30 };

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
	char *memory = meta_allocate(entries * (sizeof *cache->entry + sizeof *cache->touched));
	if (!memory)
		return false;
	cache->entry = (struct site_cache_entry *)memory;
	cache->touched = (uint16_t *)(cache->entry + entries);
	cache->touched_count = 0;
	cache->entries = entries;
	cache->evictions = 0;
	return true;
}

static struct site_cache *cache_of(struct heap *heap)
{
	if (!heap->sites) {
		struct site_cache *cache = meta_allocate(sizeof *cache + capture_bytes());
		if (cache && cache_allocate(cache, SITE_CACHE_FIRST)) {
			cache->capture = capture_init(cache + 1);
			heap->sites = cache;
		}
	}
	if (heap->sites && !heap->thread_id) {
		threads_begin(heap);
		totals_share();
	}
	return heap->sites;
}

static struct site_cache_entry *cache_slot(struct site_cache *cache, uint64_t key)
{
	return &cache->entry[key & (cache->entries - 1)];
}

static void cache_touch(struct site_cache *cache, const struct site_cache_entry *entry)
{
	cache->touched[cache->touched_count++] = (uint16_t)(entry - cache->entry);
}

/* Moves an entry's counters to its site. Brackets keep a snapshot from counting them twice. */
static void entry_flush(struct heap *heap, struct site_cache_entry *entry)
{
	if (!entry->alloc_blocks && !entry->temporary_blocks)
		return;
	struct site *site = meta_table_at(&site_table, entry->site);
	atomic_fetch_add_explicit(&heap->x_flush_sequence, 1, memory_order_acq_rel);
	atomic_fetch_add_explicit(&site->alloc_blocks, entry->alloc_blocks, memory_order_relaxed);
	atomic_fetch_add_explicit(&site->alloc_bytes, entry->alloc_bytes, memory_order_relaxed);
	atomic_fetch_add_explicit(&site->temporary_blocks, entry->temporary_blocks, memory_order_relaxed);
	entry->alloc_blocks = 0;
	entry->alloc_bytes = 0;
	entry->temporary_blocks = 0;
	atomic_fetch_add_explicit(&heap->x_flush_sequence, 1, memory_order_release);
}

/*
 * More evictions than entries: the thread's stacks do not fit. Entries move to a larger table; the old one is left, all
 * old ones together are a third of it.
 */
static void cache_grow(struct heap *heap, struct site_cache *cache)
{
	struct site_cache old = *cache;
	atomic_fetch_add_explicit(&heap->x_flush_sequence, 1, memory_order_acq_rel);
	if (cache_allocate(cache, old.entries * SITE_CACHE_GROWTH)) {
		for (uint32_t i = 0; i < old.touched_count; i++) {
			struct site_cache_entry *slot = cache_slot(cache, old.entry[old.touched[i]].key);
			*slot = old.entry[old.touched[i]];
			cache_touch(cache, slot);
		}
		heap->last_block = NULL; /* its entry has moved */
	} else {
		cache->evictions = 0;
	}
	atomic_fetch_add_explicit(&heap->x_flush_sequence, 1, memory_order_release);
}

/* The stack is not in the cache, or its cohort is of a past epoch. Returns its entry, ready to be counted in. */
static __attribute__((noinline)) struct site_cache_entry *entry_load(struct heap *heap,
								     const struct captured_stack *stack, uint32_t epoch)
{
	struct site_cache *cache = heap->sites;
	if (cache->evictions > cache->entries && cache->entries < SITE_CACHE_MAX)
		cache_grow(heap, cache);
	struct site_cache_entry *entry = cache_slot(cache, stack->key);
	if (entry->key != stack->key) {
		entry_flush(heap, entry);
		if (entry->key)
			cache->evictions++;
		else
			cache_touch(cache, entry);
		uint32_t id = stacks_intern(stack->ip, stack->node, stack->depth, stack->cut);
		entry->key = stack->key;
		entry->site = sites_intern(id, heap->thread_id);
	}
	if (entry->site == SITE_UNKNOWN)
		loss_count(LOSS_TABLE_FULL);
	entry->cohort = sites_cohort(entry->site, epoch);
	entry->epoch = epoch;
	return entry;
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
	struct site_cache *cache = cache_of(heap);
	if (heap->ignore_depth || !cache) {
		loss_count(cache ? LOSS_IGNORED_BLOCKS : LOSS_TABLE_FULL);
		return COHORT_IGNORED;
	}
	struct captured_stack stack;
	/*
	 * Published, then loaded again: the epoch in use is never older than published. A snapshot makes sure that it
	 * is seen (sys_barrier_threads): a fence here would cost more than the walk.
	 */
	atomic_store_explicit(&heap->x_epoch_in_use, atomic_load_explicit(&record_epoch, memory_order_relaxed),
			      memory_order_relaxed);
	capture_stack(heap, caller, cache->capture, &stack);
	uint32_t epoch = atomic_load_explicit(&record_epoch, memory_order_relaxed);
	struct site_cache_entry *entry = cache_slot(cache, stack.key);
	if (__builtin_expect(entry->key != stack.key || entry->epoch != epoch, 0))
		entry = entry_load(heap, &stack, epoch);
	if (__builtin_expect(++entry->alloc_blocks == ENTRY_BLOCKS_MAX, 0))
		entry_flush(heap, entry);
	entry->alloc_bytes += bytes;
	tally_add(&heap->tally.alloc_blocks, 1);
	tally_add(&heap->tally.alloc_bytes, bytes);
	heap->last_block = p;
	heap->last_entry = entry;
	uint32_t cohort = entry->cohort;
	live_add(heap, (int64_t)bytes, 1);
	return cohort;
}

void record_death(struct heap *heap, const void *p, size_t bytes, uint32_t cohort)
{
	if (cohort == COHORT_IGNORED)
		return;
	if (heap->last_block == p) {
		heap->last_entry->temporary_blocks++;
		tally_add(&heap->tally.temporary_blocks, 1);
	}
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
	struct site_cache *cache = heap->sites;
	totals_flush(heap);
	for (uint32_t i = 0; cache && i < cache->touched_count; i++) {
		struct site_cache_entry *entry = &cache->entry[cache->touched[i]];
		entry_flush(heap, entry);
		*entry = (struct site_cache_entry){0};
	}
	if (cache) {
		cache->touched_count = 0;
		capture_forget(cache->capture);
	}
	heap->last_block = NULL;
	threads_end(heap);
}
