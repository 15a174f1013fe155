/*
 * The holders of a type's objects: few of them, each with the number of objects that it explains.
 *
 *                 root ------------- 5,000
 *                  | module app --- 5,000           each object of the tree of dominators (graph.h) counts how
 *                  | dict --------- 5,000           many of the type would be free without it. The search goes down
 *                  | Registry ----- 4,990           from the root as long as one child has nearly all. The holder is
 *                  | dict SESSIONS- 4,990  <--      where the count falls apart among the elements of a container
 *                  | Session ...        1 each
 *
 *   node   would free all that it explains
 *   like   many roots of one kind, each of which explains some: a variable of a function that many threads execute, or
 *          objects of a type that only C code holds
 *   way    one of several: other paths lead to the same objects. Such holders are found by searching again without the
 *          holders found before
 *   cycle  nothing: they wait for the collector
 *
 * At modules, classes and instances, a count may fall apart among their variables. Then each variable that explains a
 * share worth reporting is a holder. A chain of objects of one class is held by the holder of its first.
 *
 * Objects born since the last census come first, because they are what has grown; then all objects, for the remainder.
 * Each holder counts its objects by their epoch of birth, so that a reader knows its share of the objects that came
 * after any older snapshot.
 */
#ifndef MUDLARK_CENSUS_HOLDERS_H
#define MUDLARK_CENSUS_HOLDERS_H

#include "preload/census/trees.h"

enum {
	STEPS_MAX = 24,    /* of a longer path the middle is left out */
	BORN_COUNTS = 64,  /* kinds of age that are distinguished */
	HOLDERS_MAX = 256, /* in all */
	HOLDERS_OF_TYPE = 8,
	HELD_TYPES_MAX = 24, /* that are asked for at once */
};

enum holder_kind { HOLDER_NODE, HOLDER_LIKE, HOLDER_WAY, HOLDER_CYCLE };

struct holder {
	enum holder_kind kind;
	enum snapshot_hold hold;
	uint32_t type;
	uint32_t object;  /* node, way: the holder itself */
	bool is_chain;    /* ... which is the first of those that it holds */
	uint64_t key;     /* like: of the roots */
	uint32_t example; /* one of those that are explained; OBJECT_NONE: none yet */
	uint64_t objects, bytes;
	uint64_t suspects, unseen; /* how many only C code holds; ... and no word in memory leads to */
	uint64_t born[BORN_COUNTS];
	uint32_t step[STEPS_MAX]; /* objects from the root to the example */
	uint32_t steps, left_out; /* left out behind the first half */
	uint32_t holder_step;     /* number of steps up to and with the holder */
	struct graph_root root;   /* of the path, where it is a variable's */
};

/* All objects of a type, held or not. */
struct held_type {
	uint32_t type;
	uint64_t objects, bytes, explained;
	uint64_t born[BORN_COUNTS];
};

struct census_holders {
	const struct census_graph *graph;
	struct holder *holder;
	uint32_t holders;
	uint32_t epoch, since;      /* of this census; of the last one, 0: there was none */
	struct held_tree dominated; /* in an order that has each subtree in one piece: reading it is reading on */
	uint32_t *size, *top;       /* by place there: of the subtree; the child of the root that it is below */
	struct held_tree ways;      /* of the last search */
	uint32_t *born;             /* by object of a type that is asked for: epoch + 1 */
	/* For one type at a time. */
	uint32_t type, first_of_type; /* number of its first holder */
	uint32_t *all_targets;        /* of all types, one after the other */
	uint32_t *target, targets;    /* its objects, in the order of the search */
	const struct held_tree *tree; /* that is counted on */
	uint32_t *sum, *heavy;        /* by place: objects in the subtree; the child with most */
	uint64_t total;
	size_t mapped_bytes;
};

/* Which of the counts by age objects born in the epoch belong to: those of the last epochs are distinguished. */
static inline uint32_t born_count_of(uint32_t epoch, uint32_t now)
{
	uint32_t age = now > epoch ? now - epoch : 0;
	if (!epoch)
		return BORN_COUNTS - 1;
	return age < BORN_COUNTS - 1 ? age : BORN_COUNTS - 2;
}

/*
 * Finds the holders of some types, whose counts it fills in. epoch: that the census ends; since: that the last one
 * ended, 0: there was none. False: there is no memory. holders_end() unmaps, also after a failure.
 */
bool holders_find(struct census_holders *holders, struct census_graph *graph, struct held_type *types, uint32_t count,
		  uint32_t epoch, uint32_t since);
void holders_end(struct census_holders *holders);

#endif
