/* The program's changes of its own limits: setrlimit and prlimit are interposed, since the limit is not read again. */
#include "preload/host/limits.h"

#include "preload/base/sandboxed.h"
#include "preload/base/space.h"
#include "preload/base/sys.h"
#include "preload/host/control.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <sys/resource.h>

static int (*next_setrlimit)(int, const struct rlimit64 *);
static int (*next_prlimit)(pid_t, int, const struct rlimit64 *, struct rlimit64 *);

void limits_init(void)
{
	next_setrlimit = (int (*)(int, const struct rlimit64 *))dlsym(RTLD_NEXT, "setrlimit64");
	next_prlimit = (int (*)(pid_t, int, const struct rlimit64 *, struct rlimit64 *))dlsym(RTLD_NEXT, "prlimit64");
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
		limits_init();
	int result = next_setrlimit((int)resource, limits);
	if (result == 0 && is_own(0))
		space_note_limit((int)resource, limits->rlim_cur);
	return result;
}

EXPORT int prlimit64(pid_t pid, __rlimit_resource_t resource, const struct rlimit64 *limits, struct rlimit64 *old)
{
	if (!next_prlimit)
		limits_init();
	int result = next_prlimit(pid, (int)resource, limits, old);
	if (result == 0 && limits && is_own(pid))
		space_note_limit((int)resource, limits->rlim_cur);
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
