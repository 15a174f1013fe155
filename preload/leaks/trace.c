/* Parents and edges; trace.h. */
#include "preload/leaks/trace.h"

#include "preload/base/sys.h"

#include <string.h>

enum { EDGES_AT_FIRST = 1 << 16, EDGE_BYTES = sizeof(struct dominator_edge) + sizeof(uint8_t) };

bool trace_begin(struct trace *trace, uint32_t nodes)
{
	*trace = (struct trace){.parent_bytes = ((size_t)nodes + 1) * sizeof *trace->parent};
	if (nodes >= TRACE_NODES_MAX)
		return false;
	trace->parent = sys_map(trace->parent_bytes);
	return trace->parent != NULL;
}

void trace_end(struct trace *trace)
{
	if (trace->parent)
		sys_unmap(trace->parent, trace->parent_bytes);
	if (trace->edge)
		sys_unmap(trace->edge, trace->capacity * EDGE_BYTES);
	trace->parent = NULL;
	trace->edge = NULL;
}

void trace_root(struct trace *trace, enum snapshot_root kind, uint32_t thread, uintptr_t base)
{
	trace->node = TRACE_ROOT(kind);
	trace->thread = thread;
	trace->base = base;
	trace->moved = 0;
}

static bool grow(struct trace *trace)
{
	size_t capacity = trace->capacity ? 2 * trace->capacity : EDGES_AT_FIRST;
	struct dominator_edge *edge = sys_map(capacity * EDGE_BYTES);
	if (!edge)
		return false;
	uint8_t *weak = (uint8_t *)(edge + capacity);
	if (trace->edge) {
		memcpy(edge, trace->edge, trace->edges * sizeof *edge);
		memcpy(weak, trace->weak, trace->edges);
		sys_unmap(trace->edge, trace->capacity * EDGE_BYTES);
	}
	trace->edge = edge;
	trace->weak = weak;
	trace->capacity = capacity;
	return true;
}

static void add_edge(struct trace *trace, uint32_t from, uint32_t to, bool weak)
{
	trace->failed |= trace->edges == trace->capacity && !grow(trace);
	if (trace->failed)
		return;
	trace->edge[trace->edges] = (struct dominator_edge){from, to};
	trace->weak[trace->edges++] = weak;
}

void trace_pointer(struct trace *trace, uint32_t node, const void *word, bool weak, bool first)
{
	add_edge(trace, trace->node, node, weak);
	if (first)
		trace->parent[node] =
			(struct trace_parent){trace->node, trace->thread, (uintptr_t)word + trace->moved - trace->base};
}

void trace_itself(struct trace *trace, uint32_t node)
{
	add_edge(trace, TRACE_ROOT(ROOT_ITSELF), node, false);
	trace->parent[node] = (struct trace_parent){TRACE_ROOT(ROOT_ITSELF), 0, 0};
}
