/*
 * The data that marking keeps if the user wants to know why blocks are reachable: from where each block was reached
 * first, and every pointer that makes one block keep another.
 *
 * Marking then proceeds level by level (mark.h), roots before blocks, so that the path back by parents is a shortest
 * one. A pointer counts if it is as good as what is known of its target: a block that other memory holds too is not
 * held by the stack, and a weak pointer holds only what has no strong one. So each block is explained by what gave it
 * its kind.
 */
#ifndef MUDLARK_TRACE_H
#define MUDLARK_TRACE_H

#include "preload/base/dominators.h"
#include "preload/interface/snapshot_format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the place of a node: a root of this kind. */
#define TRACE_ROOT(kind) (UINT32_MAX - (uint32_t)(kind))
#define TRACE_IS_ROOT(node) ((node) >= TRACE_ROOT(ROOT_KINDS))
#define TRACE_NODES_MAX (UINT32_C(1) << 31)

struct trace_parent {
	uint32_t node;   /* a block's, or TRACE_ROOT() */
	uint32_t thread; /* tid, of stacks and registers */
	uint64_t where;  /* of the pointer: its offset in the block, or as snapshot_format.h has it of the root */
};

struct trace {
	struct trace_parent *parent; /* by node */
	struct dominator_edge *edge; /* of nodes; from: TRACE_ROOT(), too */
	uint8_t *weak;               /* by edge: it counts when its target is LEAK_POSSIBLE only */
	size_t edges, capacity, parent_bytes;
	bool failed; /* there was no memory */
	/* What is being read: */
	uint32_t node, thread;
	uintptr_t base;  /* `where` counts from here */
	uintptr_t moved; /* of a copy: what brings its addresses to those of what it is a copy of */
};

/* false when there is no memory. trace_end() unmaps, also after a failure. */
bool trace_begin(struct trace *trace, uint32_t nodes);
void trace_end(struct trace *trace);

/* What is read from now on. */
void trace_root(struct trace *trace, enum snapshot_root kind, uint32_t thread, uintptr_t base);
static inline void trace_block(struct trace *trace, uint32_t node, uintptr_t start)
{
	trace->node = node;
	trace->base = start;
	trace->moved = 0;
}

/* The word leads to the node; first: nothing that was better did. */
void trace_pointer(struct trace *trace, uint32_t node, const void *word, bool weak, bool first);
/* The node is a root itself. */
void trace_itself(struct trace *trace, uint32_t node);

#endif
