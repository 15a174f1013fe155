/* What the private jemalloc meets instead of libc; jemalloc_glue.h says why. */
#include "preload/heap/jemalloc_glue.h"

#include "preload/arch/on_stack.h"
#include "preload/base/own.h"
#include "preload/base/space.h"
#include "preload/base/sys.h"
#include "preload/heap/heap.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/*
 * Decay of one second, as in the pools. retain keeps address space and saves mapping calls. Blocks up to 256 KiB
 * are cached by thread. An arena of their own for blocks over 8 MiB would be purged at each free. Free memory is used
 * again however long its piece is (by default up to 64 times the block): waves of 40 MB in blocks of 20,000 bytes took
 * 198 MB instead of 54, and were slower. One arena a processor, not four: these blocks meet the arena's lock seldom, and
 * a fork takes and renews some 120 locks of each arena, whose pages parent and child then both copy.
 */
extern const char *pvt_malloc_conf;
const char *pvt_malloc_conf =
	"abort:false,background_thread:false,dirty_decay_ms:1000,muzzy_decay_ms:0,tcache_max:262144,narenas_ratio:1,"
	"oversize_threshold:0,lg_extent_max_active_fit:30,thp:never,metadata_thp:disabled,dss:disabled";

/*
 * Free memory of this much in one piece goes back at once. The option above does not reach the first arena, which is
 * made between the reading of options and their use, with what this variable of jemalloc's begins with: 8 MiB, which a
 * few neighbours come to. (Setting it later, by mallctl, costs 140 KiB of its tables.)
 */
enum { PURGED_AT_ONCE_BYTES = 64 << 20 };
extern size_t pvt_je_oversize_threshold;

static struct {
	void (*prepare)(void);
	void (*parent)(void);
	void (*child)(void);
} handlers;

int jemalloc_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));
int jemalloc_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
	handlers.prepare = prepare;
	handlers.parent = parent;
	handlers.child = child;
	return 0;
}

void jemalloc_fork_prepare(void)
{
	if (handlers.prepare)
		handlers.prepare();
}

void jemalloc_fork_parent(void)
{
	if (handlers.parent)
		handlers.parent();
}

void jemalloc_fork_child(void)
{
	if (handlers.child)
		handlers.child();
}

/* Its thread-specific destructor: what it does then is inside the allocator as any other call. */
static void (*thread_cleanup)(void *);

static void thread_cleanup_entered(void *argument)
{
	struct heap *heap = heap_enter();
	thread_cleanup(argument);
	heap_leave(heap);
}

int jemalloc_pthread_key_create(pthread_key_t *key, void (*destructor)(void *));
int jemalloc_pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
	thread_cleanup = destructor;
	return pthread_key_create(key, destructor ? thread_cleanup_entered : NULL);
}

/*
 * What it asks of the system when it is initialised: the first character of /proc/sys/vm/overcommit_memory, by system
 * calls, and the processors. The answers are from the constructor: later a sandbox may kill who asks.
 */
static struct {
	bool known;
	char overcommit; /* '\0': not known */
	cpu_set_t processors;
} answers;

static const char overcommit_path[] = "/proc/sys/vm/overcommit_memory";

void jemalloc_init(void)
{
	int fd = sys_open_read(overcommit_path);
	if (fd >= 0) {
		if (sys_read(fd, &answers.overcommit, 1) != 1)
			answers.overcommit = '\0';
		sys_close(fd);
	}
	if (sched_getaffinity(0, sizeof answers.processors, &answers.processors))
		CPU_SET(0, &answers.processors);
	answers.known = true;
}

int jemalloc_sched_getaffinity(pid_t pid, size_t bytes, cpu_set_t *set);
int jemalloc_sched_getaffinity(pid_t pid, size_t bytes, cpu_set_t *set)
{
	(void)pid;
	memcpy(set, &answers.processors, bytes < sizeof *set ? bytes : sizeof *set);
	return 0;
}

/* A descriptor that nobody has: only what is here reads from it. */
enum { OVERCOMMIT_FD = INT_MAX };

/* All else that it asks, of huge pages for one, and all that it writes, complaints, fails. */
long jemalloc_syscall(long number, long a, long b, long c);
long jemalloc_syscall(long number, long a, long b, long c)
{
	(void)c;
	const char *path = number == SYS_open ? (const char *)a : number == SYS_openat ? (const char *)b : NULL;
	if (path && answers.overcommit && strcmp(path, overcommit_path) == 0)
		return OVERCOMMIT_FD;
	if (number == SYS_read && a == OVERCOMMIT_FD) {
		*(char *)b = answers.overcommit;
		return 1;
	}
	if (number == SYS_close && a == OVERCOMMIT_FD)
		return 0;
	errno = ENOSYS;
	return -1;
}

static _Atomic uint64_t mapped_bytes;

/*
 * Under a limit it gets this part. What it rounds up and maps ahead is then a small part of what the program has, and
 * what it serves most is there: blocks that come and go.
 */
enum { LIMIT_PART = 64 };

/*
 * What a thread's first call maps at most: 2 MiB for jemalloc's own tables or an arena's, 4 MiB for what it knows of
 * another GiB of addresses, 2 MiB each for the thread's cache and its first block. It is mapped before and given out
 * from there, so that none of it can fail.
 */
enum { MEETING_BYTES = 12 << 20, MEETING_ALIGNMENT = 2 << 20 };
static _Thread_local struct {
	char *next, *end;
} meeting __attribute__((tls_model("initial-exec")));

static bool may_have(uint64_t bytes)
{
	uint64_t limit = space_limit();
	return limit == UINT64_MAX ||
	       atomic_load_explicit(&mapped_bytes, memory_order_relaxed) + bytes <= limit / LIMIT_PART;
}

/* Tables from below, which stay aligned; what is less than one from above. */
static char *meeting_take(size_t bytes)
{
	if (bytes < MEETING_ALIGNMENT)
		return meeting.end -= bytes;
	meeting.next += bytes;
	return meeting.next - bytes;
}

/* The calling thread's first call. */
static bool meet(void)
{
	char *reserve = may_have(MEETING_BYTES) ? sys_reserve(MEETING_BYTES, MEETING_ALIGNMENT) : NULL;
	if (!reserve)
		return false;
	int saved = errno;
	meeting.next = reserve;
	meeting.end = reserve + MEETING_BYTES;
	void *p = pvt_mallocx(SMALL_MAX_BYTES, 0);
	if (p)
		pvt_dallocx(p, 0);
	size_t rest = (size_t)(meeting.end - meeting.next);
	if (rest)
		sys_unmap(meeting.next, rest);
	meeting.next = meeting.end = NULL;
	errno = saved;
	return p != NULL;
}

struct lock jemalloc_lock = LOCK_INIT(RANK_JEMALLOC);
static _Atomic bool is_initialised; /* written under the lock */

static void meet_on_stack(void *met)
{
	*(bool *)met = meet();
}

/* Nobody forks meanwhile: a child would find it half done. A thread may have a stack that is too small for it. */
static bool initialise(void)
{
	enum { STACK_BYTES = 64 << 10 };
	char *stack = sys_map(STACK_BYTES);
	if (!stack)
		return false;
	bool met = false;
	lock_acquire(&jemalloc_lock);
	on_stack_call(stack + STACK_BYTES, meet_on_stack, &met);
	if (met)
		atomic_store_explicit(&is_initialised, true, memory_order_release);
	lock_release(&jemalloc_lock);
	sys_unmap(stack, STACK_BYTES);
	return met;
}

bool jemalloc_meet(void)
{
	if (atomic_load_explicit(&is_initialised, memory_order_acquire))
		return meet();
	return answers.known && may_have(MEETING_BYTES) && initialise();
}

uint64_t jemalloc_mapped_bytes(void)
{
	return atomic_load_explicit(&mapped_bytes, memory_order_relaxed);
}

void *jemalloc_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset);
void *jemalloc_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	bool is_new = !(flags & MAP_FIXED);
	if (!address && bytes <= (size_t)(meeting.end - meeting.next)) {
		address = meeting_take(bytes);
		flags |= MAP_FIXED;
	} else if (is_new && !may_have(bytes)) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	void *p = mmap(address, bytes, protection, flags, fd, offset);
	if (p != MAP_FAILED)
		own_add(p, bytes);
	if (p != MAP_FAILED && is_new)
		atomic_fetch_add_explicit(&mapped_bytes, bytes, memory_order_relaxed);
	return p;
}

int jemalloc_munmap(void *address, size_t bytes);
int jemalloc_munmap(void *address, size_t bytes)
{
	own_remove(address, bytes);
	int result = munmap(address, bytes);
	if (result == 0)
		atomic_fetch_sub_explicit(&mapped_bytes, bytes, memory_order_relaxed);
	return result;
}

char *jemalloc_secure_getenv(const char *name);
char *jemalloc_secure_getenv(const char *name)
{
	(void)name;
	pvt_je_oversize_threshold = PURGED_AT_ONCE_BYTES;
	return NULL;
}

int jemalloc_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
			    void *argument);
int jemalloc_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument)
{
	(void)thread, (void)attributes, (void)start, (void)argument;
	return EAGAIN;
}

/* It looks for pthread_create behind itself, to wrap it; dlsym inside malloc is what we must not call. */
void *jemalloc_dlsym(void *handle, const char *name);
void *jemalloc_dlsym(void *handle, const char *name)
{
	(void)handle, (void)name;
	return (void *)(uintptr_t)jemalloc_pthread_create;
}

/* /etc/malloc.conf */
ssize_t jemalloc_readlink(const char *path, char *out, size_t bytes);
ssize_t jemalloc_readlink(const char *path, char *out, size_t bytes)
{
	(void)path, (void)out, (void)bytes;
	errno = ENOENT;
	return -1;
}

int jemalloc_madvise(void *address, size_t bytes, int advice);
int jemalloc_madvise(void *address, size_t bytes, int advice)
{
	if (advice == MADV_DONTNEED || advice == MADV_FREE) {
		if (!sys_map_again(address, bytes)) {
			errno = ENOMEM;
			return -1;
		}
	}
	return 0; /* the rest is advice on huge pages and core dumps */
}

/* What its profiler would need, which is not built to be switched on here. */
double jemalloc_exp(double x);
double jemalloc_exp(double x)
{
	return x;
}

double jemalloc_log(double x);
double jemalloc_log(double x)
{
	return x;
}

double jemalloc_round(double x);
double jemalloc_round(double x)
{
	return x;
}

int jemalloc_unwind_backtrace(void *step, void *argument);
int jemalloc_unwind_backtrace(void *step, void *argument)
{
	(void)step, (void)argument;
	return 0;
}

uintptr_t jemalloc_unwind_ip(void *context);
uintptr_t jemalloc_unwind_ip(void *context)
{
	(void)context;
	return 0;
}
