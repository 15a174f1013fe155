/*
 * The answer to `mudlark snap`: who gave it, and whether its contents can be true.
 *
 * Everybody can read the socket's name in /proc/net/unix and connect to it, and a profiled program may send anything.
 * The kernel identifies the sender (SO_PEERCRED): only the asked process is accepted, or the copy of it that wrote the
 * snapshot, which is its child and has the same user. The file that it names must be a snapshot of that process,
 * because somebody, or a script of root's, is going to read it.
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
 * Checks whether a path that the process names leads to a snapshot of it. EXIT_FINE and what the file is called from
 * here, which the caller frees; or EXIT_INPUT and error. No file that the process may name by malice is waited for.
 */
int answer_check(const struct process *process, const char *path, char **found, struct error *error);

#endif
