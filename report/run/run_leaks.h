/*
 * What the processes of a run have leaked, and the resulting exit status.
 *
 *   files of a process --> the last search --suppressions--> definite leaks --> found, none, or not certain
 *
 * The verdict is made here and not in the process, because suppressions name functions. It covers the command and all
 * its descendants: if one of them leaked memory, the run has failed. If one of them was not examined (run_processes.h),
 * the verdict is uncertain.
 */
#ifndef MUDLARK_RUN_LEAKS_H
#define MUDLARK_RUN_LEAKS_H

#include "report/analysis/suppressions.h"
#include "report/run/host_options.h"
#include "report/run/run_session.h"

struct run_leaks {
	const struct run_session *session;
	const struct host_options *host;
	const struct skips *skips;
	struct suppressions *suppressions; /* of files, and built-in ones */
	const char *exitcode; /* what the command line says, 0 to 255; NULL: what the processes themselves say */
	const char *suppressions_typed; /* the options that name them, for the next command; "": there are none */
	const char *skips_typed;        /* likewise: --skip and --no-config */
	bool allow_unexamined;          /* descendants that were not examined may have lost what they like */
	bool quiet;                     /* nothing but what was lost */
	bool show_suppressed;
};

/*
 * Says on stderr what was lost. status: the command's. Returns the one to end with; *judged: "leaks", "incomplete" (not
 * certain) or "passed"; as it was when there was nothing to judge.
 */
int run_leaks_judge(const struct run_leaks *run, int status, const char **judged);

#endif
