/*
 * All live blocks as the nodes of a graph: from any word to the block that it points into, in a few loads.
 *
 *   word --(>> 22)--> piece --> a chunk of the pools: slab --> slot = node
 *                          \--> large blocks that overlap these 4 MiB, in ascending order
 *
 * A node's number is that of its slot among all slots that were ever carved; large blocks follow, in their order. So
 * free slots have numbers, and nothing is searched. During a scan, one byte of state is kept for each node. Beside it
 * is the number of words of the slot that a small block did not request, which is where a reader ends. In the pools'
 * records it would cost one more cache miss for each block, half of a scan's time.
 *
 * Built while all threads of the program are stopped, and valid as long as they are. All memory is sys_map()'s.
 */
#ifndef MUDLARK_BLOCKS_H
#define MUDLARK_BLOCKS_H

#include "preload/heap/pool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum node_state {
	NODE_LIVE = 1,      /* 0: no block begins here */
	NODE_ROOT = 2,      /* whatever it is, it is used: ld.so's, ignored, or of nobody knows whom */
	NODE_WEAK = 4,      /* it was noted that something points into it */
	NODE_UNSAFE = 8,    /* reading it may fault: the program has changed its protection */
	NODE_KIND_BITS = 4, /* enum reach_kind above these */
	NODE_UNRECORDED = 128,
	NODE_SPARE_BITS = 8,    /* words above these */
	NODE_SPARE_MANY = 0xff, /* so many or more: ask the records */
};

struct block_slab {
	uint32_t first; /* number of its first slot's node */
	uint32_t size, inverse, carved;
	const uint32_t *cohorts; /* NULL: untracked */
	const char *base;
};

struct block_large {
	uintptr_t start;
	size_t size;
	uint32_t cohort;
};

/* 4 MiB of address space: count == PIECE_IS_CHUNK: slabs from `first` on, else so many large blocks. */
struct block_piece {
	uint32_t first, count;
};
#define PIECE_IS_CHUNK UINT32_MAX

struct blocks {
	uintptr_t low, span; /* no block is outside [low, low + span) */
	struct block_piece *piece;
	struct block_slab *slab;
	struct block_large *large;
	uint16_t *state;
	uint32_t *slab_by_node;        /* places in `slab` in the order of their nodes */
	uint32_t *place_by_step;       /* where in it stands the slab of node 0, 256, 512, ... */
	uint32_t slots, larges, slabs; /* nodes are slots + larges */
	uint32_t numbered;             /* slabs in slab_by_node */
	bool unaligned;                /* pointers count wherever they are stored, not only at multiples of 8 */
	size_t piece_bytes, slab_bytes, large_bytes, state_bytes, order_bytes; /* order: of the two */
};

/* What a block is to be taken for, by its cohort: enum node_state flags to be added. */
typedef uint8_t cohort_judge(uint32_t cohort);

/* false when there is no memory. blocks_free() unmaps, also after a failure. Caller holds no lock. */
bool blocks_build(struct blocks *blocks, cohort_judge *judge, uint8_t unrecorded);
void blocks_free(struct blocks *blocks);

struct block_at {
	uint32_t node;
	size_t offset; /* of the address in the block */
	uint32_t slot; /* bytes of a small block's slot; 0: a large block */
	size_t size;   /* requested bytes; of an untracked block its slot's */
	uintptr_t start;
};

/* Where a node lies, and how many words of it to read; leaves the records alone where that can be. */
uintptr_t block_words(const struct blocks *blocks, uint32_t node, size_t *words);
/* Where a node lies, its requested size and its cohort (0: not recorded). */
uintptr_t block_start(const struct blocks *blocks, uint32_t node, size_t *size, uint32_t *cohort);

bool block_large_find(const struct blocks *blocks, const struct block_piece *piece, uintptr_t address,
		      struct block_at *at);

static inline uint32_t blocks_count(const struct blocks *blocks)
{
	return blocks->slots + blocks->larges;
}

/*
 * The live block that has the address, or ends at it (then offset == size); false: there is none. Of a block's start
 * nothing but the state is read.
 */
static inline bool block_find(const struct blocks *blocks, uintptr_t address, struct block_at *at)
{
	const struct block_piece *piece = &blocks->piece[(address - blocks->low) >> CHUNK_BITS];
	if (!piece->count)
		return false;
	if (__builtin_expect(piece->count != PIECE_IS_CHUNK, 0))
		return block_large_find(blocks, piece, address, at);
	const struct block_slab *slab = &blocks->slab[piece->first + ((address >> SLAB_BITS) & (CHUNK_SLABS - 1))];
	uint32_t offset = (uint32_t)(address & (SLAB_BYTES - 1));
	uint32_t index = (uint32_t)(((uint64_t)offset * slab->inverse) >> 32);
	if (index >= slab->carved)
		return false;
	at->node = slab->first + index;
	if (!(blocks->state[at->node] & NODE_LIVE))
		return false;
	at->offset = offset - index * slab->size;
	at->start = address - at->offset;
	at->size = at->slot = slab->size;
	if (at->offset && slab->cohorts)
		at->size -= ((const uint16_t *)(slab->cohorts + SLAB_BYTES / slab->size))[index];
	return true;
}

/* Requested bytes of the live block that begins at `start`. */
static inline size_t block_size(const struct blocks *blocks, uintptr_t start)
{
	struct block_at at;
	const struct block_piece *piece = &blocks->piece[(start - blocks->low) >> CHUNK_BITS];
	if (piece->count != PIECE_IS_CHUNK)
		return block_large_find(blocks, piece, start, &at) ? at.size : 0;
	const struct block_slab *slab = &blocks->slab[piece->first + ((start >> SLAB_BITS) & (CHUNK_SLABS - 1))];
	if (!slab->cohorts)
		return slab->size;
	uint32_t index = (uint32_t)((start & (SLAB_BYTES - 1)) * (uint64_t)slab->inverse >> 32);
	return slab->size - ((const uint16_t *)(slab->cohorts + SLAB_BYTES / slab->size))[index];
}

struct block {
	uintptr_t start;
	size_t size; /* as in block_at */
	uint32_t node, cohort;
};
/* Calls visit for each live block, in the order of the nodes. */
void blocks_visit(const struct blocks *blocks, void (*visit)(const struct block *block, void *context), void *context);

#endif
