/* Births and deaths of recorded blocks, and each heap's cache of recent stacks. record.h has the rules. */
#include "preload/host/record.h"

#include "preload/base/losses.h"
#include "preload/host/control.h"
#include "preload/interface/mix.h"
#include "preload/process/modules.h"
#include "preload/python/stack.h"
#include "preload/sites/peak.h"
#include "preload/sites/recording.h"
#include "preload/sites/sample.h"
#include "preload/sites/stacks.h"
#include "preload/sites/threads.h"
#include "preload/unwind/capture.h"

#include <string.h>

/* Spreads classes of samples over the keys of a stack. */
#define CLASS_KEY MIX_MULTIPLIER
/* Likewise the key of its Python frames. */
#define PYTHON_KEY MIX_SECOND

/* Gives the cache room for `entries`. False when there is no memory; then it is as it was. */
static bool cache_allocate(struct site_cache *cache, uint32_t entries)
{
	uint64_t *memory = meta_allocate(entries * sizeof *memory, META_CACHES);
	if (!memory)
		return false;
	cache->entry = memory;
	cache->buckets = entries / SITE_CACHE_WAYS;
	cache->evictions = 0;
	return true;
}

bool record_thread_begin(struct heap *heap)
{
	if (heap->thread_id)
		return true;
	if (!heap->sites) {
		struct site_cache *cache = meta_allocate(sizeof *cache + capture_bytes(), META_CACHES);
		if (!cache || !cache_allocate(cache, SITE_CACHE_FIRST) || !memo_init(&cache->memo))
			return false;
		cache->capture = capture_init(cache + 1);
		heap->sites = cache;
	}
	threads_begin(heap);
	totals_share();
	return true;
}

static inline uint64_t *cache_bucket(const struct site_cache *cache, uint64_t key)
{
	return &cache->entry[(size_t)(key & (cache->buckets - 1)) * SITE_CACHE_WAYS];
}

/* Id of the site with this key; 0: it is not there. */
static inline uint32_t cache_find(const struct site_cache *cache, uint64_t key)
{
	const uint64_t *bucket = cache_bucket(cache, key);
	for (int way = 0; way < SITE_CACHE_WAYS; way++) {
		uint32_t id = (uint32_t)bucket[way];
		if (bucket[way] >> 32 == key >> 32 && id && site_at(id)->key_low == (uint32_t)key)
			return id;
	}
	return 0;
}

/* Puts it in front of its bucket; the last one there has to go. */
static void cache_enter(struct site_cache *cache, uint64_t key, uint32_t site)
{
	uint64_t *bucket = cache_bucket(cache, key);
	cache->evictions += bucket[SITE_CACHE_WAYS - 1] != 0;
	for (int way = SITE_CACHE_WAYS - 1; way > 0; way--)
		bucket[way] = bucket[way - 1];
	bucket[0] = key >> 32 << 32 | site;
}

/*
 * The thread's stacks do not fit. Entries move to a larger table; the old one is left, all old ones together are a
 * seventh of it.
 */
static void cache_grow(struct site_cache *cache)
{
	struct site_cache old = *cache;
	uint32_t entries = old.buckets * SITE_CACHE_WAYS;
	cache->evictions = 0;
	if (!cache_allocate(cache, entries * SITE_CACHE_GROWTH))
		return;
	for (uint32_t i = entries; i-- > 0;)
		if (old.entry[i])
			cache_enter(cache, old.entry[i] >> 32 << 32 | site_at((uint32_t)old.entry[i])->key_low,
				    (uint32_t)old.entry[i]);
}

/* A thread runs Python for the first time: room for its chains. False: there is none. */
static __attribute__((noinline)) bool python_begin(struct site_cache *cache)
{
	size_t frames = python_stack_frames(capture_depth);
	struct mixed_stack *mixed = &cache->mixed;
	char *memory = meta_allocate(python_walk_bytes(capture_depth) +
					     frames * (2 * sizeof *mixed->frame + sizeof *mixed->node),
				     META_CACHES);
	if (!memory)
		return false;
	cache->python = python_walk_init(memory, capture_depth);
	mixed->frame = (struct stack_frame *)(memory + python_walk_bytes(capture_depth));
	mixed->last = mixed->frame + frames;
	mixed->node = (uint32_t *)(mixed->last + frames);
	return true;
}

/*
 * The interpreter has begun to end, and will tear down all that the program holds. Where it is the program, what lives
 * now is what lives at the end.
 */
static __attribute__((noinline)) void python_ends(struct heap *heap, const struct registers *caller)
{
	static _Atomic bool noticed;
	struct captured_stack stack;
	if (atomic_exchange(&noticed, true))
		return;
	capture_stack(heap, caller, heap->sites->capture, &stack);
	for (uint32_t i = 0; i < stack.depth; i++)
		if (stack.ip[i] - 1 >= python.main && stack.ip[i] - 1 < python.main_end)
			control_interpreter_ends();
}

/* The key of the thread's Python frames; 0: it has none. */
static inline uint64_t python_key(struct heap *heap, const struct registers *caller)
{
	struct site_cache *cache = heap->sites;
	if (__builtin_expect(!cache->python, 0) && (!python_has_frames() || !python_begin(cache)))
		return 0;
	uint64_t key = python_walk_key(cache->python, heap);
	if (__builtin_expect(python_is_ending(cache->python), 0))
		python_ends(heap, caller);
	return key;
}

/* The stack as the tables have it; 0: a table is full. */
static uint32_t stack_load(struct site_cache *cache, const struct captured_stack *stack, uint64_t chain)
{
	if (!chain)
		return stacks_intern(stack->ip, stack->node, stack->depth, stack->cut);
	bool cut;
	uint32_t depth = python_stack_merge(stack, cache->python, cache->mixed.frame, &cut);
	return stacks_intern_mixed(&cache->mixed, depth, cut);
}

/* The stack is not in the cache: finds its site. */
static __attribute__((noinline)) uint32_t site_load(struct heap *heap, const struct captured_stack *stack,
						    uint64_t chain, unsigned class)
{
	struct site_cache *cache = heap->sites;
	uint32_t entries = cache->buckets * SITE_CACHE_WAYS;
	if (cache->generation != stack->generation) {
		/* All entries are out of date: what they have to make room for does not count. */
		cache->generation = stack->generation;
		cache->evictions = 0;
	}
	if (cache->evictions > entries / 2 && entries < SITE_CACHE_MAX)
		cache_grow(cache);
	uint32_t id = sites_intern(stack_load(cache, stack, chain), heap->thread_id, class);
	if (id == SITE_UNKNOWN) {
		loss_count(LOSS_TABLE_FULL);
		return id; /* not kept: there may be room the next time */
	}
	site_at(id)->key_low = (uint32_t)stack->key;
	cache_enter(cache, stack->key, id);
	return id;
}

/* The site of a stack that is not known by its start, or of a sample. slot, unless NULL, is to keep it. */
static __attribute__((noinline)) struct site *site_find(struct heap *heap, const struct registers *caller, size_t bytes,
							struct memo_slot *slot, uint64_t chain, uint32_t epoch)
{
	struct captured_stack stack;
	struct site_cache *cache = heap->sites;
	capture_stack(heap, caller, cache->capture, &stack);
	unsigned class = sample_bytes ? sample_class_of(bytes) : 0;
	stack.key += class * CLASS_KEY + chain * PYTHON_KEY;
	uint32_t id = cache_find(cache, stack.key);
	if (__builtin_expect(!id, 0))
		id = site_load(heap, &stack, chain, class);
	sites_cohort(id, epoch);
	uint64_t stamp = memo_stamp(stack.generation, epoch);
	if (slot)
		memo_missed(&cache->memo, slot, stamp);
	/* What is counted as a loss is counted each time. */
	if (slot && stack.whole && id != SITE_UNKNOWN)
		memo_keep(slot, cache->capture->walk, caller, stamp, chain, site_at(id));
	return site_at(id);
}

/* Adds to a site's counter. Sites that several threads share, because a table is full, are added to with a lock. */
static inline void site_add(const struct site *site, _Atomic uint64_t *counter, uint64_t n)
{
	if (__builtin_expect(site_is_shared(site), 0))
		atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
	else
		tally_add(counter, n);
}

/* Away from the hooks: they would save registers for it each time. */
static __attribute__((noinline)) void flush(struct heap *heap)
{
	if (totals_flush(heap) && peak_take())
		control_peak();
}

static __attribute__((noinline)) void flush_before_drop(struct heap *heap, uint64_t bytes)
{
	if (totals_before_drop(heap, bytes) && peak_take())
		control_peak();
}

/* Counts a block, or several, in the thread's portion of what lives. */
static void live_add(struct heap *heap, int64_t bytes, int64_t blocks)
{
	int64_t pending = heap->live_bytes_pending + bytes;
	heap->live_bytes_pending = pending;
	heap->live_blocks_pending += blocks;
	if (pending > heap->live_bytes_high)
		heap->live_bytes_high = pending;
	int64_t portion = atomic_load_explicit(&totals_portion, memory_order_relaxed);
	if (__builtin_expect(pending > portion || pending < -portion, 0))
		flush(heap);
}

uint32_t record_birth(struct heap *heap, const void *p, size_t bytes, const struct registers *caller)
{
	/* Before the thread gets a number: those of Mudlark's own threads are not counted. */
	if (__builtin_expect(heap->ignore_depth != 0, 0)) {
		if (heap->ignore_depth < IGNORE_OWN_THREAD)
			loss_count(LOSS_IGNORED_BLOCKS);
		return COHORT_IGNORED;
	}
	if (__builtin_expect(!heap->thread_id && !record_thread_begin(heap), 0)) {
		loss_count(LOSS_TABLE_FULL);
		return COHORT_IGNORED;
	}
	/*
	 * Published, then loaded again: the epoch in use is never older than published. A snapshot makes sure that it
	 * is seen (sys_barrier): a fence here would cost more than the walk.
	 */
	atomic_store_explicit(&heap->x_epoch_in_use, atomic_load_explicit(&recording_epoch, memory_order_relaxed),
			      memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
	uint32_t epoch = atomic_load_explicit(&recording_epoch, memory_order_relaxed);
	uint32_t generation = atomic_load_explicit(&modules_generation, memory_order_acquire);
	struct memo_slot *slot = NULL;
	struct site *site = NULL;
	struct sample_sum sum = sample_one(bytes);
	uint64_t chain = python_is_there() ? python_key(heap, caller) : 0;
	if (!sample_bytes)
		site = memo_find(&heap->sites->memo, caller, heap->stack_high, memo_stamp(generation, epoch), chain,
				 &slot);
	if (!site)
		site = site_find(heap, caller, bytes, slot, chain, epoch);
	site_add(site, &site->alloc_blocks, 1);
	site_add(site, &site->alloc_bytes, bytes);
	heap->last_block = p;
	heap->last_until = __atomic_load_n(&heap->x_until_sample, __ATOMIC_RELAXED);
	heap->last_site = site;
	live_add(heap, (int64_t)sum.bytes, (int64_t)sum.blocks);
	uint32_t cohort = atomic_load_explicit(&site->cohort, memory_order_relaxed);
	return cohort ? cohort : COHORT_UNKNOWN;
}

void record_death(struct heap *heap, const void *p, size_t bytes, uint32_t cohort)
{
	if (cohort == COHORT_IGNORED)
		return;
	struct sample_sum sum = sample_one(bytes);
	/* Allocations that were not sampled have moved the countdown. */
	if (heap->last_block == p && heap->last_until == __atomic_load_n(&heap->x_until_sample, __ATOMIC_RELAXED))
		site_add(heap->last_site, &heap->last_site->temporary_blocks, 1);
	heap->last_block = NULL;
	tally_add(&heap->tally.freed_blocks, sum.blocks);
	tally_add(&heap->tally.freed_bytes, sum.bytes);
	if ((int64_t)sum.bytes > atomic_load_explicit(&totals_portion, memory_order_relaxed))
		flush_before_drop(heap, sum.bytes);
	live_add(heap, -(int64_t)sum.bytes, -(int64_t)sum.blocks);
}

void record_revival(struct heap *heap, size_t bytes)
{
	struct sample_sum sum = sample_one(bytes);
	tally_add(&heap->tally.freed_blocks, -sum.blocks);
	tally_add(&heap->tally.freed_bytes, -sum.bytes);
	live_add(heap, (int64_t)sum.bytes, (int64_t)sum.blocks);
}

void record_death_apart(size_t bytes, uint32_t cohort)
{
	if (cohort == COHORT_IGNORED)
		return;
	struct sample_sum sum = sample_one(bytes);
	totals_forget(sum.bytes, sum.blocks);
}

uint32_t record_stack(struct heap *heap, const struct registers *caller)
{
	if (!heap_is_real(heap) || !recording_is_on() || heap->ignore_depth || !record_thread_begin(heap))
		return 0;
	struct site_cache *cache = heap->sites;
	struct captured_stack stack;
	uint64_t chain = python_is_there() ? python_key(heap, caller) : 0;
	capture_stack(heap, caller, cache->capture, &stack);
	uint64_t key = stack.key + chain * PYTHON_KEY;
	if (!cache->stacks)
		cache->stacks = meta_allocate(sizeof *cache->stacks, META_CACHES);
	if (!cache->stacks)
		return stack_load(cache, &stack, chain);
	uint32_t place = (uint32_t)(key % STACK_CACHE_ENTRIES);
	if (!cache->stacks->stack[place] || cache->stacks->key[place] != key) {
		cache->stacks->key[place] = key;
		cache->stacks->stack[place] = stack_load(cache, &stack, chain);
	}
	return cache->stacks->stack[place];
}

uint32_t record_site(struct heap *heap, const struct registers *caller)
{
	uint32_t stack = record_stack(heap, caller);
	return stack ? sites_intern(stack, heap->thread_id, sample_bytes ? SAMPLE_CLASS_UNKNOWN : 0) : 0;
}

uint16_t record_thread(const struct heap *heap)
{
	return heap_is_real(heap) ? (uint16_t)heap->thread_id : 0;
}

void record_thread_end(struct heap *heap)
{
	flush(heap);
	if (heap->sites) {
		/* The sites in it are this thread's. */
		memset(heap->sites->entry, 0,
		       (size_t)heap->sites->buckets * SITE_CACHE_WAYS * sizeof *heap->sites->entry);
		memo_forget(&heap->sites->memo);
		capture_forget(heap->sites->capture);
		if (heap->sites->python)
			python_walk_forget(heap->sites->python);
	}
	heap->last_block = NULL;
	threads_end(heap);
}
