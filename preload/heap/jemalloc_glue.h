/*
 * The private jemalloc: the few functions of it that we call, under the names that the build gave them, and the
 * functions that it imports and we provide in libc's place.
 *
 * Reasons: its fork handlers must run inside libio's list lock, and not at all in a single-threaded process (plain
 * jemalloc hangs in glibc's own fork test). Its clean-up at a thread's end must look busy to signal handlers that
 * interrupt it. The host's MALLOC_CONF and /etc/malloc.conf must not influence it. It must start no thread. And it must
 * make no system call except mmap and munmap, which a seccomp sandbox that allows glibc's malloc allows. So it can be
 * initialised when the first large block is requested: a program without one, or under a small limit (space.h), does
 * not pay the 8 MiB of address space that it maps then.
 */
#ifndef MUDLARK_JEMALLOC_GLUE_H
#define MUDLARK_JEMALLOC_GLUE_H

#include "preload/base/lock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *pvt_mallocx(size_t size, int flags);
size_t pvt_xallocx(void *ptr, size_t size, size_t extra, int flags);
size_t pvt_sallocx(const void *ptr, int flags);
void pvt_dallocx(void *ptr, int flags);
int pvt_mallctl(const char *name, void *oldp, size_t *oldlenp, void *newp, size_t newlen);

/* As in jemalloc(3). */
#define JEMALLOC_LG_ALIGN(lg) (lg)
#define JEMALLOC_ZERO 0x40

/* Looks up what it will ask of the system. From the constructor. */
void jemalloc_init(void);

/*
 * Before a thread's first call of any of them: initialises jemalloc and what it keeps for the thread, which crashes
 * when there is no memory for it. False: there is none, its part of the limit is used up, or jemalloc_init() was not
 * called yet; then the thread must not call it. Called between heap_enter() and heap_leave(), not nested; preserves
 * errno.
 */
bool jemalloc_meet(void);

extern struct lock jemalloc_lock; /* for fork */

/* Address space that it has from the kernel. Counted in its mmap: asking it would take its locks. */
uint64_t jemalloc_mapped_bytes(void);

/* Its fork handlers, to be run in our order. */
void jemalloc_fork_prepare(void);
void jemalloc_fork_parent(void);
void jemalloc_fork_child(void);

#endif
