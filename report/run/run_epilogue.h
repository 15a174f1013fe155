/*
 * The report of `mudlark run` when the command has ended: where the snapshots are, the largest process, the next
 * command.
 */
#ifndef MUDLARK_RUN_EPILOGUE_H
#define MUDLARK_RUN_EPILOGUE_H

#include "report/analysis/aggregate.h"
#include "report/run/host_options.h"
#include "report/run/run_session.h"

enum { SITES_SHOWN = 3 };

/* Prints where the snapshots are, and what the process with the largest peak held. */
void run_epilogue(const struct run_session *session, const char *pattern, const struct host_options *host,
		  const struct skips *skips);
/* Prints the next command for that process, if there is a snapshot. options: each followed by a space, or "". */
void run_next(const struct snapshot_briefs *files, const char *options);

/* The first rows with something live, ranked and by line: a notice for each. */
void print_sites(const struct names *names, const struct aggregate *aggregate);

#endif
