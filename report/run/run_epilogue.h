/*
 * What `mudlark run` says when the command has ended: where the snapshots are, the process that held most, the next
 * command.
 */
#ifndef MUDLARK_RUN_EPILOGUE_H
#define MUDLARK_RUN_EPILOGUE_H

#include "report/analysis/aggregate.h"
#include "report/run/host_options.h"
#include "report/run/run_session.h"

enum { SITES_SHOWN = 3 };

/* Where the snapshots are, and what the process held that had the most at a time. */
void run_epilogue(const struct run_session *session, const char *pattern, const struct host_options *host,
		  const struct skips *skips);
/* What to type next, if there is a snapshot: of that process. options: typed ones with a space behind each, or "". */
void run_next(const struct snapshot_briefs *files, const char *options);

/* The first rows with something live, ranked and by line: a notice for each. */
void print_sites(const struct names *names, const struct aggregate *aggregate);

#endif
