/*
 * Memory for Mudlark's own tables: from mmap, never from the allocator that it describes.
 *
 *   meta_allocate     bump allocation that is never freed: heaps, radix nodes, names.
 *   struct meta_table an array that grows by segments and never moves, so that readers need no lock: element i
 *                     is found by two loads, and a published element stays at its address forever.
 *
 * meta_bytes() is the sum of both, for "own memory" in the report.
 */
#ifndef MUDLARK_META_H
#define MUDLARK_META_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* The purpose of the memory, as reported in a snapshot. */
enum meta_part {
	META_OTHER,  /* names, modules, notes; what blocks of the bump allocator have left over */
	META_SITES,  /* sites, cohorts, their sets */
	META_FRAMES, /* the trie of frames and its set */
	META_CACHES, /* each thread's: heap, recent stacks, memo, room to capture one */
	META_PYTHON, /* code objects and their names */
	META_RULES,  /* of unwinding */
	META_BLOCKS, /* records of large blocks, maps of the address space */
	META_PARTS,
};

/* 16-byte aligned zeroed memory; NULL when there is none. Async-signal-safe, lock-free. */
void *meta_allocate(size_t bytes, enum meta_part part);
/* A copy of the text, however long, kept forever; NULL when there is no memory. Async-signal-safe, lock-free. */
const char *meta_copy(const char *text);

/* Memory mapped so far, in bytes; meta_account() adds what others map. */
uint64_t meta_bytes(void);
void meta_account(int64_t bytes, enum meta_part part);

/* Returns the bytes of one part other than META_OTHER. Lost races may have been counted. */
uint64_t meta_part_bytes(enum meta_part part);

/*
 * 4096 segments of 2^12 elements: 16 M elements, a directory of 32 KiB of which a program touches a page. Segments are
 * small because the first one of each table is what /bin/true pays, in address space.
 */
enum { META_SEGMENT_BITS = 12, META_SEGMENTS = 4096, META_TABLE_BITS = 24 };
#define META_SEGMENT_ELEMENTS ((uint32_t)1 << META_SEGMENT_BITS)
#define META_TABLE_ELEMENTS (META_SEGMENT_ELEMENTS * META_SEGMENTS)
_Static_assert(META_TABLE_ELEMENTS == 1 << META_TABLE_BITS, "bits of an index");

struct meta_table {
	uint32_t element_bytes;
	enum meta_part part;
	_Atomic uint32_t count; /* elements handed out; 0 is never used, so that 0 can mean none */
	_Atomic(char *) segment[META_SEGMENTS];
};

/* Index of a new zeroed element, or 0 when the table or memory is full. Lock-free. */
uint32_t meta_table_add(struct meta_table *table);

/* Number of elements including the unused element 0; every index below it that was handed out is mapped. */
static inline uint32_t meta_table_count(struct meta_table *table)
{
	uint32_t count = atomic_load_explicit(&table->count, memory_order_acquire);
	return count ? count : 1;
}

/* The element; index must have been handed out. */
static inline void *meta_table_at(struct meta_table *table, uint32_t index)
{
	char *segment = atomic_load_explicit(&table->segment[index >> META_SEGMENT_BITS], memory_order_acquire);
	return segment + (size_t)(index & (META_SEGMENT_ELEMENTS - 1)) * table->element_bytes;
}

#endif
