/* The two threads that wait for the GIL; gil.h has the picture. */
#include "preload/python/gil.h"

#include "preload/base/dynsym.h"
#include "preload/base/sys.h"
#include "preload/heap/heap.h"
#include "preload/python/frames.h"
#include "preload/python/python.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

enum {
	PATIENCE_S = 5,
	STACK_BYTES = 256 << 10,
	/* A collection that runs a finaliser may have let the GIL go: it is half way through its lists. */
	COLLECTION_TRIES = 200,
	COLLECTION_WAIT_NS = 5000000,
	COLLECTING_AFTER = 176, /* from the generations */
};
#define NOT_OBTAINED                                                                                                   \
	"objects were not counted: could not acquire the GIL within 5 seconds: an extension may be holding it"

#define COLLECTING "objects were not counted: a garbage collection was running each time the GIL was acquired"

/* ENDED: the waiter is gone without having had it. */
enum { WAITING, TAKEN, DONE, ENDED, GIVEN_UP };

static struct {
	_Atomic uint32_t busy; /* threads of ours that are not done */
	_Atomic uint32_t state;
	gil_work *work;
	void *context;
	int (*ensure)(void);
	void (*release)(int);
} gil;

const char *gil_why_not(void)
{
	if (!python_is_loaded())
		return "objects were not counted: there is no CPython in this process";
	if (atomic_load(&python_state) == PYTHON_OFF)
		return "objects were not counted: Python support is off";
	if (!python.layout.objects)
		return "objects were not counted: this Mudlark does not know the objects of this CPython";
	if (!python.is_initialized())
		return "objects were not counted: the interpreter does not run";
	if (python.is_finalizing())
		return "objects were not counted: the interpreter was ending";
	return NULL;
}

static bool is_collecting(uintptr_t interp)
{
	const struct python_layout *layout = &python.layout;
	if (!layout->objects)
		return true;
	uintptr_t gc = layout->gc_in_interp ? interp + layout->gc_in_interp : python.runtime + layout->gc_in_runtime;
	return python_int(gc, COLLECTING_AFTER) != 0;
}

uintptr_t gil_mine(void)
{
	if (!python_is_there())
		return 0;
	uintptr_t tstate = python_attached_thread();
	uintptr_t interp = tstate ? python_word(tstate, python.layout.tstate_interp) : 0;
	return interp && !is_collecting(interp) ? interp : 0;
}

static void ignore_own_blocks(void)
{
	struct heap *heap = heap_enter();
	if (heap_attach(&heap))
		heap->ignore_depth = IGNORE_OWN_THREAD;
	heap_leave(heap);
}

static void done(void)
{
	atomic_fetch_sub(&gil.busy, 1);
}

static void waiter_ends(void *unused)
{
	(void)unused;
	uint32_t waiting = WAITING;
	atomic_compare_exchange_strong(&gil.state, &waiting, ENDED);
	sys_futex_wake(&gil.state, INT_MAX);
	done();
}

static void wait_for_gil(void)
{
	uintptr_t interp = 0;
	/* Asked each time: an interpreter that has ended since has no lock to wait for. */
	for (int i = 0; i < COLLECTION_TRIES && atomic_load(&gil.state) == WAITING && !gil_why_not(); i++) {
		int ensured = gil.ensure();
		uint32_t waiting = WAITING;
		interp = gil_mine();
		if (interp && atomic_compare_exchange_strong(&gil.state, &waiting, TAKEN)) {
			gil.work(gil.context, interp, NULL);
			atomic_store(&gil.state, DONE);
		}
		gil.release(ensured);
		if (interp)
			break;
		_Atomic uint32_t never = 0;
		sys_futex_wait_for(&never, 0, COLLECTION_WAIT_NS);
	}
}

/* Up to 3.13 an interpreter that ends lets threads that wait for its lock exit. */
static void *waiter(void *unused)
{
	sys_name_thread("mudlark-gil");
	ignore_own_blocks();
	pthread_cleanup_push(waiter_ends, unused);
	wait_for_gil();
	pthread_cleanup_pop(1);
	return NULL;
}

static bool start_thread(void *(*run)(void *))
{
	pthread_attr_t attributes;
	pthread_t thread;
	if (pthread_attr_init(&attributes))
		return false;
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	atomic_fetch_add(&gil.busy, 1);
	bool good = pthread_create(&thread, &attributes, run, NULL) == 0;
	pthread_attr_destroy(&attributes);
	if (!good)
		done();
	return good;
}

static void *helper(void *unused)
{
	(void)unused;
	const char *why = "objects were not counted: no thread could be started for it";
	sys_name_thread("mudlark-gil");
	ignore_own_blocks();
	if (start_thread(waiter)) {
		uint64_t until = sys_monotonic_ns() + PATIENCE_S * UINT64_C(1000000000), now;
		while (atomic_load(&gil.state) == WAITING && (now = sys_monotonic_ns()) < until)
			sys_futex_wait_for(&gil.state, WAITING, until - now);
		why = NOT_OBTAINED;
	}
	uint32_t waiting = WAITING, ended = ENDED;
	if (atomic_compare_exchange_strong(&gil.state, &ended, GIVEN_UP)) {
		why = gil_why_not();
		why = why ? why : COLLECTING;
	} else if (!atomic_compare_exchange_strong(&gil.state, &waiting, GIVEN_UP)) {
		why = NULL;
	}
	if (why)
		gil.work(gil.context, 0, why);
	done();
	return NULL;
}

static bool find_functions(void)
{
	struct dynsym tables;
	if (!dynsym_open(&tables, python.map))
		return false;
	gil.ensure = (int (*)(void))dynsym_find(&tables, "PyGILState_Ensure", NULL);
	gil.release = (void (*)(int))dynsym_find(&tables, "PyGILState_Release", NULL);
	return gil.ensure && gil.release;
}

bool gil_ask(gil_work *work, void *context)
{
	uint32_t idle = 0;
	if (!atomic_compare_exchange_strong(&gil.busy, &idle, 1))
		return false;
	struct sys_quiet quiet;
	bool good = find_functions();
	if (good) {
		gil.work = work;
		gil.context = context;
		atomic_store(&gil.state, WAITING);
		/* Threads begin with the mask of their maker. */
		sys_quiet_begin(&quiet);
		good = start_thread(helper);
		sys_quiet_end(&quiet);
	}
	done();
	return good;
}

bool gil_is_busy(void)
{
	return atomic_load(&gil.busy) != 0;
}

bool gil_take_back(void **context)
{
	uint32_t waiting = WAITING;
	if (!atomic_load(&gil.busy))
		return false;
	while (atomic_load(&gil.state) == TAKEN)
		sys_futex_wait_for(&gil.state, TAKEN, COLLECTION_WAIT_NS);
	if (!atomic_compare_exchange_strong(&gil.state, &waiting, GIVEN_UP))
		return false;
	*context = gil.context;
	return true;
}

void gil_fork_child(void)
{
	atomic_store(&gil.busy, 0);
}
