/* See trees.h. */
#include "preload/census/trees.h"

#include <string.h>

void tree_of_dominators(struct held_tree *tree, const struct census_graph *graph, uint32_t *size, uint32_t *top,
			uint32_t *scratch, uint32_t *more_scratch)
{
	const uint32_t *idom = graph->idom, *order = graph->order;
	uint32_t *below = scratch, *next = more_scratch; /* by node: of the subtree; where its next child's begins */
	tree->count = graph->reached;
	for (uint32_t i = 0; i < graph->reached; i++)
		below[order[i]] = 1;
	for (uint32_t i = graph->reached; i-- > 1;)
		below[idom[order[i]]] += below[order[i]];
	next[0] = 1;
	for (uint32_t i = 1; i < graph->reached; i++) {
		uint32_t node = order[i], above = idom[node], place = next[above];
		uint32_t up = above ? tree->place[above - 1] : 0;
		next[above] += below[node];
		next[node] = place + 1;
		tree->object[place] = node - 1;
		tree->place[node - 1] = place;
		tree->up[place] = up;
		size[place] = below[node];
		top[place] = up ? top[up] : place;
	}
}

void tree_of_ways(struct held_tree *tree, const struct census_graph *graph)
{
	tree->count = graph->queued + 1;
	memset(tree->place, 0, graph->count * sizeof *tree->place);
	for (uint32_t i = 0; i < graph->queued; i++) {
		uint32_t object = graph->queue[i], way = graph->way[object];
		tree->object[i + 1] = object;
		tree->place[object] = i + 1;
		tree->up[i + 1] = way_is_object(way) ? tree->place[way] : 0;
	}
}

void tree_add_up(const struct held_tree *tree, uint32_t *sum, uint32_t *heavy)
{
	const uint32_t *up = tree->up;
	for (uint32_t i = tree->count; i-- > 1;)
		sum[up[i]] += sum[i];
	for (uint32_t i = 1; i < tree->count; i++)
		if (sum[i] && (!heavy[up[i]] || sum[i] > sum[heavy[up[i]]]))
			heavy[up[i]] = i;
}
