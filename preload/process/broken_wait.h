/*
 * Waits that a signal of ours broke off. After a handler the kernel lets some system calls return EINTR whatever
 * SA_RESTART says (poll, epoll_wait, nanosleep and others: signal(7)), which a program without handlers of its own
 * never meets, and takes for a failure. Those of libc that wait for a file, a time, a signal or a message are made
 * again, unless that would begin a time anew of which nobody knows what is left: poll and epoll_wait with one, usleep.
 * A program that has a handler, for whatever signal, knows EINTR, and gets it: whether that handler has just run, and
 * it must see EINTR, is unknown.
 *
 * Async-signal-safe; preserves errno.
 */
#ifndef MUDLARK_BROKEN_WAIT_H
#define MUDLARK_BROKEN_WAIT_H

#include <stdbool.h>
#include <ucontext.h>

/* Returns whether the thread comes back from a call with EINTR when the handler that has this context returns. */
bool broken_wait(const ucontext_t *context);
/* Makes it go on then, where doing it again is the same. */
void broken_wait_resume(ucontext_t *context);

#endif
