/* Lengauer and Tarjan's algorithm; dominators.h. */
#include "preload/base/dominators.h"

#include "preload/base/sys.h"

/*
 * Numbers are those of a depth-first search, from 1; 0: none. By number is what the algorithm reckons with, by node
 * what describes the graph.
 */
struct work {
	uint32_t *start;    /* by node: its first one in `beside`; of the node behind it: the end */
	uint32_t *beside;   /* successors, and then predecessors */
	uint32_t *position; /* by node */
	uint32_t *number;   /* by node */
	uint32_t *node;     /* by number, and so are the rest */
	uint32_t *parent;   /* in the tree of the search */
	uint32_t *semi;     /* number of the semidominator */
	uint32_t *label;    /* the one with the least semidominator on the way up that is compressed */
	uint32_t *ancestor; /* in the forest that is built */
	uint32_t *dominator;
	uint32_t *bucket; /* first one that the number is the semidominator of */
	uint32_t *next;   /* in its bucket */
	uint32_t *path;   /* being compressed */
	uint32_t count, visits;
};

enum { NODE_ARRAYS = 12 };

/* Nodes beside each node: at the other end of its edges, outwards or back. */
static void list_edges(struct work *work, const struct dominator_edge *edges, size_t edge_count, bool back)
{
	for (uint32_t node = 0; node <= work->count; node++)
		work->start[node] = 0;
	for (size_t i = 0; i < edge_count; i++)
		work->start[(back ? edges[i].to : edges[i].from) + 1]++;
	for (uint32_t node = 0; node < work->count; node++) {
		work->start[node + 1] += work->start[node];
		work->position[node] = work->start[node];
	}
	for (size_t i = 0; i < edge_count; i++) {
		uint32_t at = back ? edges[i].to : edges[i].from;
		work->beside[work->position[at]++] = back ? edges[i].from : edges[i].to;
	}
	for (uint32_t node = 0; node < work->count; node++)
		work->position[node] = work->start[node];
}

static void visit(struct work *work, uint32_t node, uint32_t parent)
{
	uint32_t number = ++work->visits;
	work->number[node] = number;
	work->node[number] = node;
	work->parent[number] = parent;
	work->semi[number] = work->label[number] = number;
}

static void number_nodes(struct work *work)
{
	uint32_t node = 0;
	visit(work, 0, 0);
	for (;;) {
		uint32_t number = work->number[node];
		if (work->position[node] < work->start[node + 1]) {
			uint32_t to = work->beside[work->position[node]++];
			if (work->number[to])
				continue;
			visit(work, to, number);
			node = to;
		} else if (number == 1) {
			return;
		} else {
			node = work->node[work->parent[number]];
		}
	}
}

/* The number with the least semidominator from this one up to, not with, the root of its tree in the forest. */
static uint32_t least(struct work *work, uint32_t number)
{
	uint32_t length = 0;
	if (!work->ancestor[number])
		return work->label[number];
	for (uint32_t up = number; work->ancestor[work->ancestor[up]]; up = work->ancestor[up])
		work->path[length++] = up;
	while (length) {
		uint32_t at = work->path[--length], above = work->ancestor[at];
		if (work->semi[work->label[above]] < work->semi[work->label[at]])
			work->label[at] = work->label[above];
		work->ancestor[at] = work->ancestor[above];
	}
	return work->label[number];
}

static void empty_bucket(struct work *work, uint32_t number)
{
	for (uint32_t at = work->bucket[number]; at; at = work->next[at]) {
		uint32_t best = least(work, at);
		work->dominator[at] = work->semi[best] < work->semi[at] ? best : number;
	}
	work->bucket[number] = 0;
}

static void reckon(struct work *work)
{
	for (uint32_t number = work->visits; number > 1; number--) {
		uint32_t node = work->node[number], parent = work->parent[number];
		for (uint32_t i = work->start[node]; i < work->start[node + 1]; i++) {
			uint32_t from = work->number[work->beside[i]];
			uint32_t semi = from ? work->semi[least(work, from)] : number;
			if (semi < work->semi[number])
				work->semi[number] = semi;
		}
		work->next[number] = work->bucket[work->semi[number]];
		work->bucket[work->semi[number]] = number;
		work->ancestor[number] = parent;
		empty_bucket(work, parent);
	}
	for (uint32_t number = 2; number <= work->visits; number++)
		if (work->dominator[number] != work->semi[number])
			work->dominator[number] = work->dominator[work->dominator[number]];
}

static void hand_out(const struct work *work, struct dominators *dominators)
{
	dominators->reached = work->visits;
	for (uint32_t node = 0; node < work->count; node++)
		dominators->dominator[node] = DOMINATOR_NONE;
	for (uint32_t number = 1; number <= work->visits; number++) {
		uint32_t node = work->node[number];
		dominators->order[number - 1] = node;
		if (number > 1)
			dominators->dominator[node] = work->node[work->dominator[number]];
	}
}

bool dominators_find(struct dominators *dominators, uint32_t count, const struct dominator_edge *edges,
		     size_t edge_count)
{
	size_t room = (size_t)count + 2; /* numbers from 1, and an end */
	size_t bytes = (NODE_ARRAYS * room + edge_count) * sizeof(uint32_t);
	*dominators = (struct dominators){.bytes = 2 * room * sizeof(uint32_t)};
	if (!count || edge_count >= UINT32_MAX)
		return false;
	dominators->dominator = sys_map(dominators->bytes);
	uint32_t *memory = sys_map(bytes);
	if (!dominators->dominator || !memory) {
		if (memory)
			sys_unmap(memory, bytes);
		return false;
	}
	dominators->order = dominators->dominator + room;
	struct work work = {.count = count};
	uint32_t **const arrays[NODE_ARRAYS] = {&work.start,  &work.position, &work.number,    &work.node,
						&work.parent, &work.semi,     &work.label,     &work.ancestor,
						&work.bucket, &work.next,     &work.dominator, &work.path};
	for (size_t i = 0; i < NODE_ARRAYS; i++)
		*arrays[i] = memory + i * room;
	work.beside = memory + NODE_ARRAYS * room;
	list_edges(&work, edges, edge_count, false);
	number_nodes(&work);
	list_edges(&work, edges, edge_count, true);
	reckon(&work);
	hand_out(&work, dominators);
	sys_unmap(memory, bytes);
	return true;
}

void dominators_free(struct dominators *dominators)
{
	if (dominators->dominator)
		sys_unmap(dominators->dominator, dominators->bytes);
	*dominators = (struct dominators){0};
}
