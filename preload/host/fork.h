/*
 * Around fork(): the child must find whole tables and free locks.
 *
 * libc locks libio's list after all prepare handlers, and a thread that holds that list may wait for one of our locks.
 * So we take the list's lock (it is recursive) before ours; glibc's own test for this hangs jemalloc and tcmalloc. In a
 * single-threaded process no lock is taken at all: fork may be called from a signal handler there.
 */
#ifndef MUDLARK_FORK_H
#define MUDLARK_FORK_H

/* Collects the locks and registers the handlers. From the constructor. */
void fork_init(void);

#endif
