/*
 * See waits.h.
 *
 * A function is known by where it begins, as .eh_frame has it for functions that are not exported, too: many of the
 * list only sort their arguments and jump to such a one, which then is all that is on the stack. Where they jump to is
 * read from their code. Each byte may begin a jump; those that do not lead to where a function begins are none.
 */
#include "preload/leaks/waits.h"

#include "preload/arch/processor.h"
#include "preload/base/dynsym.h"
#include "preload/process/modules.h"
#include "preload/process/runtime.h"
#include "preload/unwind/cfi.h"

#include <link.h>

enum {
	STARTS_MAX = 512,
	VERSIONS_MAX = 4, /* of a function in one libc */
	JUMPS_MAX = 2,    /* pthread_join() jumps once */
};

static const char *const names[] = {
	"sleep",
	"usleep",
	"nanosleep",
	"clock_nanosleep",
	"thrd_sleep",
	"pause",
	/* signals */
	"sigsuspend",
	"sigpause",
	"sigwait",
	"sigwaitinfo",
	"sigtimedwait",
	/* threads */
	"pthread_cond_wait",
	"pthread_cond_timedwait",
	"pthread_cond_clockwait",
	"cnd_wait",
	"cnd_timedwait",
	"pthread_mutex_lock",
	"pthread_mutex_timedlock",
	"pthread_mutex_clocklock",
	"mtx_lock",
	"mtx_timedlock",
	"pthread_rwlock_rdlock",
	"pthread_rwlock_wrlock",
	"pthread_rwlock_timedrdlock",
	"pthread_rwlock_timedwrlock",
	"pthread_rwlock_clockrdlock",
	"pthread_rwlock_clockwrlock",
	"pthread_barrier_wait",
	"pthread_join",
	"pthread_timedjoin_np",
	"pthread_clockjoin_np",
	"thrd_join",
	"sem_wait",
	"sem_timedwait",
	"sem_clockwait",
	/* descriptors */
	"poll",
	"ppoll",
	"select",
	"pselect",
	"epoll_wait",
	"epoll_pwait",
	"epoll_pwait2",
	"read",
	"pread",
	"pread64",
	"readv",
	"preadv",
	"preadv64",
	"write",
	"pwrite",
	"pwrite64",
	"writev",
	"pwritev",
	"pwritev64",
	"recv",
	"recvfrom",
	"recvmsg",
	"recvmmsg",
	"send",
	"sendto",
	"sendmsg",
	"sendmmsg",
	"accept",
	"accept4",
	"connect",
	"ioctl",
	"fcntl",
	"fcntl64",
	"flock",
	"lockf",
	"lockf64",
	"fsync",
	"fdatasync",
	"tcdrain",
	/* processes, and queues of System V */
	"wait",
	"waitpid",
	"waitid",
	"wait3",
	"wait4",
	"msgrcv",
	"msgsnd",
	"semop",
	"semtimedop",
};

static struct {
	uintptr_t start[STARTS_MAX];
	unsigned count;
	bool known;
} waits;

static bool has(uintptr_t start)
{
	for (unsigned i = 0; i < waits.count; i++)
		if (waits.start[i] == start)
			return true;
	return false;
}

static void add(uintptr_t start, const struct dl_phdr_info *libc, int jumps)
{
	size_t bytes, unused;
	if (waits.count == STARTS_MAX || has(start) || cfi_function(start, libc, &bytes) != start)
		return;
	waits.start[waits.count++] = start;
	for (size_t at = 0; jumps && at + JUMP_BYTES_LEAST <= bytes; at++) {
		uintptr_t target = processor_jump((const uint8_t *)start + at);
		if (target && target - start >= bytes && cfi_function(target, libc, &unused) == target)
			add(target, libc, jumps - 1);
	}
}

static void find_all(void)
{
	struct dynsym tables;
	struct dl_phdr_info libc;
	const struct link_map *map = runtime_module(RUNTIME_LIBC);
	waits.known = true;
	if (!map || !dynsym_open(&tables, map) || !modules_program_headers((uintptr_t)map->l_ld, &libc))
		return;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct dynsym_match found[VERSIONS_MAX];
		size_t count = dynsym_find_all(&tables, names[i], found, VERSIONS_MAX);
		for (size_t k = 0; k < count; k++)
			add(found[k].address, &libc, JUMPS_MAX);
	}
}

bool waits_at(uintptr_t code)
{
	struct dl_phdr_info libc;
	size_t bytes;
	if (!waits.known)
		find_all();
	if (!modules_program_headers(code, &libc))
		return false;
	uintptr_t start = cfi_function(code, &libc, &bytes);
	return start && has(start);
}
