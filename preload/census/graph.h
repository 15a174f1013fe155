/*
 * The objects as a graph: references, roots, and two trees over it.
 *
 *   edges     of each object those that its tp_traverse visits, and the references found in its own memory if the type
 *             has no such function (native.h)
 *   external  an object's reference count minus all references found: what C code, the interpreter or a frame holds
 *   roots     modules; threads' own dicts; objects with external references; variables of frames that execute
 *   way       the tree of a breadth-first search: a shortest path to each object
 *   idom      the tree of dominators: the nearest object through which all paths to it lead. Without that object it
 *             would be free
 *
 * Roots are searched in that order, each kind until nothing is left to find: a path from a module lives longer than one
 * from a function that will return. So a frame is a root only for what no other root leads to, and what it holds leads
 * to nothing else. Otherwise a list that a function happens to use would belong to nobody. For the same reason no path
 * leads through the object of a frame that executes.
 *
 * Nodes of the trees: 0 is the common parent of all roots, an object is its number + 1.
 *
 * Memory: about 100 bytes an object and 12 a reference, all of it sys_map()'s, during the census. Beyond
 * GRAPH_NODES_MAX objects or GRAPH_EDGES_MAX references there are no dominators: idom is then `way`, and this is
 * reported.
 */
#ifndef MUDLARK_CENSUS_GRAPH_H
#define MUDLARK_CENSUS_GRAPH_H

#include "preload/base/dominators.h"
#include "preload/census/objects.h"
#include "preload/interface/snapshot_format.h"

enum {
	GRAPH_NODES_MAX = 1 << 24,
	GRAPH_EDGES_MAX = 1 << 26,
	LOCAL_TEMPORARY = UINT32_MAX, /* on the frame's stack of values */
};

/* Placeholders for the object before the first on a path; smaller values are numbers of objects. */
enum {
	WAY_NONE = 0xffffffffu,    /* nothing leads to it */
	WAY_BLOCKED = 0xfffffffeu, /* left out of this search */
	WAY_MODULE = 0xfffffffdu,
	WAY_OUTSIDE = 0xfffffffcu,
	WAY_ROOT = 0x80000000u, /* | number of a struct graph_root */
};

/* A variable of a frame that executes, or a thread's own dict or context. */
struct graph_root {
	enum snapshot_hold hold;
	uint32_t local; /* number of the variable */
	uintptr_t code; /* of a frame */
	uint32_t object;
	bool direct; /* no module, thread or C code leads to it */
};

struct graph_extra {
	uint32_t from, to;
};

struct census_graph {
	struct census_objects *objects;
	uintptr_t module_type; /* PyModule_Type */
	uint32_t count;        /* objects */
	uint32_t *first;       /* [count + 1] by object: its first edge */
	struct dominator_edge *edge;
	int32_t *external;
	struct graph_extra *extra; /* references out of memory, in the order of `from` */
	size_t extras, extras_room;
	struct graph_root *root;
	uint32_t roots;
	uint32_t *way;   /* by object: the one before it, or WAY_... */
	uint32_t *queue; /* objects in the order of the search */
	uint32_t queued;
	uint32_t long_lived; /* of these, what other roots than frames lead to */
	uint32_t *idom;      /* by node */
	uint32_t *order;     /* nodes, a dominator before what it dominates */
	uint32_t reached;
	bool exact; /* idom are dominators */
	struct dominators dominators;
	size_t edge_room;
	uint32_t cursor; /* whose references are looked at */
};

/* False: there is no memory. graph_end() unmaps, also after a failure. */
bool graph_begin(struct census_graph *graph, struct census_objects *objects, uintptr_t interp);
void graph_end(struct census_graph *graph);

/* Searches anew, as if the objects in blocked[] did not exist. */
void graph_search(struct census_graph *graph, const uint32_t *blocked, uint32_t blocked_count);

/* How the way to an object begins; *root is its first object. Only for objects that have a way. */
enum snapshot_hold graph_hold(const struct census_graph *graph, uint32_t object, uint32_t *root);
/* The root that the way to an object begins with, unless that is a module or outside: then NULL. first: of the way. */
const struct graph_root *graph_root_of(const struct census_graph *graph, uint32_t first);

static inline bool way_is_object(uint32_t way)
{
	return way < WAY_ROOT;
}

#endif
