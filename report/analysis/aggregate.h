/*
 * Sites grouped into rows.
 *
 *   site --(stack, thread)--> key --> row, to which the site's figures are added
 *
 * One pass serves one snapshot (show) and two (diff): a row has a set of figures for each side, and keys are made of
 * what the sides share, never of ids or run-time addresses. Sums are exact: every site is in exactly one row, or was
 * filtered out.
 *
 * Whose line is it? owner.h has the rule, which is the same for every grouping; with all_frames a stack belongs to its
 * innermost frame.
 *
 * In a stack with Python frames CPython's own native frames are folded away: they are neither shown nor owned, and rows
 * by stack do not tell them apart. So is, outside the outermost Python frame, the C runtime that started it. Folding is
 * for reading both languages at once: not with all_frames, nor when native frames only are asked for. A Python frame
 * counts as having a source line, also where the compiler gave its instruction none.
 */
#ifndef MUDLARK_AGGREGATE_H
#define MUDLARK_AGGREGATE_H

#include "report/analysis/filter.h"
#include "report/analysis/names.h"

enum grouping { BY_STACK, BY_LINE, BY_FUNCTION, BY_FILE, BY_MODULE, BY_TYPE, BY_THREAD, BY_PROCESS };
enum language { LANGUAGE_ALL, LANGUAGE_NATIVE, LANGUAGE_PYTHON };

struct figures {
	uint64_t live_bytes, live_blocks, alloc_bytes, alloc_blocks, peak_bytes, peak_blocks, temporary_blocks;
	bool estimated; /* from samples: they are as uncertain as `spreads` says */
	bool continued; /* of a newer snapshot of the process that the older one is of */
	struct spreads spreads;
};

struct row {
	struct figures figures[NAMES_MOST_SNAPSHOTS]; /* by side */
	uint32_t side;     /* the snapshot that the next three are ids of: the newest that has the row */
	uint32_t frame;    /* BY_STACK: the innermost frame; 0: no stack was recorded */
	uint32_t location; /* whom the row belongs to: index + 1 in names->locations; 0: not known, BY_THREAD, or
			      BY_STACK until aggregate_name_stacks() */
	uint32_t thread;   /* BY_THREAD; 0: not known */
	uint32_t part;     /* BY_PROCESS: which of the snapshots that the side's was merged from */
	bool cut;          /* some stack of it lacks outer frames */
	bool shows_module; /* another row has its text, but is of another module: rows_tell_apart() */
	bool unnamed;      /* of all nameless functions of a module: their addresses cannot be compared */
	bool recorded;     /* some site of it has a stack */
};

struct aggregate_options {
	enum grouping by;
	enum language language; /* frames of another language are not shown, and nothing belongs to them */
	bool all_frames;
	const struct filter *filter; /* NULL: keep everything */
	bool keep_sites;             /* say which row each site is in */
	bool library_owns;           /* Python code of the standard library is an owner, as for tracemalloc */
};

struct aggregate {
	struct row *rows; /* in no useful order until sorted */
	size_t row_count, row_capacity;
	struct figures totals[NAMES_MOST_SNAPSHOTS]; /* sums over the rows, by side */
	/* What the filters left out, by side: totals and these together are the whole. */
	struct figures left_out[NAMES_MOST_SNAPSHOTS];
	uint32_t stacks_left_out[NAMES_MOST_SNAPSHOTS];
	/* With keep_sites: of each site, by side, the row + 1; 0: none. Rows are where they were built. */
	uint32_t *row_of_site[NAMES_MOST_SNAPSHOTS];
};

/*
 * Groups all snapshots of names, which resolves the addresses that the grouping and the filters have to know by name:
 * none when rows are stacks and nothing is filtered. The caller frees the result with aggregate_free().
 */
void aggregate_build(struct aggregate *aggregate, struct names *names, const struct aggregate_options *options);
/* BY_STACK: resolves the frames of the first count rows and finds whom they belong to. Due before they are printed. */
void aggregate_name_stacks(struct aggregate *aggregate, struct names *names, const struct aggregate_options *options,
			   size_t count);
void aggregate_free(struct aggregate *aggregate);

/* The same of one row, and the row of one site by itself, named and without figures. */
void row_name_stack(struct row *row, struct names *names, const struct aggregate_options *options);
struct row row_of_site(struct names *names, uint32_t side, uint32_t site, const struct aggregate_options *options);

/* Returns whether any frame of the snapshots is of this language. */
bool has_language(const struct names *names, enum language language);

void figures_add(struct figures *to, const struct figures *more);

/*
 * Walks the frames of a stack outwards, from the frame's innermost inline function; hidden frames (Mudlark's own,
 * another language, folded ones) are skipped. Start with a zeroed walk; returns NULL at the end.
 */
struct stack_walk {
	uint32_t frame;            /* being walked; 0: not started */
	uint32_t location;         /* next one of it */
	uint32_t outermost_python; /* frame id; 0: nothing is folded */
	bool started;
};
const struct location *stack_next(struct stack_walk *walk, const struct names *names, const struct row *row,
				  const struct aggregate_options *options);

#endif
