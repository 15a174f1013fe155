/*
 * The two trees of a graph of objects as arrays, so that counting what is below each object is one pass from the end.
 *
 *   place   0: the common parent of all roots; for each object its place in the tree, after that of its parent
 *   up[]    by place: the parent's
 */
#ifndef MUDLARK_CENSUS_TREES_H
#define MUDLARK_CENSUS_TREES_H

#include "preload/census/graph.h"

struct held_tree {
	uint32_t count;
	uint32_t *object; /* by place */
	uint32_t *place;  /* by object; 0: it is not in the tree */
	uint32_t *up;     /* by place: the parent's */
};

/*
 * The tree of dominators, each subtree in one piece: reading along it is reading on in memory. size, top: by place, of
 * the subtree, and the child of the root that it is below. scratch: two arrays of graph->count + 1.
 */
void tree_of_dominators(struct held_tree *tree, const struct census_graph *graph, uint32_t *size, uint32_t *top,
			uint32_t *scratch, uint32_t *more_scratch);

/* The tree of the last search. */
void tree_of_ways(struct held_tree *tree, const struct census_graph *graph);

/* Adds each place's sum to its parent's; heavy: the child with most, 0: none has any. heavy[] is 0 before. */
void tree_add_up(const struct held_tree *tree, uint32_t *sum, uint32_t *heavy);

#endif
