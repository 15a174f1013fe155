/*
 * Strongly connected components of the leaked blocks, and which leads to which.
 *
 * A leak is a component that no other leaked component points into. One of its blocks is the leader: the largest, and
 * of several the first. Everything else that a leak leads to is indirect, and belongs to the first leader that reaches
 * it, so that each block is counted once. A ring of blocks has a leader too; LeakSanitizer calls all of it indirect.
 *
 * Tarjan's algorithm (SIAM J. Comput. 1, 1972) without recursion, on a graph that is given by a function, so that tests
 * can supply their own graphs.
 */
#ifndef MUDLARK_CONDENSE_H
#define MUDLARK_CONDENSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Nodes are 0 .. count - 1. */
struct graph {
	uint32_t count;
	/* The next successor from *position on (0 at first), which it moves on; UINT32_MAX: no more. */
	uint32_t (*next)(const void *context, uint32_t node, size_t *position);
	uint64_t (*weight)(const void *context, uint32_t node); /* the heaviest of a component leads it */
	const void *context;
};

struct condensed {
	uint32_t *leader; /* by node: the leader that it belongs to; its own number: it is one */
	size_t bytes;
	uint32_t components, leaders;
};

/* false when there is no memory. condensed_free() unmaps, also after a failure. */
bool condense(struct condensed *condensed, const struct graph *graph);
void condensed_free(struct condensed *condensed);

#endif
