/*
 * The private jemalloc: its few functions that we call, under the names that the build gave them, and what it
 * imports and we answer in libc's place.
 *
 * Why so: its fork handlers have to run inside libio's list lock and not at all in a single-threaded process
 * (plain jemalloc hangs in glibc's own fork test); its clean-up at a thread's end must look busy to signal handlers
 * that interrupt it; the host's MALLOC_CONF and /etc/malloc.conf must not steer it; it must start no thread; and it
 * must not call madvise, which a seccomp sandbox that allows glibc's malloc may not allow.
 */
#ifndef MUDLARK_JEMALLOC_GLUE_H
#define MUDLARK_JEMALLOC_GLUE_H

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

/* Address space that it has from the kernel. Counted in its mmap: asking it would take its locks. */
uint64_t jemalloc_mapped_bytes(void);

/* Its fork handlers, to be run in our order. */
void jemalloc_fork_prepare(void);
void jemalloc_fork_parent(void);
void jemalloc_fork_child(void);

#endif
