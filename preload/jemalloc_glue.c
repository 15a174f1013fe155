/* What the private jemalloc meets instead of libc; jemalloc_glue.h says why. */
#include "preload/jemalloc_glue.h"

#include "preload/heap.h"
#include "preload/own.h"
#include "preload/sys.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

/*
 * Decay of one second, as in the pools. retain keeps address space and saves mapping calls. Blocks up to 256 KiB
 * are cached by thread. An arena of their own for blocks over 8 MiB would be purged at each free.
 */
extern const char *pvt_malloc_conf;
const char *pvt_malloc_conf =
	"abort:false,background_thread:false,dirty_decay_ms:1000,muzzy_decay_ms:0,tcache_max:262144,"
	"oversize_threshold:0,thp:never,metadata_thp:disabled,dss:disabled";

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

static _Atomic uint64_t mapped_bytes;

uint64_t jemalloc_mapped_bytes(void)
{
	return atomic_load_explicit(&mapped_bytes, memory_order_relaxed);
}

void *jemalloc_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset);
void *jemalloc_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	void *p = mmap(address, bytes, protection, flags, fd, offset);
	if (p != MAP_FAILED)
		own_add(p, bytes);
	if (p != MAP_FAILED && !(flags & MAP_FIXED))
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
