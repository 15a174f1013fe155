/*
 * From the paths of snapshots to rows in an output: the common part of show, diff and export.
 */
#ifndef MUDLARK_PRESENT_H
#define MUDLARK_PRESENT_H

#include "report/views/reading.h"

#include <stdio.h>

typedef void row_writer(const struct reading *reading, const struct aggregate *aggregate, FILE *stream);

struct presentation {
	row_writer *write;
	const char *output;    /* NULL: standard output */
	bool changes;          /* rank by the change between two sides, else by the newest side's figures */
	bool notes, all_notes; /* say on stderr why names are missing; also of the C and C++ runtime */
};

/* Loads count snapshots (or as many as there are, to be added up into one, when reading->merges), ranks their rows and
 * writes them. Returns EXIT_FINE or fills error. */
int present(struct reading *reading, const char *const *paths, uint32_t count, const struct presentation *presentation,
	    struct error *error);

/* show and diff: text, or with --json JSON, of exactly `count` operands; `wanted` says in words what they are. */
struct table_command {
	row_writer *write_text, *write_json, *write_tracemalloc;
	uint32_t count;
	bool merges;                   /* takes more snapshots as well, and adds them up */
	const char *wanted, *too_many; /* what is said when there are fewer or more */
};
int table_command_run(const struct table_command *table, const struct command *command, int argc, char **argv,
		      struct error *error);

#endif
