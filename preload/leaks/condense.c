/* Components and their leaders; condense.h. */
#include "preload/leaks/condense.h"

#include "preload/base/sys.h"

#define NONE UINT32_MAX

struct step {
	uint32_t node;
	size_t position;
};

/* By node, or by component. Mapped at once; what is not touched takes no memory. */
struct work {
	const struct graph *graph;
	uint32_t *index;      /* order of visits from 1; 0: not visited */
	uint32_t *low;        /* least index that is known to be reached; NONE: its component is complete */
	uint32_t *component;  /* from 0, successors first */
	uint32_t *open;       /* nodes of components that are not complete */
	uint32_t *heaviest;   /* by component */
	uint32_t *pointed_at; /* by component: 1 when another one points into it */
	struct step *path;
	uint32_t visits, open_count, components;
	size_t path_count;
};

static void complete(struct work *work, uint32_t root)
{
	const struct graph *graph = work->graph;
	uint32_t number = work->components++, node, best = NONE;
	uint64_t best_weight = 0;
	do {
		node = work->open[--work->open_count];
		work->low[node] = NONE;
		work->component[node] = number;
		uint64_t weight = graph->weight(graph->context, node);
		if (best == NONE || weight > best_weight || (weight == best_weight && node < best)) {
			best = node;
			best_weight = weight;
		}
	} while (node != root);
	work->heaviest[number] = best;
}

static void enter(struct work *work, uint32_t node)
{
	work->index[node] = work->low[node] = ++work->visits;
	work->open[work->open_count++] = node;
	work->path[work->path_count++] = (struct step){node, 0};
}

static void walk_from(struct work *work, uint32_t first)
{
	const struct graph *graph = work->graph;
	enter(work, first);
	while (work->path_count) {
		struct step *step = &work->path[work->path_count - 1];
		uint32_t node = step->node, next = graph->next(graph->context, node, &step->position);
		if (next != NONE) {
			if (!work->index[next])
				enter(work, next);
			else if (work->low[next] != NONE && work->index[next] < work->low[node])
				work->low[node] = work->index[next];
			continue;
		}
		uint32_t low = work->low[node];
		if (low == work->index[node])
			complete(work, node);
		work->path_count--;
		if (work->path_count && low < work->low[work->path[work->path_count - 1].node])
			work->low[work->path[work->path_count - 1].node] = low;
	}
}

static void find_pointed_at(struct work *work)
{
	const struct graph *graph = work->graph;
	for (uint32_t node = 0; node < graph->count; node++) {
		size_t position = 0;
		uint32_t next;
		while ((next = graph->next(graph->context, node, &position)) != NONE)
			if (work->component[next] != work->component[node])
				work->pointed_at[work->component[next]] = 1;
	}
}

/* All that the leader reaches and no other one has. The path serves as the list of what is to be looked at. */
static void lead(struct work *work, uint32_t *leader, uint32_t first)
{
	const struct graph *graph = work->graph;
	work->path[0] = (struct step){first, 0};
	work->path_count = 1;
	leader[first] = first;
	while (work->path_count) {
		struct step *step = &work->path[work->path_count - 1];
		uint32_t next = graph->next(graph->context, step->node, &step->position);
		if (next == NONE) {
			work->path_count--;
		} else if (leader[next] == NONE) {
			leader[next] = first;
			work->path[work->path_count++] = (struct step){next, 0};
		}
	}
}

static void lead_all(struct work *work, struct condensed *condensed)
{
	for (uint32_t node = 0; node < work->graph->count; node++)
		condensed->leader[node] = NONE;
	for (uint32_t node = 0; node < work->graph->count; node++) {
		uint32_t component = work->component[node];
		if (work->pointed_at[component] || work->heaviest[component] != node)
			continue;
		lead(work, condensed->leader, node);
		condensed->leaders++;
	}
	condensed->components = work->components;
}

bool condense(struct condensed *condensed, const struct graph *graph)
{
	enum { ARRAYS = 6 };
	size_t count = (size_t)graph->count + 1;
	size_t bytes = count * (ARRAYS * sizeof(uint32_t) + sizeof(struct step));
	*condensed = (struct condensed){.bytes = count * sizeof(uint32_t)};
	condensed->leader = sys_map(condensed->bytes);
	struct step *memory = sys_map(bytes);
	if (!condensed->leader || !memory) {
		if (memory)
			sys_unmap(memory, bytes);
		return false;
	}
	uint32_t *arrays = (uint32_t *)(memory + count);
	struct work work = {
		.graph = graph,
		.index = arrays,
		.low = arrays + count,
		.component = arrays + 2 * count,
		.open = arrays + 3 * count,
		.heaviest = arrays + 4 * count,
		.pointed_at = arrays + 5 * count,
		.path = memory,
	};
	for (uint32_t node = 0; node < graph->count; node++)
		if (!work.index[node])
			walk_from(&work, node);
	find_pointed_at(&work);
	lead_all(&work, condensed);
	sys_unmap(memory, bytes);
	return true;
}

void condensed_free(struct condensed *condensed)
{
	if (condensed->leader)
		sys_unmap(condensed->leader, condensed->bytes);
	*condensed = (struct condensed){0};
}
