/*
 * Chunks and free slabs: the central supply behind all heaps. pool.h has the layout.
 *
 * A chunk is mapped when there is no free slab, and unmapped when it has been free for a second: Mudlark's address
 * space follows the program's need, so that a limit (RLIMIT_AS, RLIMIT_DATA) is the program's and not ours. A released
 * slab keeps its pages for about a second, since most programs want them back at once; then they go, with its records.
 * Nothing here needs a thread: the clock is looked at when slabs change hands.
 */
#include "preload/heap/pool.h"

#include "preload/base/meta.h"
#include "preload/base/sys.h"
#include "preload/heap/guard.h"
#include "preload/interface/mix.h"

#include <string.h>
#include <sys/auxv.h>

enum {
	DECAY_MS = 1000,
	PURGE_INTERVAL_MS = 250,
	DIRTY_SLABS_KEPT = 512, /* 32 MiB */
	ROOM_SEARCH = 8,        /* chunks looked at for a slab with memory behind it */
	RECORD_BYTES_PER_SLOT = sizeof(uint32_t) + sizeof(uint16_t),
};

struct chunk {
	struct chunk *next, *prev;           /* in pool.chunks, all chunks, newest first */
	struct chunk *room_next, *room_prev; /* in pool.room: chunks with a free slab, last released first */
	bool in_room;
	uint64_t free_slabs;  /* bit per slab: not handed out */
	uint64_t dirty_slabs; /* subset of free_slabs: still backed by memory */
	uint32_t freed_ms[CHUNK_SLABS];
};
_Static_assert(CHUNK_HEADER_OFFSET + sizeof(struct chunk) <= CHUNK_DESCRIPTORS_OFFSET, "header fits its page");

/* Bit 0 is the metadata, never a slab. */
#define ALL_SLABS (~(uint64_t)1)

uint64_t pool_key;
struct lock pool_lock = LOCK_INIT(RANK_CENTRAL);

/* heap is NULL and free is NULL: every path that meets it takes the slow one. */
struct slab slab_none;

/* Protected by pool_lock. */
static struct {
	struct chunk *chunks;
	struct chunk *room;
	uint32_t last_purge_ms;
	uint32_t empty_chunks;
	uint32_t dirty_slabs; /* free and still backed by memory */
	uint32_t used_slabs;
	uint64_t record_pages;
} pool;

static char *chunk_address(struct chunk *chunk)
{
	return (char *)chunk - CHUNK_HEADER_OFFSET;
}

static struct chunk *chunk_of(const void *p)
{
	return (struct chunk *)(((uintptr_t)p & ~(CHUNK_BYTES - 1)) + CHUNK_HEADER_OFFSET);
}

static struct slab *chunk_slab(struct chunk *chunk, unsigned index)
{
	return (struct slab *)(chunk_address(chunk) + CHUNK_DESCRIPTORS_OFFSET) + index;
}

static uint32_t now_ms(void)
{
	return (uint32_t)(sys_monotonic_ns() / 1000000);
}

/* AT_RANDOM: 16 random bytes that the kernel gave to this process. */
static void pool_key_init(void)
{
	const void *seed = (const void *)(uintptr_t)getauxval(AT_RANDOM);
	uint64_t key = sys_monotonic_ns() * MIX_MULTIPLIER;
	if (seed)
		memcpy(&key, (const char *)seed + 8, sizeof key);
	pool_key = key;
}

static void room_add(struct chunk *chunk)
{
	chunk->room_prev = NULL;
	chunk->room_next = pool.room;
	if (pool.room)
		pool.room->room_prev = chunk;
	pool.room = chunk;
	chunk->in_room = true;
}

static void room_remove(struct chunk *chunk)
{
	if (chunk->room_prev)
		chunk->room_prev->room_next = chunk->room_next;
	else
		pool.room = chunk->room_next;
	if (chunk->room_next)
		chunk->room_next->room_prev = chunk->room_prev;
	chunk->in_room = false;
}

/* Address space for a chunk, whose first page stays inaccessible; NULL: there is none. */
static char *chunk_map(void)
{
	char *address = sys_reserve(CHUNK_BYTES, CHUNK_BYTES);
	if (!address)
		return NULL;
	/* mmap, not mprotect: a sandbox allows malloc no more than that. */
	if (sys_map_again(address + CHUNK_HEADER_OFFSET, CHUNK_BYTES - CHUNK_HEADER_OFFSET) &&
	    kinds_enter(address, CHUNK_BYTES, KIND_POOL))
		return address;
	sys_unmap(address, CHUNK_BYTES);
	return NULL;
}

static struct chunk *chunk_add(void)
{
	char *address = chunk_map();
	if (!address)
		return NULL;
	if (!pool_key)
		pool_key_init();
	if (!pool.chunks)
		sys_no_huge_pages(address + CHUNK_HEADER_OFFSET, CHUNK_BYTES - CHUNK_HEADER_OFFSET);
	struct chunk *chunk = (struct chunk *)(address + CHUNK_HEADER_OFFSET);
	chunk->free_slabs = ALL_SLABS;
	chunk->next = pool.chunks;
	if (chunk->next)
		chunk->next->prev = chunk;
	pool.chunks = chunk;
	pool.empty_chunks++;
	room_add(chunk);
	return chunk;
}

static void chunk_remove(struct chunk *chunk)
{
	room_remove(chunk);
	if (chunk->prev)
		chunk->prev->next = chunk->next;
	else
		pool.chunks = chunk->next;
	if (chunk->next)
		chunk->next->prev = chunk->prev;
	pool.empty_chunks--;
	char *address = chunk_address(chunk);
	kinds_enter(address, CHUNK_BYTES, KIND_FOREIGN);
	sys_unmap(address, CHUNK_BYTES);
}

/* Caller holds pool_lock. */
static void records_unmap(struct slab *slab)
{
	if (slab->records)
		sys_unmap(slab->records, (size_t)slab->record_pages * SYS_PAGE_BYTES);
	pool.record_pages -= slab->record_pages;
	slab->records = NULL;
	slab->record_pages = 0;
}

static void slab_purge(struct chunk *chunk, unsigned index)
{
	if (!sys_map_again(chunk_address(chunk) + index * SLAB_BYTES, SLAB_BYTES))
		return; /* too many mappings: it stays as it is */
	records_unmap(chunk_slab(chunk, index));
	chunk->dirty_slabs &= ~((uint64_t)1 << index);
	pool.dirty_slabs--;
}

/* Caller holds pool_lock. One empty chunk is kept: a program at the edge must not map and unmap for ever. */
static bool purge_locked(uint32_t now, bool all)
{
	bool any = false;
	pool.last_purge_ms = now;
	for (struct chunk *chunk = pool.room, *next; chunk; chunk = next) {
		next = chunk->room_next;
		for (uint64_t dirty = chunk->dirty_slabs; dirty; dirty &= dirty - 1) {
			unsigned index = (unsigned)__builtin_ctzll(dirty);
			if (!all && now - chunk->freed_ms[index] < DECAY_MS)
				continue;
			slab_purge(chunk, index);
			any = true;
		}
		if (chunk->free_slabs == ALL_SLABS && !chunk->dirty_slabs && pool.empty_chunks > 1) {
			chunk_remove(chunk);
			any = true;
		}
	}
	return any;
}

bool pool_purge(bool all)
{
	lock_acquire(&pool_lock);
	bool any = purge_locked(now_ms(), all);
	lock_release(&pool_lock);
	return any;
}

/* A chunk with a free slab, rather one that still has its memory. Caller holds pool_lock. */
static struct chunk *chunk_with_room(unsigned *index)
{
	int tries = ROOM_SEARCH;
	for (struct chunk *chunk = pool.room; chunk && tries; chunk = chunk->room_next, tries--) {
		if (chunk->dirty_slabs) {
			*index = (unsigned)__builtin_ctzll(chunk->dirty_slabs);
			return chunk;
		}
	}
	struct chunk *chunk = pool.room ? pool.room : chunk_add();
	if (chunk)
		*index = (unsigned)__builtin_ctzll(chunk->free_slabs);
	return chunk;
}

/* Record memory of a slab, all cohort ids 0. Caller holds pool_lock. */
static uint32_t *slab_records(struct slab *slab, unsigned size_class)
{
	size_t slots = SLAB_BYTES / size_class_bytes[size_class];
	size_t pages = (slots * RECORD_BYTES_PER_SLOT + SYS_PAGE_BYTES - 1) / SYS_PAGE_BYTES;
	if (pages > slab->record_pages) {
		records_unmap(slab);
		slab->records = sys_map(pages * SYS_PAGE_BYTES);
		if (!slab->records)
			return NULL;
		slab->record_pages = (uint8_t)pages;
		pool.record_pages += pages;
	} else if (slab->record_class != size_class + 1) {
		/* Ids are 0 where the last slots were freed; of another class, its slack lies where our ids begin. */
		memset(slab->records, 0, slots * sizeof(uint32_t));
	}
	slab->record_class = (uint8_t)(size_class + 1);
	return (uint32_t *)slab->records;
}

static void slab_init(struct slab *slab, struct heap *heap, char *base, unsigned size_class, uint32_t *cohorts)
{
	uint32_t size = size_class_bytes[size_class];
	slab->free = NULL;
	slab->used = 0;
	slab->notice = 0;
	slab->size = size;
	slab->inverse = (uint32_t)((((uint64_t)1 << 32) + size - 1) / size);
	slab->slots = (uint16_t)(SLAB_BYTES / size);
	slab->carved = 0;
	slab->size_class = (uint8_t)size_class;
	slab->tracked = cohorts != NULL;
	slab->kind = !cohorts ? SLAB_UNTRACKED : guard_on ? SLAB_GUARDED : SLAB_TRACKED;
	slab->full = false;
	slab->cohorts = cohorts;
	slab->base = base;
	slab->next = slab->prev = &slab_none;
	atomic_store_explicit(&slab->xremote, 0, memory_order_relaxed);
	atomic_store_explicit(&slab->xlocal, cohorts ? NULL : heap, memory_order_relaxed);
	atomic_store_explicit(&slab->heap, heap, memory_order_release);
}

struct slab *pool_acquire(struct heap *heap, unsigned size_class, bool tracked, bool wait)
{
	if (wait)
		lock_acquire(&pool_lock);
	else if (!lock_try(&pool_lock))
		return NULL;
	struct slab *slab = NULL;
	unsigned index = 0;
	struct chunk *chunk = chunk_with_room(&index);
	if (chunk) {
		slab = chunk_slab(chunk, index);
		uint32_t *cohorts = tracked ? slab_records(slab, size_class) : NULL;
		if (tracked && !cohorts) {
			slab = NULL;
		} else {
			if (chunk->free_slabs == ALL_SLABS)
				pool.empty_chunks--;
			uint64_t bit = (uint64_t)1 << index;
			pool.dirty_slabs -= (chunk->dirty_slabs & bit) != 0;
			pool.used_slabs++;
			chunk->free_slabs &= ~bit;
			chunk->dirty_slabs &= ~bit;
			if (!chunk->free_slabs)
				room_remove(chunk);
			slab_init(slab, heap, chunk_address(chunk) + index * SLAB_BYTES, size_class, cohorts);
		}
	}
	lock_release(&pool_lock);
	return slab;
}

void pool_release(struct slab *slab)
{
	struct chunk *chunk = chunk_of(slab->base);
	unsigned index = (unsigned)((uintptr_t)slab->base >> SLAB_BITS) & (CHUNK_SLABS - 1);
	uint32_t now = now_ms();
	lock_acquire(&pool_lock);
	atomic_store_explicit(&slab->heap, NULL, memory_order_relaxed);
	atomic_store_explicit(&slab->xlocal, NULL, memory_order_relaxed);
	uint64_t bit = (uint64_t)1 << index;
	chunk->free_slabs |= bit;
	chunk->dirty_slabs |= bit;
	chunk->freed_ms[index] = now;
	if (!chunk->in_room)
		room_add(chunk);
	if (chunk->free_slabs == ALL_SLABS)
		pool.empty_chunks++;
	pool.dirty_slabs++;
	pool.used_slabs--;
	/* Much at once may be followed by nothing that looks at the clock: the greater part goes now. */
	bool much = pool.dirty_slabs > DIRTY_SLABS_KEPT + pool.used_slabs / 2;
	if (much || now - pool.last_purge_ms >= PURGE_INTERVAL_MS)
		purge_locked(now, much);
	lock_release(&pool_lock);
}

void pool_tick(void)
{
	uint32_t now = now_ms();
	if (!lock_try(&pool_lock))
		return;
	if (pool.dirty_slabs && now - pool.last_purge_ms >= PURGE_INTERVAL_MS)
		purge_locked(now, false);
	lock_release(&pool_lock);
}

bool slab_carve(struct slab *slab)
{
	bool guarded = slab->kind == SLAB_GUARDED;
	if (slab->carved == slab->slots)
		return false;
	if (guarded && slab->carved == 0) {
		guard_fill(slab->base, slab->size - GUARD_BYTES, slab->size);
		slab->carved = 1;
	}
	uint32_t batch = SYS_PAGE_BYTES / slab->size;
	if (batch == 0)
		batch = 1;
	if (batch > (uint32_t)(slab->slots - slab->carved))
		batch = (uint32_t)(slab->slots - slab->carved);
	char *first = slab->base + (size_t)slab->carved * slab->size;
	char *next = NULL;
	for (uint32_t i = batch; i-- > 0;) {
		char *slot = first + (size_t)i * slab->size;
		if (guarded)
			guard_fill(slot, 0, slab->size);
		slot_link(slot, next);
		next = slot;
	}
	__atomic_store_n(&slab->carved, (uint16_t)(slab->carved + batch), __ATOMIC_RELAXED);
	slab->free = first;
	return true;
}

void pool_walk(void (*visit)(struct slab *slab, void *context), void *context, struct pool_usage *usage)
{
	*usage = (struct pool_usage){0};
	if (lock_mine(&pool_lock))
		return;
	lock_acquire(&pool_lock);
	for (struct chunk *chunk = pool.chunks; chunk; chunk = chunk->next) {
		uint64_t handed_out = ~chunk->free_slabs & ALL_SLABS;
		usage->mapped_bytes += (uint64_t)__builtin_popcountll(handed_out | chunk->dirty_slabs) * SLAB_BYTES;
		for (; handed_out; handed_out &= handed_out - 1) {
			struct slab *slab = chunk_slab(chunk, (unsigned)__builtin_ctzll(handed_out));
			visit(slab, context);
		}
	}
	usage->record_bytes = pool.record_pages * SYS_PAGE_BYTES;
	lock_release(&pool_lock);
}
