/*
 * Runs a command under the library, and collects what is known of its processes when it has ended: the common part of
 * `mudlark run` and `mudlark gate run`.
 *
 *   roster created --> command started, waited for --> what it left running waited for --> files and processes read
 */
#ifndef MUDLARK_RUN_SESSION_H
#define MUDLARK_RUN_SESSION_H

#include "report/run/host_options.h"
#include "report/run/run_files.h"
#include "report/run/run_processes.h"

#include <stdbool.h>
#include <sys/types.h>

/* Long enough for the end of a child that its parent did not wait for. */
#define LINGER_WITH_JUDGEMENT 2.0
enum { LINGER_MOST = 86400, UNEXAMINED_SHOWN = 5 };

struct run_choices {
	bool leaks;        /* each process is to be searched at its end */
	bool only_command; /* children=0 */
	double linger;     /* seconds to wait for processes that outlive the command */
};

struct run_session {
	struct snapshot_briefs files;
	struct run_processes processes;
	pid_t pid;   /* of the command */
	int status;  /* as run returns it: its exit status, or 128 + n */
	bool signal; /* ... the latter */
};

/*
 * Runs the command with these options, of which "output" is an absolute pattern. Returns EXIT_FINE when it was started,
 * and fills the session, or fills error. Finish with run_session_free().
 */
int run_session(struct run_session *session, const char *library, const struct host_options *host, char **argv,
		const struct run_choices *choices, struct error *error);
void run_session_free(struct run_session *session);

/* The judgements of a run, as in its JSON. */
#define RUN_PASSED "passed"
#define RUN_LEAKS "leaks"
#define RUN_INCOMPLETE "incomplete" /* not certain */

/* Lets the run that this one is within know what came of it. judged: one of these; NULL: nothing was judged. */
void run_session_report(const char *judged);

/* Parses SECONDS of --wait-for-daemons. Returns EXIT_FINE, or fills error (EXIT_USAGE). */
int run_linger_option(const char *argument, double *seconds, struct error *error);

#endif
