/* RLIMIT_AS and RLIMIT_DATA, and the memory that is kept for snapshots; space.h says why. */
#include "preload/base/space.h"

#include "preload/base/sandboxed.h"
#include "preload/base/sys.h"
#include "preload/host/control.h"

#include <dlfcn.h>
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

static void note_limit(int resource, uint64_t soft)
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

static int (*next_setrlimit)(int, const struct rlimit64 *);
static int (*next_prlimit)(pid_t, int, const struct rlimit64 *, struct rlimit64 *);

static void find_next(void)
{
	next_setrlimit = (int (*)(int, const struct rlimit64 *))dlsym(RTLD_NEXT, "setrlimit64");
	next_prlimit = (int (*)(pid_t, int, const struct rlimit64 *, struct rlimit64 *))dlsym(RTLD_NEXT, "prlimit64");
}

void space_init(void)
{
	uint64_t limit;
	find_next();
	note_limit(RLIMIT_AS, sys_limit(RLIMIT_AS, &limit) ? UINT64_MAX : limit);
	note_limit(RLIMIT_DATA, sys_limit(RLIMIT_DATA, &limit) ? UINT64_MAX : limit);
}

#define EXPORT __attribute__((visibility("default")))

/* On 64-bit systems struct rlimit is struct rlimit64, and both names are one function. */
_Static_assert(sizeof(struct rlimit) == sizeof(struct rlimit64), "one structure");

/* A child of vfork has its parent's memory, but limits of its own; a confined program may not ask for its number. */
static bool is_own(pid_t pid)
{
	return !sandboxed() && control_owns_process() && (pid == 0 || pid == sys_getpid());
}

EXPORT int setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *limits)
{
	/* Another library's constructor may come before ours. */
	if (!next_setrlimit)
		find_next();
	int result = next_setrlimit((int)resource, limits);
	if (result == 0 && is_own(0))
		note_limit((int)resource, limits->rlim_cur);
	return result;
}

EXPORT int prlimit64(pid_t pid, __rlimit_resource_t resource, const struct rlimit64 *limits, struct rlimit64 *old)
{
	if (!next_prlimit)
		find_next();
	int result = next_prlimit(pid, (int)resource, limits, old);
	if (result == 0 && limits && is_own(pid))
		note_limit((int)resource, limits->rlim_cur);
	return result;
}

EXPORT int setrlimit(__rlimit_resource_t resource, const struct rlimit *limits)
{
	return setrlimit64(resource, (const struct rlimit64 *)limits);
}

EXPORT int prlimit(pid_t pid, __rlimit_resource_t resource, const struct rlimit *limits, struct rlimit *old)
{
	return prlimit64(pid, resource, (const struct rlimit64 *)limits, (struct rlimit64 *)old);
}
