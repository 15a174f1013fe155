/* Futex locks with ranks; lock.h has the table of ranks. After U. Drepper, "Futexes are tricky", mutex 2. */
#include "preload/lock.h"

#include "preload/sys.h"

/* Spins before sleeping: the sections behind these locks last about a microsecond. */
enum { LOCK_SPINS = 100 };

#ifdef MUDLARK_DEBUG
static _Thread_local uint32_t lock_held; /* bit per rank */

static void lock_check(struct lock *lock)
{
	/* Equal ranks only when fork takes all shards. */
	if (lock_held >> lock->rank >> 1)
		__builtin_trap(); /* out of rank order */
}
#define LOCK_NOTE(lock) (lock_check(lock), lock_held |= 1u << (lock)->rank)
#define LOCK_FORGET(lock) (lock_held &= ~(1u << (lock)->rank))
#else
#define LOCK_NOTE(lock) ((void)0)
#define LOCK_FORGET(lock) ((void)0)
#endif

_Thread_local uint32_t lock_depth;

static void lock_taken(struct lock *lock)
{
	lock_depth++;
	atomic_store_explicit(&lock->owner, lock_self(), memory_order_relaxed);
	LOCK_NOTE(lock);
}

bool lock_try(struct lock *lock)
{
	uint32_t free = 0;
	if (!atomic_compare_exchange_strong_explicit(&lock->state, &free, 1, memory_order_acquire,
						     memory_order_relaxed))
		return false;
	lock_taken(lock);
	return true;
}

void lock_acquire(struct lock *lock)
{
	for (int i = 0; i < LOCK_SPINS; i++) {
		if (lock_try(lock))
			return;
		__builtin_ia32_pause();
	}
	while (atomic_exchange_explicit(&lock->state, 2, memory_order_acquire) != 0)
		sys_futex_wait(&lock->state, 2);
	lock_taken(lock);
}

void lock_release(struct lock *lock)
{
	LOCK_FORGET(lock);
	lock_depth--;
	atomic_store_explicit(&lock->owner, 0, memory_order_relaxed);
	if (atomic_exchange_explicit(&lock->state, 0, memory_order_release) == 2)
		sys_futex_wake(&lock->state, 1);
}

void lock_reset(struct lock *lock)
{
	LOCK_FORGET(lock);
	atomic_store_explicit(&lock->owner, 0, memory_order_relaxed);
	atomic_store_explicit(&lock->state, 0, memory_order_release);
}
