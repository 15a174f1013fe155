/*
 * What the processes of a run have lost, and the exit status that follows.
 *
 *   files of a process --> the last search --suppressions--> definite leaks --> found, none, or not certain
 *
 * The verdict is here and not in the process, because suppressions name functions. It is on the command and all its
 * descendants: whoever lost memory, the run has failed. Of the command itself a search is demanded; a descendant that
 * wrote none, because a signal ended it or it is still there, is not held against the run.
 */
#ifndef MUDLARK_RUN_LEAKS_H
#define MUDLARK_RUN_LEAKS_H

#include "report/host_options.h"
#include "report/run_files.h"
#include "report/suppressions.h"

struct run_leaks {
	const struct run_files *own, *children;
	const struct host_options *host;
	struct suppressions *suppressions; /* of files, and built-in ones */
	const char *exitcode; /* what the command line says, 0 to 255; NULL: what the processes themselves say */
	const char *suppressions_typed; /* the options that name them, for the next command; "": there are none */
	bool quiet;                     /* nothing but what was lost */
	bool show_suppressed;
};

/* Tells on stderr what was lost. status: the command's. Returns the one to end with. */
int run_leaks_judge(const struct run_leaks *run, int status);

#endif
