/*
 * Pointers that no allocator returned: into a stack, to a variable, into a mapping that the program made itself.
 *
 * Used only for pointers outside our chunks and large blocks. A match is certain: libc, the next allocator, has blocks
 * in neither stacks nor modules, and each has a header. No lock, no allocation. The one system call is mremap, for a
 * pointer to the beginning of a page.
 */
#ifndef MUDLARK_STRAY_H
#define MUDLARK_STRAY_H

#include "preload/interface/snapshot_format.h"

/* What is wrong with a pointer that is to be freed or resized; MISUSE_NONE: nothing is known. Async-signal-safe. */
enum snapshot_misuse stray_misuse(const void *p);

#endif
