/* Around fork(); fork.h. */
#include "preload/host/fork.h"

#include "preload/base/lock.h"
#include "preload/base/notes.h"
#include "preload/base/sandboxed.h"
#include "preload/base/sys.h"
#include "preload/census/growth.h"
#include "preload/heap/damage.h"
#include "preload/heap/guard.h"
#include "preload/heap/heap.h"
#include "preload/heap/jemalloc_glue.h"
#include "preload/heap/large.h"
#include "preload/host/control.h"
#include "preload/process/modules.h"
#include "preload/process/roster.h"
#include "preload/python/codes.h"
#include "preload/python/frames.h"
#include "preload/python/gil.h"
#include "preload/python/python.h"
#include "preload/sites/recording.h"
#include "preload/sites/sample.h"
#include "preload/sites/stacks.h"
#include "preload/sites/survey.h"
#include "preload/sites/threads.h"
#include "preload/sites/totals.h"
#include "preload/snapshot/picture.h"
#include "preload/unwind/rules.h"
#include "preload/unwind/unwind.h"

#include <pthread.h>
#include <sched.h>
#include <sys/single_threaded.h>

/* libio's, exported by libc for such cases since GLIBC_2.2.5. */
extern void _IO_list_lock(void) __attribute__((weak));
extern void _IO_list_unlock(void) __attribute__((weak));
extern void _IO_list_resetlock(void) __attribute__((weak));

enum {
	LOCKS_MAX = 64,
	LOCK_PATIENCE = 1000, /* yields; our locks are held for microseconds, over a survey for milliseconds */
};

/* From a thread's fork_prepare to its fork_parent or fork_child. */
static _Thread_local struct {
	struct heap *heap; /* of the thread that forks */
	bool locked;       /* all our locks are held */
	bool io_locked;    /* libio's list is */
} forking __attribute__((tls_model("initial-exec")));

/* All our locks, in rank order. Written once, by the constructor. */
static struct {
	struct lock *lock[LOCKS_MAX];
	unsigned count;
} all;

static void all_add(struct lock *lock)
{
	/* In every build: a lock in the wrong place would be a fork that hangs once in a million. */
	if (all.count == LOCKS_MAX || (all.count && all.lock[all.count - 1]->rank > lock->rank))
		__builtin_trap();
	all.lock[all.count++] = lock;
}

static void all_collect(void)
{
	all_add(&survey_lock);
	heap_locks(all_add);
	all_add(&jemalloc_lock);
	all_add(&quarantine_lock);
	all_add(&pool_lock);
	python_codes_locks(all_add);
	all_add(&threads_lock);
	all_add(&modules_lock);
	stacks_locks(all_add);
	all_add(&rules_lock);
	all_add(&timeline_lock);
	notes_locks(all_add);
}

static void all_release(unsigned count)
{
	while (count)
		lock_release(all.lock[--count]);
}

static bool all_try(void)
{
	for (unsigned i = 0; i < all.count; i++) {
		int patience = LOCK_PATIENCE;
		while (!lock_try(all.lock[i])) {
			if (--patience == 0) {
				all_release(i);
				return false;
			}
			sched_yield();
		}
	}
	return true;
}

static void io_lock(void)
{
	if (_IO_list_lock)
		_IO_list_lock();
	forking.io_locked = true;
}

static void io_unlock(void)
{
	if (forking.io_locked && _IO_list_unlock)
		_IO_list_unlock();
	forking.io_locked = false;
}

/*
 * A holder of one of our locks may have been interrupted by a signal handler that forks too and waits for libio's lock:
 * then it is given up for a moment.
 */
static void lock_everything(void)
{
	io_lock();
	unwind_gate_close();
	while (!all_try()) {
		unwind_gate_open();
		io_unlock();
		/* Long enough for the one that waits for it to wake up. */
		for (int i = 0; i < LOCK_PATIENCE; i++)
			sched_yield();
		io_lock();
		unwind_gate_close();
	}
	jemalloc_fork_prepare();
}

static void fork_prepare(void)
{
	struct heap *heap = heap_enter();
	forking.heap = heap;
	forking.locked = forking.io_locked = false;
	/* A program that looks after children of its own is not to meet one of ours for longer than need be. */
	if (heap_is_real(heap) && !sandboxed())
		snapshot_settle(false);
	if (__libc_single_threaded) {
		/* No lock is held by anybody else. */
	} else if (heap == &heap_busy) {
		/* libio's all the same: another fork holds it and will wait for libc's own fork lock, which we get
		 * first. */
		io_lock();
	} else {
		lock_everything();
		forking.locked = true;
	}
}

static void fork_parent(void)
{
	struct heap *heap = forking.heap;
	if (forking.locked) {
		jemalloc_fork_parent();
		all_release(all.count);
		unwind_gate_open();
	}
	io_unlock();
	heap_leave(heap);
}

/*
 * A signal handler that forked while its thread, one of several, was inside the allocator: what other threads held
 * is lost with them. The child allocates on, without jemalloc, and records nothing.
 */
static void fork_child_amid(void)
{
	for (unsigned i = 0; i < all.count; i++)
		lock_reset_unless_mine(all.lock[i]);
	atomic_store(&recording_active, false);
	recording_blind();
	large_distrust();
}

static void roster_child(pid_t pid)
{
	roster_fork_child(pid, picture_start_ns());
}

/* What each module does in the child, one after the other. Where the place matters, it says why. */
static const struct {
	void (*child)(void);
	void (*child_of_heap)(struct heap *mine);
	void (*child_of_pid)(pid_t pid);
} in_child[] = {
	{.child = modules_fork_child},
	{.child = python_fork_child},
	{.child = python_frames_fork_child},
	{.child_of_heap = heap_fork_child},
	{.child = damage_fork_child},
	{.child_of_heap = sample_fork_child},  /* of the heap that is left */
	{.child_of_heap = threads_fork_child}, /* likewise */
	{.child_of_pid = snapshot_fork_child}, /* the child's start, which */
	{.child_of_pid = roster_child},        /* the roster has */
	{.child = gil_fork_child},
	{.child = census_growth_fork_child},
	{.child_of_pid =
		 control_fork_child}, /* last: may enter the end in the roster, and begins a timer that asks for snapshots */
};

static void fork_child(void)
{
	struct heap *heap = forking.heap;
	/* Locked in, it takes no snapshot that would have its number. */
	pid_t pid = sandboxed() ? 0 : sys_getpid();
	if (forking.locked) {
		jemalloc_fork_child();
		all_release(all.count);
		unwind_gate_open();
	} else if (forking.io_locked) {
		fork_child_amid();
	}
	if (forking.io_locked && _IO_list_resetlock)
		_IO_list_resetlock();
	for (size_t i = 0; i < sizeof in_child / sizeof in_child[0]; i++) {
		if (in_child[i].child)
			in_child[i].child();
		if (in_child[i].child_of_heap)
			in_child[i].child_of_heap(heap);
		if (in_child[i].child_of_pid)
			in_child[i].child_of_pid(pid);
	}
	heap_leave(heap);
}

void fork_init(void)
{
	all_collect();
	pthread_atfork(fork_prepare, fork_parent, fork_child);
}
