/*
 * Dominators of a directed graph: the nodes through which all paths from the root to a node lead.
 *
 * Lengauer and Tarjan's algorithm with path compression (A Fast Algorithm for Finding Dominators in a Flowgraph, 1979),
 * without recursion: time grows as m log n whatever the shape, where iterating to a fixed point takes n squared on long
 * lists with pointers back. About 50 bytes a node and 4 an edge; all memory is sys_map()'s.
 */
#ifndef MUDLARK_DOMINATORS_H
#define MUDLARK_DOMINATORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DOMINATOR_NONE UINT32_MAX

struct dominator_edge {
	uint32_t from, to; /* below `count` */
};

struct dominators {
	uint32_t *dominator; /* by node: the nearest one; DOMINATOR_NONE: the root, or not reached */
	uint32_t *order;     /* nodes that are reached, a dominator before what it dominates */
	uint32_t reached;
	size_t bytes;
};

/* Node 0 is the root. false when there is no memory. dominators_free() unmaps, also after a failure. */
bool dominators_find(struct dominators *dominators, uint32_t count, const struct dominator_edge *edges,
		     size_t edge_count);
void dominators_free(struct dominators *dominators);

#endif
