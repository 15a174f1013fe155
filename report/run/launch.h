/*
 * Starts a command under the library and waits for it as a shell would.
 */
#ifndef MUDLARK_LAUNCH_H
#define MUDLARK_LAUNCH_H

#include "report/base/error.h"
#include "report/run/descendants.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A process that ended as a child of ours: the command, or a descendant of it that its own parent left behind. */
struct ended {
	pid_t pid;
	pid_t inner_pid; /* in the innermost PID namespace that it was in */
	int status;      /* as of waitpid() */
	char name[PROCESS_NAME_BYTES];
};

struct launch {
	const char *library; /* put before what LD_PRELOAD has */
	const char *options; /* the new MUDLARK_OPTIONS */
	char **argv;         /* ends with NULL; argv[0] is looked up in PATH */
	int only_command;    /* not 0: processes that the command starts are not profiled */
	int quiet_output;    /* not 0: stdout and stderr of the child are /dev/null */
	const char *run;     /* value of ROSTER_VARIABLE; NULL: the command is of no run */
	double linger;       /* seconds to wait, when the command has ended, for what it left running; with `run` */

	/* Filled, with `run`: */
	struct ended *ended; /* owned by the caller */
	size_t ended_count, ended_capacity;
	bool left_running; /* it has descendants still */
};

/*
 * Runs the command to its end. Returns its exit status, or 128 + n when signal n ended it, or EXIT_NOT_FOUND /
 * EXIT_NOT_EXECUTABLE with error filled when it could not be started; *pid is the child's.
 *
 * With `run` this process is the reaper of the command's descendants: those whose parent ends become its children.
 *
 * Meanwhile TERM and HUP that this process gets are passed on, and so are INT and QUIT that a process sent; from the
 * terminal the child has got them itself. The child has the signal mask and dispositions that this process had.
 */
int launch_and_wait(struct launch *launch, pid_t *pid, struct error *error);

#endif
