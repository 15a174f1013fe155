/* Futex locks with ranks; lock.h has the table of ranks. After U. Drepper, "Futexes are tricky". */
#include "preload/base/lock.h"

#include "preload/arch/processor.h"
#include "preload/base/sys.h"

/* Spins before sleeping: the sections behind these locks last about a microsecond. */
enum { LOCK_SPINS = 100 };

/* The half of the word that has the waiting bit. */
static _Atomic uint32_t *lock_futex(struct lock *lock)
{
	_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the low half comes first");
	return (_Atomic uint32_t *)(void *)&lock->word;
}

#ifdef MUDLARK_DEBUG
static _Thread_local uint32_t lock_held; /* bit per rank */

static void lock_check(struct lock *lock)
{
	/* Equal ranks only when fork takes all shards. */
	if (lock_held >> lock->rank >> 1)
		__builtin_trap(); /* out of rank order */
}
#define LOCK_CHECK(lock) lock_check(lock)
#define LOCK_NOTE(lock) (lock_held |= 1u << (lock)->rank)
#define LOCK_FORGET(lock) (lock_held &= ~(1u << (lock)->rank))
#else
#define LOCK_CHECK(lock) ((void)0)
#define LOCK_NOTE(lock) ((void)0)
#define LOCK_FORGET(lock) ((void)0)
#endif

_Thread_local uint32_t lock_depth;

enum { WAITED_FOR = 1 }; /* bit of the word: a thread pointer is aligned */

static bool word_take(struct lock *lock, uint64_t owner)
{
	uint64_t free = 0;
	return atomic_compare_exchange_strong_explicit(&lock->word, &free, owner, memory_order_acquire,
						       memory_order_relaxed);
}

bool lock_try(struct lock *lock)
{
	lock_depth++;
	if (!word_take(lock, lock_self())) {
		lock_depth--;
		return false;
	}
	LOCK_NOTE(lock);
	return true;
}

static void lock_wait(struct lock *lock)
{
	/* Who has waited once takes it as waited for: others may still sleep. */
	while (!word_take(lock, lock_self() | WAITED_FOR)) {
		uint64_t word = atomic_load_explicit(&lock->word, memory_order_relaxed);
		if (word == 0)
			continue;
		if (!(word & WAITED_FOR) && !atomic_compare_exchange_strong(&lock->word, &word, word | WAITED_FOR))
			continue;
		sys_futex_wait(lock_futex(lock), (uint32_t)(word | WAITED_FOR));
	}
}

void lock_acquire(struct lock *lock)
{
	LOCK_CHECK(lock);
	lock_depth++;
	for (int i = 0; i < LOCK_SPINS; i++) {
		if (word_take(lock, lock_self())) {
			LOCK_NOTE(lock);
			return;
		}
		processor_pause();
	}
	lock_wait(lock);
	LOCK_NOTE(lock);
}

void lock_release(struct lock *lock)
{
	LOCK_FORGET(lock);
	if (atomic_exchange_explicit(&lock->word, 0, memory_order_release) & WAITED_FOR)
		sys_futex_wake(lock_futex(lock), 1);
	lock_depth--;
}

void lock_reset_unless_mine(struct lock *lock)
{
	if (lock_mine(lock))
		return;
	atomic_store_explicit(&lock->word, 0, memory_order_release);
}
