/*
 * What `mudlark run` says when the command has ended: where the snapshots are, the largest sites, the next command.
 */
#ifndef MUDLARK_RUN_EPILOGUE_H
#define MUDLARK_RUN_EPILOGUE_H

#include "report/aggregate.h"
#include "report/host_options.h"
#include "report/run_files.h"

enum { SITES_SHOWN = 3 };

/* status: the command's, 128 + n when signal n ended it. */
void run_epilogue(const struct run_files *own, const struct run_files *children, const char *pattern,
		  const struct host_options *host, int status);
/* What to type next, if there is a snapshot. */
void run_next(const struct run_files *own, const struct run_files *children);

/* The first rows with something live, ranked and by line: a notice for each. */
void print_sites(const struct names *names, const struct aggregate *aggregate);

#endif
