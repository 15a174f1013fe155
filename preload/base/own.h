/*
 * The pages of the address space that are Mudlark's: the reachability scan does not read them as the program's.
 *
 *   address bits   46 .. 30                 29 .. 12
 *   table          number of a leaf, static  a bit for each page: 32 KiB, mapped when one is needed
 *
 * The pages entered are those that sys.c and the private jemalloc map: tables, records, and the memory of the program's
 * blocks, which the scan finds block by block. Lock-free; marking 64 MiB takes 256 words. The alternative was a
 * registry of ranges: but jemalloc trims and divides its mappings, and a lock would be needed inside mmap's callers.
 */
#ifndef MUDLARK_OWN_H
#define MUDLARK_OWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All but part of a page at either end. Async-signal-safe, never allocate. */
void own_add(const void *address, size_t bytes);
void own_remove(const void *address, size_t bytes);

/* The first address from `from` on, below `end`, whose page is ours (mine) or is not; `end` when there is none. */
uintptr_t own_find(uintptr_t from, uintptr_t end, bool mine);

/* Whether some page could not be entered: ours lie in more than 2048 different GiB, or there was no memory for a leaf.
 */
bool own_is_incomplete(void);

#endif
