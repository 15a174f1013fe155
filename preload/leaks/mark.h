/*
 * Marking: which blocks can be reached from memory that is in use, and by what kind of pointer.
 *
 *   word --> block it points into --> how
 *     at its start, or up to 7 bytes behind (a tag in the low bits)             strong
 *     at a place where C++ keeps such pointers (below), of a block that fits    strong
 *     anywhere else inside, or with something in its top 16 bits                weak
 *     one past its end                                                          not at all, but for new T[0]
 *
 * A pass marks, with its kind, everything that strong pointers lead to from its starting points, and notes the targets
 * of weak ones. Passes go from the best kind to the worst, so that each block gets the best possible kind; the last
 * pass follows the noted targets. The heuristics are those of Valgrind's memcheck:
 *   new[]    8 behind the start: a number of elements that divides the rest
 *   length64 8 behind the start: the rest's length
 *   string   24 behind the start: length and capacity of an old std::string that fit
 *   bases    at any word that, as the first one does, points to a table of virtual functions: an object by its second
 *            base. A table is in a mapping of a file, and of its first 20 words that are not 0 two lead to code
 * Of CPython's objects, those that the collector knows: 16 behind the start, and 32 from 3.11 on; and the values of
 * attributes in 3.11 and 3.12: behind their order, which tells its own length.
 *
 * With a trace (trace.h) marking proceeds level by level: `stack` is then a queue of all marked blocks in order.
 *
 * A pointer whose target is not in the caches takes about 100 ns, so targets wait in a ring of 32 while they are
 * fetched.
 */
#ifndef MUDLARK_MARK_H
#define MUDLARK_MARK_H

#include "preload/leaks/blocks.h"
#include "preload/leaks/trace.h"
#include "preload/process/maps.h"

enum reach_kind {
	REACH_NONE = 0,
	REACH_REACHABLE = 1,
	REACH_STACK_ONLY = 2, /* only from stacks */
	REACH_POSSIBLE = 3,   /* only by weak pointers */
	REACH_DEFINITE = 4,
	REACH_INDIRECT = 5, /* from definite ones */
	REACH_KINDS = 6,
};

enum { MARK_RING = 32 };

/* A block that is marked, and not read yet. */
struct mark_pending {
	uintptr_t start;
	uint32_t node;
	uint32_t words; /* to read; MARK_MANY: ask */
};
#define MARK_MANY UINT32_MAX

/* What was asked last of addresses with this hash. */
struct mark_table {
	uintptr_t address; /* 0: nothing */
	bool is_table;     /* of virtual functions */
};

enum { MARK_TABLES = 256 };

struct mark {
	struct blocks *blocks;
	const struct maps *maps;
	struct mark_table *table; /* [MARK_TABLES] */
	enum reach_kind kind;     /* of the pass */
	bool python;              /* blocks may be objects of CPython */
	bool weak_too;            /* the last pass: all pointers are followed */
	struct mark_pending *stack;
	uint32_t *weak; /* noted */
	size_t stack_count, weak_count, stack_bytes, weak_bytes;
	struct mark_pending ring[MARK_RING];
	unsigned ring_first, ring_count;
	uint64_t words, skipped_bytes;
	struct trace *trace; /* NULL: nobody asks why */
	size_t followed;     /* with a trace: how much of the queue was read */
	bool held;           /* likewise: nothing is followed until mark_release() */
};

/* false when there is no memory. */
bool mark_begin(struct mark *mark, struct blocks *blocks, const struct maps *maps, bool python);
void mark_end(struct mark *mark);

/* Takes words from memory that can be read. mark_follow() must come before the next pass. */
void mark_words(struct mark *mark, const uintptr_t *word, size_t count);
/* Marks a node itself. */
void mark_node(struct mark *mark, uint32_t node);
/* Until nothing new is reached. */
void mark_follow(struct mark *mark);
/* With a trace: all roots of a pass before the first block. Between the two mark_follow() does nothing. */
void mark_hold(struct mark *mark);
void mark_release(struct mark *mark);
/* The last pass: what was noted and is not marked yet. */
void mark_weak(struct mark *mark);

static inline enum reach_kind node_kind(const struct blocks *blocks, uint32_t node)
{
	return (enum reach_kind)(blocks->state[node] >> NODE_KIND_BITS & 7);
}

static inline void node_set_kind(const struct blocks *blocks, uint32_t node, enum reach_kind kind)
{
	blocks->state[node] =
		(uint16_t)((blocks->state[node] & ~(7u << NODE_KIND_BITS)) | (unsigned)kind << NODE_KIND_BITS);
}

/*
 * The next word of a block, from *position on (0 at first), that leads to another live block with no kind: its node;
 * UINT32_MAX at the end. For the graph of what leaked.
 */
uint32_t mark_next_unreached(const struct blocks *blocks, uint32_t node, size_t *position);

#endif
