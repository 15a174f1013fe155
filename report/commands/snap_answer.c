/* See snap_answer.h. */
#include "report/commands/snap_answer.h"

#include "report/base/memory.h"
#include "report/snapshot/brief.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	LONGEST_ANSWER = 8192,
	BACKLOG = 1024,       /* the kernel's own limit is lower or the same: a crowd must not keep the answer out */
	PACKET_WAIT_MS = 500, /* from the process's connecting to its sending, which it does at once */
	COPY_ENDS_MS = 1000
};

bool answer_listen(struct answer_socket *answers, uint64_t token)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	*answers = (struct answer_socket){.descriptor = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)};
	if (answers->descriptor < 0)
		return false;
	int length = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "mudlark.%016" PRIx64, token);
	if (!bind(answers->descriptor, (struct sockaddr *)&address,
		  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)) &&
	    !listen(answers->descriptor, BACKLOG))
		return true;
	int number = errno;
	answer_close(answers);
	errno = number;
	return false;
}

void answer_close(struct answer_socket *answers)
{
	if (answers->descriptor >= 0)
		close(answers->descriptor);
	answers->descriptor = -1;
}

/*
 * Returns whether who connected is the process or its copy. Where /proc hides processes from all but root, a copy's
 * parent is not to be seen; but who runs as the caller's own user could do anything to the caller as it is.
 */
static bool is_asked(const struct process *process, const struct ucred *peer)
{
	if (!process_runs_as(process, peer->uid) || peer->pid <= 0)
		return false;
	unsigned long pid = (unsigned long)peer->pid;
	return pid == process->pid || process_parent(pid) == process->pid || (geteuid() && peer->uid == geteuid());
}

/* One packet of who connected; its length, or -1. */
static ssize_t read_packet(int descriptor, int wait_ms, char *out, size_t size)
{
	struct pollfd waited = {.fd = descriptor, .events = POLLIN};
	return poll(&waited, 1, wait_ms) > 0 ? recv(descriptor, out, size, MSG_DONTWAIT) : -1;
}

/* A copy ends when it sees that it was heard; the process takes no other request before that. */
static void see_out(int descriptor)
{
	struct pollfd waited = {.fd = descriptor, .events = POLLIN};
	if (!shutdown(descriptor, SHUT_WR))
		poll(&waited, 1, COPY_ENDS_MS);
}

int answer_wait(struct answer_socket *answers, const struct process *process, int wait_ms, char **path,
		struct error *error)
{
	struct pollfd waited = {.fd = answers->descriptor, .events = POLLIN};
	if (poll(&waited, 1, wait_ms) <= 0)
		return ANSWER_NONE;
	int peer_socket = accept4(answers->descriptor, NULL, NULL, SOCK_CLOEXEC);
	if (peer_socket < 0)
		return ANSWER_NONE;
	struct ucred peer = {0};
	socklen_t bytes = sizeof peer;
	char text[LONGEST_ANSWER];
	ssize_t got = -1;
	if (getsockopt(peer_socket, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) || !is_asked(process, &peer)) {
		answers->strangers++;
		answers->stranger_pid = (uint32_t)peer.pid;
		answers->stranger_user = peer.uid;
	} else {
		got = read_packet(peer_socket, PACKET_WAIT_MS, text, sizeof text - 1);
	}
	if (got > 0)
		see_out(peer_socket);
	close(peer_socket);
	if (got <= 0)
		return ANSWER_NONE;
	text[got] = '\0';
	if (text[0] == 'B')
		return ANSWER_BUSY;
	if (text[0] != 'P')
		return error_set(error, EXIT_INPUT, NULL, "the process could not write a snapshot: %s",
				 text[0] == 'E' && text[1] ? text + 1 : "it gives no reason");
	*path = must_copy(text + 1);
	return EXIT_FINE;
}

static bool has_control_characters(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return true;
	return false;
}

static int refuse(const struct process *process, const char *path, const char *why, struct error *error)
{
	return error_set(error, EXIT_INPUT, "trust neither the process nor the file",
			 "process %lu reports that its snapshot is %s: %s", process->pid, path, why);
}

/* Checks whether the file, with this result of stat(), is a snapshot of the process. */
static int check_file(const struct process *process, const char *path, const char *file, const struct stat *status,
		      struct error *error)
{
	if (!S_ISREG(status->st_mode))
		return refuse(process, path, "that is not a regular file", error);
	if (access(file, R_OK)) {
		notice("warning: %s cannot be inspected: %s", file, strerror(errno));
		return EXIT_FINE;
	}
	struct snapshot_briefs briefs = {0};
	struct error unreadable = {0};
	int result = EXIT_FINE;
	if (snapshot_briefs_add(&briefs, file, &unreadable) != EXIT_FINE)
		result = refuse(process, path, "that is not a snapshot", error);
	else if (briefs.at[0].numbers[META_PID] != process->inner_pid)
		result = refuse(process, path, "that belongs to another process", error);
	snapshot_briefs_free(&briefs);
	return result;
}

int answer_check(const struct process *process, const char *path, char **found, struct error *error)
{
	if (path[0] != '/')
		return refuse(process, path, "that is not an absolute path", error);
	if (has_control_characters(path))
		return refuse(process, path, "it contains control characters", error);
	/* A process in a chroot or container names the file as it sees it. */
	char *outside = must_format("/proc/%lu/root%s", process->pid, path);
	struct stat ours, theirs;
	bool here = !stat(path, &ours), there = !stat(outside, &theirs);
	bool same = here && there && ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev;
	const char *file = there && !same ? outside : path;
	int result = here || there ? check_file(process, path, file, there ? &theirs : &ours, error)
				   : refuse(process, path, strerror(errno), error);
	if (result == EXIT_FINE)
		*found = must_copy(file);
	free(outside);
	return result;
}
