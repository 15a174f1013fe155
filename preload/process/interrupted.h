/*
 * Whether a thread may be made where a signal came.
 *
 * pthread_create() takes glibc's lock of cached stacks, which is not recursive: in a handler that interrupted a thread
 * which holds it (pthread_create(), pthread_join(), dlopen()), the thread would wait for itself for ever. The lock
 * cannot be looked at. But whoever holds it is in libc or ld.so, or in our free() on their behalf, and waits for
 * nothing: outside of those, and in a system call that waits, a thread may be made.
 */
#ifndef MUDLARK_INTERRUPTED_H
#define MUDLARK_INTERRUPTED_H

#include <stdbool.h>

/* context: the ucontext_t that the handler got. Async-signal-safe. */
bool interrupted_may_make_thread(const void *context);

#endif
