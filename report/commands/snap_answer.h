/*
 * The answer to `mudlark snap`: who gave it, and whether what it says can be true.
 *
 * The socket has a name that everybody can read in /proc/net/unix, so that anybody may connect to it, and a program
 * that is profiled may say what it likes. The kernel tells who connects (SO_PEERCRED): only the asked process, or the
 * copy of it that wrote the snapshot, its child and of its user, is listened to. The file that it names must be a
 * snapshot of that process: somebody, or a script of root's, is going to read it.
 */
#ifndef MUDLARK_SNAP_ANSWER_H
#define MUDLARK_SNAP_ANSWER_H

#include "report/run/process.h"

#include <stdint.h>

enum { ANSWER_NONE = -1, ANSWER_BUSY = -2 };

struct answer_socket {
	int descriptor;        /* -1: none */
	uint64_t strangers;    /* that connected and were sent away */
	uint32_t stranger_pid; /* the last one of them */
	uint32_t stranger_user;
};

/* Listens under the token's name. False with errno: EADDRINUSE, another token may do. */
bool answer_listen(struct answer_socket *socket, uint64_t token);
/*
 * Waits at most wait_ms for the process's answer. EXIT_FINE and the path that it names, which the caller frees; or
 * EXIT_INPUT with its reason in error. ANSWER_NONE: there was none, or that of a stranger; ANSWER_BUSY: the process
 * writes another snapshot, and has forgotten this request.
 */
int answer_wait(struct answer_socket *socket, const struct process *process, int wait_ms, char **path,
		struct error *error);
void answer_close(struct answer_socket *socket);

/*
 * Whether a path as the process names it leads to a snapshot of it. EXIT_FINE and what the file is called from here,
 * which the caller frees; or EXIT_INPUT and error. No file that the process may name by malice is waited for.
 */
int answer_check(const struct process *process, const char *path, char **found, struct error *error);

#endif
