/*
 * What the instruction at which a signal arrived reveals about a call: which part of its stack counts, and whether a
 * thread may be created.
 *
 * pthread_create() takes glibc's lock of cached stacks, which is not recursive: in a handler that interrupted a thread
 * which holds it (pthread_create(), pthread_join(), dlopen()), the thread would wait for itself forever. The lock cannot
 * be inspected. But the thread that holds it is in libc or ld.so, or in our free() on their behalf, and waits for
 * nothing. Elsewhere, and in a system call that waits, a thread may be created.
 */
#ifndef MUDLARK_INTERRUPTED_H
#define MUDLARK_INTERRUPTED_H

#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

/* context: the ucontext_t that the handler got. Async-signal-safe. */
bool interrupted_may_make_thread(const void *context);

/*
 * Returns whether an interrupted call is libc's or ld.so's, and at a system call, before or after it. What such a
 * function has is in its registers. Reads code at ip. Async-signal-safe.
 */
bool interrupted_calls_kernel(uintptr_t ip);

/* The first byte that counts below an interrupted call's stack pointer. Reads code at ip. Async-signal-safe. */
uintptr_t interrupted_lowest(uintptr_t ip, uintptr_t sp);

/* The part of the alternate signal stack of an interrupted call that it does not use itself: empty if there is none. */
void interrupted_alternate(const ucontext_t *context, uintptr_t *low, uintptr_t *high);

#endif
