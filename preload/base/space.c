/* RLIMIT_AS and RLIMIT_DATA, and the memory that is reserved for snapshots; space.h explains why. */
#include "preload/base/space.h"

#include "preload/base/sys.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/resource.h>

/* A snapshot of a few thousand sites. */
enum { KEPT_BYTES = 2 << 20 };

static struct {
	_Atomic uint64_t address_space, data; /* soft limits, UINT64_MAX: none; 0: not known */
	_Atomic(void *) kept;
} space;

uint64_t space_limit(void)
{
	uint64_t address_space = atomic_load_explicit(&space.address_space, memory_order_relaxed);
	uint64_t data = atomic_load_explicit(&space.data, memory_order_relaxed);
	return address_space < data ? address_space : data;
}

static void keep(void)
{
	if (!space_is_limited() || atomic_load(&space.kept))
		return;
	void *none = NULL, *memory = sys_map(KEPT_BYTES);
	if (memory && !atomic_compare_exchange_strong(&space.kept, &none, memory))
		sys_unmap(memory, KEPT_BYTES);
}

void space_snapshot_begin(void)
{
	void *memory = atomic_exchange(&space.kept, NULL);
	if (memory)
		sys_unmap(memory, KEPT_BYTES);
}

void space_snapshot_end(void)
{
	keep();
}

void space_note_limit(int resource, uint64_t soft)
{
	/* RLIM_INFINITY is the greatest value. */
	if (resource == RLIMIT_AS)
		atomic_store_explicit(&space.address_space, soft, memory_order_relaxed);
	else if (resource == RLIMIT_DATA)
		atomic_store_explicit(&space.data, soft, memory_order_relaxed);
	else
		return;
	keep();
}
_Static_assert(RLIM64_INFINITY == UINT64_MAX, "no limit is the greatest one");

void space_init(void)
{
	uint64_t limit;
	space_note_limit(RLIMIT_AS, sys_limit(RLIMIT_AS, &limit) ? UINT64_MAX : limit);
	space_note_limit(RLIMIT_DATA, sys_limit(RLIMIT_DATA, &limit) ? UINT64_MAX : limit);
}
