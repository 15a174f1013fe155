/*
 * The figures of one source file, line by line and function by function.
 *
 * Own: a stack counts for the line that it belongs to (aggregate.h), so that the lines of all files add up to the
 * whole. With callees it counts for each line of the file that is in it, once however often it recurs: what a call
 * holds, wherever that was allocated. Lines then do not add up, and the file's sum is that of the stacks that are in
 * it.
 *
 * A function that is defined inside another one, a comprehension or a lambda, is part of that one.
 */
#ifndef MUDLARK_ANNOTATED_H
#define MUDLARK_ANNOTATED_H

#include "report/analysis/aggregate.h"
#include "report/analysis/metric.h"
#include "report/base/error.h"

struct annotated_line {
	uint32_t number;
	uint32_t function; /* index in functions */
	struct figures figures;
	size_t mark; /* the stack that was added last */
};

struct annotated_function {
	char *name;          /* owned; NULL: not known */
	uint32_t definition; /* line of it; 0: not known */
	uint32_t first, last;
	struct figures figures;
	size_t mark;
};

struct annotated {
	const char *file; /* as recorded */
	uint32_t file_id;
	struct annotated_line *lines; /* by number; only those with figures */
	struct annotated_function *functions;
	size_t line_count, function_count, line_capacity, function_capacity;
	struct figures total;
};

/*
 * Which file the user means: its recorded path, its last components, a base name, or a glob on either; NULL: the one
 * with the most of the metric. aggregate is one by stack, with all rows named. Returns EXIT_FINE or fills error.
 */
int annotated_choose(struct annotated *annotated, const struct names *names, const struct aggregate *aggregate,
		     enum metric metric, const char *wanted, struct error *error);
/* Collects the figures of the file that was chosen. */
void annotated_collect(struct annotated *annotated, const struct names *names, const struct aggregate *aggregate,
		       const struct aggregate_options *options, bool callees);
void annotated_free(struct annotated *annotated);

#endif
