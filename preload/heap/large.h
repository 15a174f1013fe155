/*
 * Large blocks: over 16 KiB, or aligned to more than a page. jemalloc holds them; our record of each is found by
 * its address in a radix of page numbers:
 *
 *   address bits   46 .. 35        34 .. 22          21 .. 12
 *   table          root, static    8192 pointers     1024 records of 16 bytes, one for each page
 *
 * A block's record is stored at its first page: no other large block begins there. Reading is lock-free and never
 * faults; tables are added by compare-and-swap and stay.
 *
 * jemalloc is not re-entrant. A nested call (heap.h) gets a "direct" block, a separate mapping. A block of jemalloc's
 * that it frees goes on a list for the next call that is not nested. Direct blocks also serve if jemalloc has no
 * memory, or may not have more (space.h).
 */
#ifndef MUDLARK_LARGE_H
#define MUDLARK_LARGE_H

#include "preload/heap/heap.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum large_kind {
	LARGE_NONE = 0,
	LARGE_JEMALLOC = 1,
	LARGE_DIRECT = 2,
	LARGE_FREED = 3, /* a block began here, and nothing has since */
};

struct large_record {
	_Atomic uint32_t cohort; /* as in a slab's records; 0: not recorded */
	_Atomic uint32_t state; /* enum large_kind | guarded << 3 | offset of the block in its page, a multiple of 16 */
	uint64_t size;          /* requested bytes */
};
_Static_assert(sizeof(struct large_record) == 16, "1024 of them are 16 KiB");

/*
 * A block of size bytes, aligned to a power of two, zeroed if asked for; its record has no cohort. NULL without
 * errno when there is no memory. Called between heap_enter() and heap_leave() with what heap_enter() returned.
 */
void *large_allocate(struct heap *heap, size_t size, size_t alignment, bool zero);

/* The record of a live large block that begins at p, or NULL. Lock-free. */
struct large_record *large_find(const void *p);

/*
 * What a pointer is that large_find() does not know: MISUSE_DOUBLE_FREE, MISUSE_NO_BLOCK when it points into a live
 * one, or MISUSE_NONE when it may be another allocator's.
 */
enum snapshot_misuse large_diagnose(const void *p);

/* Whether the block has a canary: guard.h. Not while it is resized. */
bool large_is_guarded(const struct large_record *record);

/* Frees a block with its record, whose cohort is cleared. Called like large_allocate(). */
void large_free(struct heap *heap, void *p, struct large_record *record);

/*
 * The two halves of large_free(), for a block that waits in the quarantine between them: the record is that of a freed
 * block from the first one on, and the kind and the block's room are what the second one needs. LARGE_FREED: another
 * thread has freed it meanwhile, which is said.
 */
enum large_kind large_retire(void *p, struct large_record *record);
void large_release(struct heap *heap, void *p, enum large_kind kind, size_t room);

/* Changes the size of a guarded block where it is. False: it is as it was. Called like large_allocate(). */
bool large_resize_guarded(struct heap *heap, void *p, struct large_record *record, size_t size);

/*
 * Changes the size in place, or moves the block, keeping its contents and the cohort. NULL when there is no memory;
 * then the block is as it was.
 */
void *large_resize(struct heap *heap, void *p, struct large_record *record, size_t size);

/* Bytes that may be used. Called like large_allocate(). */
size_t large_usable(struct heap *heap, const void *p, const struct large_record *record);

/* Gives free memory back to the kernel. Called like large_allocate(). */
void large_purge(struct heap *heap);

/* Calls visit for each large block. Not a consistent picture while other threads go on. */
void large_walk(void (*visit)(const struct large_record *record, void *context), void *context);
/* The same in the order of addresses, with where each block begins. */
void large_walk_addresses(void (*visit)(const struct large_record *record, uintptr_t start, void *context),
			  void *context);
/* Address space taken for large blocks. */
uint64_t large_mapped_bytes(void);
/* Requested bytes of all large blocks that live. */
uint64_t large_live_bytes(void);

/* In a fork child whose parent was inside jemalloc: direct blocks only from now on. */
void large_distrust(void);

#endif
