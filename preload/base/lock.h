/*
 * Locks: one word that names the owner, a futex when contended, and a rank.
 *
 * Ranks: a thread takes locks only in ascending rank; fork takes them all in this order. Debug builds (-DMUDLARK_DEBUG)
 * check it at each acquisition that may wait; a lock that is only tried cannot deadlock. No lock is held while code
 * that is not ours runs.
 *
 * Why the owner is the word: a signal handler may allocate while its thread holds one of these locks. lock_mine() lets
 * that nested call take another way instead of waiting for itself forever, and the lock is never taken before its owner
 * is known.
 * Why not pthread_mutex: it knows neither owner nor rank, and libc may change its size and behaviour.
 */
#ifndef MUDLARK_LOCK_H
#define MUDLARK_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum lock_rank {
	RANK_SNAPSHOT = 1, /* one snapshot at a time */
	RANK_FALLBACK,     /* heap.c: one of the heaps for nested and late allocations; only ever tried */
	RANK_ORPHANS,      /* heap.c: heaps without a thread */
	RANK_JEMALLOC,     /* jemalloc_glue.c: its initialisation */
	RANK_QUARANTINE,   /* guard.c: the blocks that wait there */
	RANK_CENTRAL,      /* pool.c: chunks and free slabs */
	RANK_PYTHON,       /* python/codes.c: a code object is being copied; */
	RANK_CODES,        /* the table of codes, */
	RANK_TEXTS,        /* and that of their names */
	RANK_THREADS,      /* threads.c: the table of threads */
	RANK_MODULES,      /* modules.c */
	RANK_STACKS,       /* stacks.c: insertion, one rank for all shards; never two at once */
	RANK_SITES,        /* stacks.c: sites and cohorts */
	RANK_RULES,        /* rules.c; only ever tried */
	RANK_TIMELINE,
	RANK_NOTES,
};

struct lock {
	_Atomic uint64_t word; /* 0: free; else the owner's thread pointer, with bit 0 set when somebody waits */
	uint32_t rank;
};

#define LOCK_INIT(r)                                                                                                   \
	{                                                                                                              \
		0, (r)                                                                                                 \
	}

/* All: async-signal-safe, preserve errno, never allocate. */
void lock_acquire(struct lock *lock);
bool lock_try(struct lock *lock);
void lock_release(struct lock *lock);
/* In a fork child: a lock that a thread held which is no more is free now. */
void lock_reset_unless_mine(struct lock *lock);

static inline uintptr_t lock_self(void)
{
	return (uintptr_t)__builtin_thread_pointer();
}

/* Locks that the calling thread holds or is about to. */
extern _Thread_local uint32_t lock_depth __attribute__((tls_model("initial-exec")));

/* Returns whether the calling thread holds it: then it is a signal handler that interrupted the holder. */
static inline bool lock_mine(struct lock *lock)
{
	return (atomic_load_explicit(&lock->word, memory_order_relaxed) & ~(uint64_t)1) == lock_self();
}

#endif
