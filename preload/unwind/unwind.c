/* libunwind on our terms: private, without descriptors, reading only what may be read. unwind.h says why. */
#include "preload/unwind/unwind.h"

#include "preload/arch/on_stack.h"
#include "preload/base/meta.h"
#include "preload/base/sandboxed.h"
#include "preload/base/sys.h"
#include "preload/process/modules.h"
#include "preload/unwind/cache.h"
#include "preload/unwind/import.h"

#include <dlfcn.h>
#include <errno.h>
#include <libunwind.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define LIBUNWIND_SONAME "libunwind.so.8"
#define UNWIND_NAME2(prefix, arch, name) prefix #arch "_" name
#define UNWIND_NAME1(prefix, arch, name) UNWIND_NAME2(prefix, arch, name)
#define UNWIND_GLOBAL(name) UNWIND_NAME1("_U", UNW_TARGET, name)
#define UNWIND_LOCAL(name) UNWIND_NAME1("_UL", UNW_TARGET, name)

enum {
	/*
	 * Words of the thread descriptor that are searched for the stack's bounds: glibc 2.36's has 288. The first ones
	 * are its ABI, and hold the two guards, random numbers that may look like bounds.
	 */
	DESCRIPTOR_FIRST_WORD = 24,
	DESCRIPTOR_WORDS = 280,
	/* The descriptor ends the block, but for its own 2304 bytes and the alignment of thread-local variables. */
	DESCRIPTOR_ROOM_MAX = 64 * 1024,
	LOWEST_ADDRESS = 64 * 1024, /* what is less is a number: the kernel maps nothing there */
	STACK_MIN_BYTES = 4096,
	STACK_NEEDED_BYTES = 16 * 1024, /* libunwind took up to 7 KiB here */
	SPARE_STACK_BYTES = 64 * 1024,
	/* mmap areas begin at the stack's limit below it, and at least 128 MB. */
	MAIN_STACK_LIMIT_MAX = 64 * 1024 * 1024,
	PAGES_REMEMBERED = 8, /* pages off the known stack that were found readable, during one walk */
};

extern void *__libc_stack_end;

static struct {
	int (*backtrace)(void **, int);
	_Atomic bool asked_for; /* unwind_load() was called */
	uintptr_t main_thread;  /* thread pointer of the main thread */
	uintptr_t main_stack_end;
	uintptr_t main_stack_limit;     /* bytes below its end that the kernel keeps for the main stack */
	bool can_ask;                   /* the kernel reads our memory for us */
	uint32_t module, loader_module; /* of libunwind and of ld.so */
} unwinder;

/* The walk under way in this thread: what our access_mem may read without asking. */
struct reading {
	uintptr_t low, high;             /* the rest of the stack from the walk's start */
	uintptr_t spare_low, spare_high; /* libunwind's own, if it has one */
	uintptr_t page[PAGES_REMEMBERED];
	uint32_t pages;
	bool unreadable;
};
static _Thread_local struct reading *walk_now __attribute__((tls_model("initial-exec")));

/*
 * A page outside the thread's stack: a coroutine's or an alternate signal stack. Asked of the kernel once in a walk:
 * it is mapped as long as the walk stands on it.
 */
static bool page_readable(struct reading *walk, uintptr_t address)
{
	uintptr_t page = address & ~(uintptr_t)(SYS_PAGE_BYTES - 1);
	for (uint32_t i = 0; i < walk->pages; i++)
		if (walk->page[i] == page)
			return true;
	char probe;
	if (sandboxed() || !sys_read_memory((const void *)page, &probe, 1))
		return false;
	if (walk->pages < PAGES_REMEMBERED)
		walk->page[walk->pages++] = page;
	return true;
}

static bool may_read(struct reading *walk, uintptr_t address)
{
	if (address >= walk->low && address < walk->high && walk->high - address >= sizeof(unw_word_t))
		return true;
	if (address >= walk->spare_low && address < walk->spare_high)
		return true;
	if (modules_readable(address, sizeof(unw_word_t)))
		return true;
	return page_readable(walk, address) && page_readable(walk, address + sizeof(unw_word_t) - 1);
}

/* libunwind's access_mem for the local address space. The host may use the same object: writes must work. */
static int access_memory(unw_addr_space_t space, unw_word_t address, unw_word_t *value, int write, void *argument)
{
	(void)space, (void)argument;
	if (write) {
		memcpy((void *)(uintptr_t)address, value, sizeof *value);
		return 0;
	}
	struct reading *walk = walk_now;
	if (walk && !may_read(walk, address)) {
		walk->unreadable = true;
		return -UNW_EINVAL;
	}
	/* The host's own unwinding; where the kernel does not let us ask, it reads unasked. */
	if (!walk && unwinder.can_ask && !sys_read_memory((const void *)(uintptr_t)address, value, sizeof *value))
		return -UNW_EINVAL;
	memcpy(value, (const void *)(uintptr_t)address, sizeof *value);
	return 0;
}

/*
 * The stack of a thread that glibc made: its descriptor, which the thread pointer points to, has (block, size, guard
 * size) side by side; the descriptor itself lies at the top of the block. Before them stand words of the program's, its
 * thread-specific data and what the thread was started with, that must not be taken for these. pthread_getattr_np would
 * tell the same, but takes a lock that the thread may hold when it calls us, and allocates.
 */
static bool thread_stack_find(uintptr_t sp, uintptr_t *low, uintptr_t *high)
{
	const uintptr_t *word = (const uintptr_t *)lock_self();
	uintptr_t descriptor = lock_self();
	for (int i = DESCRIPTOR_FIRST_WORD; i + 2 < DESCRIPTOR_WORDS; i++) {
		uintptr_t block = word[i], size = word[i + 1], guard = word[i + 2];
		if (block < LOWEST_ADDRESS || size < STACK_MIN_BYTES || size > UINTPTR_MAX - block || guard >= size)
			continue;
		if (block + guard <= sp && sp < descriptor && descriptor < block + size &&
		    block + size - descriptor <= DESCRIPTOR_ROOM_MAX) {
			*low = block + guard;
			*high = descriptor;
			return true;
		}
	}
	return false;
}

uintptr_t unwind_own_low(const struct heap *heap)
{
	return heap->stack_high && heap->stack_high == unwinder.main_stack_end
		       ? unwinder.main_stack_end - unwinder.main_stack_limit
		       : heap->stack_low;
}

bool unwind_find_own_stack(struct heap *heap, uintptr_t sp)
{
	if (sp >= heap->stack_low && sp < heap->stack_high)
		return true;
	uintptr_t low, high;
	if (lock_self() == unwinder.main_thread) {
		/* It grows downwards, and all between its pointer and its end is mapped; but is this it? */
		bool on_it = sp < unwinder.main_stack_end && unwinder.main_stack_end - sp < unwinder.main_stack_limit;
		heap->stack_high = unwinder.main_stack_end;
		if (on_it || !heap->stack_low)
			heap->stack_low = on_it ? sp : heap->stack_high;
		return on_it;
	}
	if (heap->stack_high || !thread_stack_find(sp, &low, &high))
		return false;
	heap->stack_low = low;
	heap->stack_high = high;
	return true;
}

/*
 * libunwind has locks of its own, for its memory pools, which a fork child must not find taken. So fork closes a gate
 * and waits until nobody walks. Walks take microseconds and need no lock that fork holds meanwhile.
 */
static _Atomic uint32_t gate_closed;

/* Yields: a walker whose signal handler forks itself, and waits for libio's lock, must not be waited for for ever. */
enum { GATE_PATIENCE = 10000 };

static void gate_pass(struct heap *heap)
{
	for (;;) {
		atomic_store(&heap->x_walking, 1);
		if (!atomic_load(&gate_closed))
			return;
		atomic_store(&heap->x_walking, 0);
		sys_futex_wait(&gate_closed, 1);
	}
}

void unwind_gate_close(void)
{
	atomic_store(&gate_closed, 1);
	int patience = GATE_PATIENCE;
	for (struct heap *heap = heap_first(); heap; heap = heap->next_heap)
		while (atomic_load(&heap->x_walking) && patience-- > 0)
			sched_yield();
}

void unwind_gate_open(void)
{
	atomic_store(&gate_closed, 0);
	sys_futex_wake(&gate_closed, INT_MAX);
}

struct backtrace_call {
	uintptr_t *pcs;
	int max;
	int depth;
};

static void backtrace_call(void *argument)
{
	struct backtrace_call *call = argument;
	call->depth = unwinder.backtrace((void **)call->pcs, call->max);
}

/* A stack for libunwind where the thread's own may be too small; NULL when there is no memory. */
static char *spare_stack(struct heap *heap)
{
	if (!heap->spare_stack) {
		heap->spare_stack = sys_map(SPARE_STACK_BYTES);
		if (heap->spare_stack)
			meta_account(SPARE_STACK_BYTES, META_CACHES);
	}
	return heap->spare_stack;
}

/*
 * noinline, and the call is not a tail call: this frame separates the walk's begin from the hooks.
 */
__attribute__((noinline)) uint32_t unwind_stack(struct heap *heap, uintptr_t *pcs, uint32_t max, bool *unreadable)
{
	if (!unwinder.backtrace || !unwind_cache_renew(&heap->unwound_generation))
		return 0;
	int saved = errno;
	uintptr_t sp = (uintptr_t)__builtin_frame_address(0);
	bool own = unwind_on_own_stack(heap, sp);
	struct reading walk = {.low = sp, .high = sp};
	struct backtrace_call call = {pcs, (int)max, 0};
	bool roomy = lock_self() == unwinder.main_thread;
	if (own) {
		walk.high = heap->stack_high;
		roomy |= sp - heap->stack_low >= STACK_NEEDED_BYTES;
		/* The walk begins in libunwind's own frames, below ours. */
		walk.low = roomy ? sp - STACK_NEEDED_BYTES : heap->stack_low;
	} else {
		roomy = false;
	}
	gate_pass(heap);
	walk_now = &walk;
	char *spare = roomy ? NULL : spare_stack(heap);
	if (spare) {
		walk.spare_low = (uintptr_t)spare;
		walk.spare_high = walk.spare_low + SPARE_STACK_BYTES;
		on_stack_call(spare + SPARE_STACK_BYTES, backtrace_call, &call);
	} else {
		backtrace_call(&call);
	}
	walk_now = NULL;
	atomic_store_explicit(&heap->x_walking, 0, memory_order_release);
	errno = saved;
	*unreadable = walk.unreadable;
	return call.depth > 0 ? (uint32_t)call.depth : 0;
}

void unwind_init(void)
{
	unwinder.main_thread = lock_self();
	/* Arguments and environment stand above, in the same page at least. */
	unwinder.main_stack_end = ((uintptr_t)__libc_stack_end | (SYS_PAGE_BYTES - 1)) + 1;
	char probe;
	unwinder.can_ask = sys_read_memory(&unwinder, &probe, sizeof probe);
	struct rlimit limit;
	unwinder.main_stack_limit = MAIN_STACK_LIMIT_MAX;
	if (getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur < MAIN_STACK_LIMIT_MAX)
		unwinder.main_stack_limit = limit.rlim_cur;
}

bool unwind_load(const char **reason)
{
	if (sandboxed() || atomic_exchange_explicit(&unwinder.asked_for, true, memory_order_relaxed))
		return true;
	void *library = dlopen(LIBUNWIND_SONAME, RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		*reason = "no stacks: " LIBUNWIND_SONAME " cannot be loaded; install the package libunwind8";
		return false;
	}
	unw_accessors_t *(*get_accessors)(unw_addr_space_t) =
		(unw_accessors_t * (*)(unw_addr_space_t)) dlsym(library, UNWIND_GLOBAL("get_accessors"));
	unw_addr_space_t *space = dlsym(library, UNWIND_LOCAL("local_addr_space"));
	unwinder.backtrace = (int (*)(void **, int))dlsym(library, "unw_backtrace");
	int (*set_caching)(unw_addr_space_t, unw_caching_policy_t) =
		(int (*)(unw_addr_space_t, unw_caching_policy_t))dlsym(library, UNWIND_LOCAL("set_caching_policy"));
	if (!get_accessors || !space || !set_caching || !unwinder.backtrace || !unwind_import_replace(library)) {
		unwinder.backtrace = NULL;
		*reason = "no stacks: " LIBUNWIND_SONAME
			  " lacks a function that Mudlark needs; install libunwind 1.6 or newer";
		return false;
	}
	unw_accessors_t *accessors = get_accessors(*space);
	/* Before its first walk: a frame that it cannot read then, it takes for an odd one as long as the thread lives.
	 */
	accessors->access_mem = access_memory;
	/* One walk, for what it only does at the first. */
	void *warm[4];
	unwinder.backtrace(warm, 4);
	unwind_cache_find();
	/*
	 * Its global cache has a mutex, which a fork child would find locked and a handler would wait for. Its cache of
	 * frame layouts by thread, which makes it fast, stays.
	 */
	set_caching(*space, UNW_CACHE_NONE);
	unwinder.module = modules_find((uintptr_t)unwinder.backtrace);
	unwinder.loader_module = modules_find((uintptr_t)dlsym(RTLD_DEFAULT, "__tls_get_addr"));
	return true;
}

bool unwind_owns_call(uintptr_t caller)
{
	if (!walk_now)
		return false;
	uint32_t module = modules_known(caller);
	return module && (module == unwinder.module || module == unwinder.loader_module);
}

/*
 * The kernel keeps the range below the main stack's end free of other mappings, whether the stack has grown there yet or
 * not. The other threads' stacks are blocks of mmap(), so only the calling thread's own can be named.
 */
bool unwind_is_on_stack(const void *p)
{
	uintptr_t address = (uintptr_t)p, low, high;
	if (address < unwinder.main_stack_end && unwinder.main_stack_end - address <= unwinder.main_stack_limit)
		return true;
	return lock_self() != unwinder.main_thread &&
	       thread_stack_find((uintptr_t)__builtin_frame_address(0), &low, &high) && address >= low &&
	       address < high;
}

uint32_t unwind_loader_module(void)
{
	return unwinder.loader_module;
}
