/*
 * Pointers that no allocator gave out: into a stack, to a variable, into a mapping of the program's own.
 *
 * Asked for pointers outside of our chunks and large blocks only. Certain where it names something: libc, the next
 * allocator, has blocks in neither stacks nor modules, and each has a header. No lock, no allocation; the one system
 * call is mremap, for a pointer to the begin of a page.
 */
#ifndef MUDLARK_STRAY_H
#define MUDLARK_STRAY_H

#include "preload/interface/snapshot_format.h"

/* What is wrong with a pointer that is to be freed or resized; MISUSE_NONE: nothing is known. Async-signal-safe. */
enum snapshot_misuse stray_misuse(const void *p);

#endif
