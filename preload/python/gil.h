/*
 * Holding CPython's global lock for a moment, so that every object is whole.
 *
 *   signal handler, timer        helper                      waiter
 *   gil_ask() --- starts ------> waits for the waiter -----> PyGILState_Ensure()
 *                                    |  <--- it has it --------- | takes the snapshot, releases, ends
 *                                    `- after some seconds: takes the snapshot without a census, and ends;
 *                                       the waiter, when its turn comes, releases at once
 *
 * There is no thread before the first request, and none afterwards. Both block all signals, allocate nothing that is
 * recorded, and are not known to the threading module. No lock of ours is held while the waiter waits: an extension may
 * keep the GIL for minutes.
 *
 * Why threads: a signal handler interrupts the interpreter anywhere, for example half-way through inserting into a
 * list. The interpreter's way to run something later, Py_AddPendingCall(), takes a lock that the interrupted thread may
 * hold, and runs when the main thread executes code again, which a sleeping program never does.
 */
#ifndef MUDLARK_GIL_H
#define MUDLARK_GIL_H

#include <stdbool.h>
#include <stdint.h>

/* Why there can be no census now; NULL: there can. */
const char *gil_why_not(void);

/*
 * Has the work done by a thread that holds the GIL, or by one that could not get it: one of interp (PyInterpreterState)
 * and why_not is 0. False: no thread could be made, or one is at work already. Called outside the allocator,
 * in a signal handler only where interrupted.h allows it.
 */
typedef void gil_work(void *context, uintptr_t interp, const char *why_not);
bool gil_ask(gil_work *work, void *context);

/* Whether a thread is at work, or waits for the GIL: gil_ask() would be refused. */
bool gil_is_busy(void);

/* The calling thread's PyInterpreterState, if the thread has the GIL and no collection is under way; else 0. */
uintptr_t gil_mine(void);

/*
 * The process is about to end: what was asked for and has not begun is the caller's to do, with the context it was
 * asked with; what has begun is waited for. False: nothing is left to do.
 */
bool gil_take_back(void **context);

/* In a fork child: what threads of ours did is not going on. */
void gil_fork_child(void);

#endif
