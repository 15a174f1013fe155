/*
 * When snapshots are taken: on the signal, at an interval, at the high-water mark, on request.
 *
 * The signal may arrive inside the allocator. If the thread holds one of our locks there, the request is noted in
 * control_pending and served where the thread leaves the allocator (control_poll): no lock is held then. Internal
 * requests, those of the interval and the peak, take the same way.
 */
#ifndef MUDLARK_CONTROL_H
#define MUDLARK_CONTROL_H

#include "preload/base/options.h"
#include "preload/heap/heap.h"
#include "preload/interface/roster_format.h"
#include "preload/snapshot/snapshot.h"

#include <stdatomic.h>
#include <stdint.h>

extern _Atomic uint32_t control_pending; /* bit per enum snapshot_trigger */

void control_poll_slow(struct heap *heap, bool may_make_thread);

/* Called after heap_leave(): serves requests that came meanwhile. Does nothing in a nested call. */
static inline void control_poll(struct heap *heap)
{
	if (__builtin_expect(atomic_load_explicit(&control_pending, memory_order_relaxed) != 0, 0))
		control_poll_slow(heap, true);
}

/* The same in free(), which libc calls with the lock that pthread_create() takes: a thread is not made there. */
static inline void control_poll_freed(struct heap *heap)
{
	if (__builtin_expect(atomic_load_explicit(&control_pending, memory_order_relaxed) != 0, 0))
		control_poll_slow(heap, false);
}

/* The allocation path looks at the clock from time to time: elapsed_ns since the start. */
void control_clock(uint64_t elapsed_ns);
/* A new high-water mark has been recorded. */
void control_peak(void);

/* CPython, which is the program, has begun to end. Called between enter and leave. */
void control_interpreter_ends(void);

/* The program has ended an iteration: counts it, and takes a snapshot if one is wanted. As control_snapshot(). */
int control_mark(void);

/* Takes a snapshot now, wherever the caller is, or notes the request. 0 or -errno, as snapshot_take(). */
int control_snapshot(enum snapshot_trigger trigger, const char *label, bool wait);
/* The same with a search for leaks, waiting; what it said. LEAKS_UNCERTAIN when there was none. */
enum leak_verdict control_leaks(enum snapshot_trigger trigger, const char *label);
/* The status that the process ends with instead of this one, after control_at_exit(). */
int control_exit_status(int status);

/* From the constructor: signal, timer. options stays the caller's and valid. */
void control_init(const struct options *options, pid_t pid);
/* In a fork child. */
void control_fork_child(pid_t pid);

/*
 * The process is about to be replaced by exec: searches for leaks, if that was to be done at its end. A file is written
 * when something was lost. *error: of that file, or 0. control_exec_failed(): it goes on.
 */
enum roster_verdict control_before_exec(int *error);
void control_exec_failed(void);

/* Ends the process as one that leaks. */
__attribute__((noreturn)) void control_end_leaking(void);
/* No search for leaks at the end: it was done, or is not wanted any more. */
void control_leaks_done(void);

/* Whether the calling process is the one that state belongs to: false in a vfork child and after a raw clone. */
bool control_owns_process(void);

/* The snapshot at the end, once. */
void control_at_exit(void);
/* The one before a signal ends it; wait: for one that is being taken. Such a signal may come again meanwhile. */
void control_at_signal(int number, const char *name, bool wait);
/* The last one before a seccomp filter, which may not allow another. */
void control_before_sandbox(void);

#endif
