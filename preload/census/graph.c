/* Edges, roots, the search and the dominators; graph.h has the model. */
#include "preload/census/graph.h"

#include "preload/base/sys.h"
#include "preload/census/names.h"
#include "preload/census/native.h"
#include "preload/python/python.h"

#include <string.h>

enum {
	ROOTS_MAX = 1 << 16,
	FRAMES_MAX = 1 << 16, /* of a thread */
	THREADS_MAX_WALKED = 1 << 14,
	STACK_SIZE_MAX = 1 << 12, /* words of a frame's stack that are looked at */
	TSTATE_NEXT = 8,
	WORD = sizeof(uintptr_t),
};

/* --- frames and threads --- */

static void add_root(struct census_graph *graph, const struct graph_root *root)
{
	if (graph->roots < ROOTS_MAX)
		graph->root[graph->roots++] = *root;
}

/* A reference that a frame has and no object. */
static void take_reference(struct census_graph *graph, uint32_t object)
{
	graph->objects->object[object].flags |= OBJECT_IN_FRAME;
	graph->external[object]--;
}

/* The frame's code; 0: it is one of the interpreter's own. */
static uintptr_t frame_code(uintptr_t frame)
{
	const struct python_layout *layout = &python.layout;
	if (layout->entries == ENTRIES_SHIMS && *(const uint8_t *)(frame + layout->frame_owner) >= OWNER_SHIM)
		return 0;
	uintptr_t code = python_word(frame, layout->frame_code);
	return code && python_word(code, OBJECT_TYPE) == python.code_type ? code : 0;
}

/* Up to 3.10 frames are objects, and their variables were found along with them. */
static bool frames_are_objects(const struct census_graph *graph)
{
	return !graph->objects->layout->frame_object_frame;
}

static void add_variables(struct census_graph *graph, uintptr_t frame)
{
	const struct census_objects *objects = graph->objects;
	uintptr_t code = frame_code(frame), locals = frame + objects->layout->frame_locals;
	uint32_t count = code ? census_locals(objects, code) : 0;
	for (uint32_t i = 0; i < count; i++) {
		uintptr_t value = python_word(locals, (size_t)i * WORD);
		uint32_t object = value ? census_find(objects, value) : OBJECT_NONE;
		if (object == OBJECT_NONE)
			continue;
		take_reference(graph, object);
		if (frames_are_objects(graph))
			graph->external[object]++;
		add_root(graph, &(struct graph_root){HOLD_FRAME, i, code, object, false});
	}
}

/*
 * Words of the frame that may be references: its function, and its stack of values, of which the
 * interpreter knows the end and we do not. Only objects that lack a reference are believed.
 */
static void add_temporaries(struct census_graph *graph, uintptr_t frame)
{
	const struct census_objects *objects = graph->objects;
	uintptr_t code = frame_code(frame), locals = frame + objects->layout->frame_locals;
	if (!code)
		return;
	uint32_t count = census_locals(objects, code), stack = python_int(code, objects->layout->code_stack_size);
	for (uint32_t i = 0; !frames_are_objects(graph) && frame + (size_t)i * WORD < locals; i++) {
		uint32_t object = census_find(objects, python_word(frame, (size_t)i * WORD));
		if (object != OBJECT_NONE && graph->external[object] > 0)
			take_reference(graph, object);
	}
	for (uint32_t i = 0; i < stack && i < STACK_SIZE_MAX; i++) {
		uint32_t object = census_find(objects, python_word(locals, ((size_t)count + i) * WORD));
		if (object == OBJECT_NONE || graph->external[object] <= 0)
			continue;
		take_reference(graph, object);
		add_root(graph, &(struct graph_root){HOLD_FRAME, LOCAL_TEMPORARY, code, object, false});
	}
}

static void mark_running(struct census_graph *graph, uintptr_t frame)
{
	uint32_t object = frames_are_objects(graph) ? census_find(graph->objects, frame) : OBJECT_NONE;
	if (object != OBJECT_NONE)
		graph->objects->object[object].flags |= OBJECT_RUNS;
}

/* The outermost frame first: a program's main function names what it has given to others. */
static void visit_frames(struct census_graph *graph, uintptr_t tstate, uintptr_t *frames,
			 void (*visit)(struct census_graph *, uintptr_t))
{
	uint32_t count = 0;
	for (uintptr_t frame = python_first_frame(tstate); frame && count < FRAMES_MAX;
	     frame = python_word(frame, python.layout.frame_back))
		frames[count++] = frame;
	while (count)
		visit(graph, frames[--count]);
}

static void add_own_object(struct census_graph *graph, uintptr_t address, enum snapshot_hold hold)
{
	uint32_t object = address ? census_find(graph->objects, address) : OBJECT_NONE;
	if (object == OBJECT_NONE)
		return;
	graph->external[object]--;
	add_root(graph, &(struct graph_root){.hold = hold, .object = object});
}

static bool visit_threads(struct census_graph *graph, uintptr_t interp, void (*visit)(struct census_graph *, uintptr_t))
{
	const struct python_layout *layout = graph->objects->layout;
	uint32_t threads = 0;
	uintptr_t *frames = sys_map(FRAMES_MAX * sizeof *frames);
	if (!frames)
		return false;
	for (uintptr_t tstate = python_word(interp, layout->threads_head); tstate && threads < THREADS_MAX_WALKED;
	     tstate = python_word(tstate, TSTATE_NEXT), threads++) {
		visit_frames(graph, tstate, frames, visit);
		if (visit != add_variables)
			continue;
		add_own_object(graph, python_word(tstate, layout->tstate_dict), HOLD_THREAD);
		add_own_object(graph, python_word(tstate, layout->tstate_context), HOLD_THREAD);
	}
	sys_unmap(frames, FRAMES_MAX * sizeof *frames);
	return true;
}

/* --- edges --- */

static bool runs(const struct census_graph *graph, uint32_t object)
{
	return graph->objects->object[object].flags & OBJECT_RUNS;
}

static int visit_count(uintptr_t address, void *context)
{
	struct census_graph *graph = context;
	uint32_t to = address ? census_find(graph->objects, address) : OBJECT_NONE;
	if (to == OBJECT_NONE || to >= graph->count)
		return 0;
	graph->external[to]--;
	if (!runs(graph, graph->cursor) && !runs(graph, to))
		graph->first[graph->cursor + 1]++;
	return 0;
}

static int visit_list(uintptr_t address, void *context)
{
	struct census_graph *graph = context;
	uint32_t to = address ? census_find(graph->objects, address) : OBJECT_NONE;
	if (to != OBJECT_NONE && to < graph->count && !runs(graph, to))
		graph->edge[graph->first[graph->cursor + 1]++] = (struct dominator_edge){graph->cursor + 1, to + 1};
	return 0;
}

static void traverse_all(struct census_graph *graph, census_visit *visit)
{
	for (graph->cursor = 0; graph->cursor < graph->count; graph->cursor++)
		if (visit == visit_count || !runs(graph, graph->cursor))
			census_traverse(graph->objects, &graph->objects->object[graph->cursor], visit, graph);
}

static bool is_outside(const struct census_graph *graph, uint32_t object)
{
	return graph->external[object] > 0 && !(graph->objects->object[object].flags & (OBJECT_IN_FRAME | OBJECT_RUNS));
}

static bool is_module(const struct census_graph *graph, uint32_t object)
{
	return census_type_of(graph->objects, &graph->objects->object[object])->address == graph->module_type;
}

/* Room for all edges: of objects, and from node 0. */
static bool edges_room(struct census_graph *graph)
{
	uint64_t edges = graph->roots + graph->extras;
	for (uint32_t i = 0; i < graph->count; i++)
		edges += graph->first[i + 1] + (uint64_t)(is_outside(graph, i) || is_module(graph, i));
	if (edges >= UINT32_MAX)
		return false;
	graph->edge_room = edges;
	graph->edge = sys_map(edges * sizeof *graph->edge);
	return graph->edge != NULL;
}

/* Out of the counts in `first`, one place behind: where each object's edges begin; visit_list() moves them on. */
static void list_edges(struct census_graph *graph)
{
	for (size_t i = 0; i < graph->extras; i++)
		graph->first[graph->extra[i].from + 1]++;
	uint32_t sum = 0;
	for (uint32_t i = 0; i < graph->count; i++) {
		uint32_t own = graph->first[i + 1];
		graph->first[i + 1] = sum;
		sum += own;
	}
	traverse_all(graph, visit_list);
	for (size_t i = 0; i < graph->extras; i++)
		graph->edge[graph->first[graph->extra[i].from + 1]++] =
			(struct dominator_edge){graph->extra[i].from + 1, graph->extra[i].to + 1};
}

/* --- the search --- */

static void push(struct census_graph *graph, uint32_t object, uint32_t way)
{
	if (graph->way[object] != WAY_NONE)
		return;
	graph->way[object] = way;
	graph->queue[graph->queued++] = object;
}

static void follow(struct census_graph *graph, uint32_t *next)
{
	for (; *next < graph->queued; (*next)++) {
		uint32_t from = graph->queue[*next];
		for (uint32_t i = graph->first[from]; i < graph->first[from + 1]; i++)
			push(graph, graph->edge[i].to - 1, from);
	}
}

static void push_roots(struct census_graph *graph, enum snapshot_hold hold)
{
	for (uint32_t i = 0; i < graph->roots; i++)
		if (graph->root[i].hold == hold)
			push(graph, graph->root[i].object, WAY_ROOT | i);
}

void graph_search(struct census_graph *graph, const uint32_t *blocked, uint32_t blocked_count)
{
	uint32_t next = 0;
	graph->queued = 0;
	memset(graph->way, 0xff, graph->count * sizeof *graph->way);
	for (uint32_t i = 0; i < blocked_count; i++)
		graph->way[blocked[i]] = WAY_BLOCKED;
	for (uint32_t i = 0; i < graph->count; i++)
		if (is_module(graph, i))
			push(graph, i, WAY_MODULE);
	follow(graph, &next);
	push_roots(graph, HOLD_THREAD);
	follow(graph, &next);
	for (uint32_t i = 0; i < graph->count; i++)
		if (is_outside(graph, i))
			push(graph, i, WAY_OUTSIDE);
	follow(graph, &next);
	for (uint32_t i = 0; !blocked_count && i < graph->roots; i++)
		graph->root[i].direct = graph->way[graph->root[i].object] == WAY_NONE;
	if (!blocked_count)
		graph->long_lived = graph->queued;
	push_roots(graph, HOLD_FRAME);
	follow(graph, &next);
}

const struct graph_root *graph_root_of(const struct census_graph *graph, uint32_t first)
{
	uint32_t way = graph->way[first];
	return way_is_object(way) || way >= WAY_OUTSIDE ? NULL : &graph->root[way & ~WAY_ROOT];
}

enum snapshot_hold graph_hold(const struct census_graph *graph, uint32_t object, uint32_t *root)
{
	while (way_is_object(graph->way[object]))
		object = graph->way[object];
	*root = object;
	if (graph->way[object] == WAY_MODULE || graph->way[object] == WAY_OUTSIDE)
		return graph->way[object] == WAY_MODULE ? HOLD_MODULE : HOLD_OUTSIDE;
	return graph_root_of(graph, object)->hold;
}

/* --- dominators --- */

/* What functions hold that run leads to nothing that something else leads to: they look at it. */
static void drop_edges_of_frames(const struct census_graph *graph)
{
	for (uint32_t i = graph->long_lived; i < graph->queued; i++)
		graph->objects->object[graph->queue[i]].flags |= OBJECT_BY_FRAME;
	for (uint32_t i = graph->long_lived; i < graph->queued; i++) {
		uint32_t from = graph->queue[i];
		for (uint32_t k = graph->first[from]; k < graph->first[from + 1]; k++)
			if (!(graph->objects->object[graph->edge[k].to - 1].flags & OBJECT_BY_FRAME))
				graph->edge[k].to = from + 1;
	}
}

static size_t add_root_edges(struct census_graph *graph)
{
	size_t edges = graph->first[graph->count];
	for (uint32_t i = 0; i < graph->count; i++)
		if (is_module(graph, i) || is_outside(graph, i))
			graph->edge[edges++] = (struct dominator_edge){0, i + 1};
	for (uint32_t i = 0; i < graph->roots; i++)
		if (graph->root[i].hold == HOLD_THREAD || graph->root[i].direct)
			graph->edge[edges++] = (struct dominator_edge){0, graph->root[i].object + 1};
	return edges;
}

/* The tree of the search in the place of that of the dominators: each object has one way, whatever others there are. */
static bool ways_for_dominators(struct census_graph *graph)
{
	size_t room = (size_t)graph->count + 1;
	graph->dominators = (struct dominators){.bytes = 2 * room * sizeof(uint32_t)};
	graph->dominators.dominator = sys_map(graph->dominators.bytes);
	if (!graph->dominators.dominator)
		return false;
	graph->idom = graph->dominators.dominator;
	graph->order = graph->idom + room;
	memset(graph->idom, 0xff, room * sizeof *graph->idom);
	graph->order[0] = 0;
	for (uint32_t i = 0; i < graph->queued; i++) {
		uint32_t object = graph->queue[i], way = graph->way[object];
		graph->order[i + 1] = object + 1;
		graph->idom[object + 1] = way_is_object(way) ? way + 1 : 0;
	}
	graph->reached = graph->queued + 1;
	return true;
}

static bool find_dominators(struct census_graph *graph)
{
	graph->exact = graph->count < GRAPH_NODES_MAX && graph->edge_room < GRAPH_EDGES_MAX;
	if (graph->exact) {
		size_t edges = add_root_edges(graph);
		graph->exact = dominators_find(&graph->dominators, graph->count + 1, graph->edge, edges);
		if (!graph->exact)
			dominators_free(&graph->dominators);
	}
	if (!graph->exact)
		return ways_for_dominators(graph);
	graph->idom = graph->dominators.dominator;
	graph->order = graph->dominators.order;
	graph->reached = graph->dominators.reached;
	return true;
}

/* --- */

static bool has_room(struct census_graph *graph)
{
	size_t count = graph->count;
	graph->first = sys_map((count + 1) * sizeof *graph->first);
	graph->external = sys_map(count * sizeof *graph->external);
	graph->way = sys_map(count * sizeof *graph->way);
	graph->queue = sys_map(count * sizeof *graph->queue);
	graph->root = sys_map(ROOTS_MAX * sizeof *graph->root);
	return graph->first && graph->external && graph->way && graph->queue && graph->root;
}

bool graph_begin(struct census_graph *graph, struct census_objects *objects, uintptr_t interp)
{
	*graph = (struct census_graph){
		.objects = objects, .count = objects->count, .module_type = python_exported("PyModule_Type")};
	if (!graph->count || !has_room(graph))
		return false;
	for (uint32_t i = 0; i < graph->count; i++)
		graph->external[i] = (int32_t)census_references(objects, objects->object[i].address);
	if (!visit_threads(graph, interp, mark_running))
		return false;
	traverse_all(graph, visit_count);
	if (!visit_threads(graph, interp, add_variables) || !visit_threads(graph, interp, add_temporaries))
		return false;
	if (!native_references(graph) || !edges_room(graph))
		return false;
	list_edges(graph);
	graph_search(graph, NULL, 0);
	drop_edges_of_frames(graph);
	return find_dominators(graph);
}

void graph_end(struct census_graph *graph)
{
	size_t count = graph->count;
	if (graph->first)
		sys_unmap(graph->first, (count + 1) * sizeof *graph->first);
	if (graph->external)
		sys_unmap(graph->external, count * sizeof *graph->external);
	if (graph->way)
		sys_unmap(graph->way, count * sizeof *graph->way);
	if (graph->queue)
		sys_unmap(graph->queue, count * sizeof *graph->queue);
	if (graph->root)
		sys_unmap(graph->root, ROOTS_MAX * sizeof *graph->root);
	if (graph->edge)
		sys_unmap(graph->edge, graph->edge_room * sizeof *graph->edge);
	if (graph->extra)
		sys_unmap(graph->extra, graph->extras_room * sizeof *graph->extra);
	dominators_free(&graph->dominators);
	*graph = (struct census_graph){0};
}
