/*
 * See launch.h.
 *
 * Signals are blocked and taken with sigwaitinfo(): no handler, nothing asynchronous, and si_code tells a terminal's
 * INT from one that was sent. A pipe that exec closes carries exec's errno back.
 */
#include "report/launch.h"

#include "report/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * With LD_AUDIT, ld.so lays out static TLS before it loads preloaded libraries and leaves 1.6 KiB for them; the private
 * jemalloc alone has 2.6 KiB.
 */
static void make_tls_room(void)
{
	static const char room[] = "glibc.rtld.optional_static_tls=8192";
	const char *old = getenv("GLIBC_TUNABLES");
	char *tunables = old && old[0] ? must_format("%s:%s", old, room) : must_copy(room);
	setenv("GLIBC_TUNABLES", tunables, 1);
}

static void start(const struct launch *launch, const sigset_t *mask, const struct sigaction *child_action, int failure)
{
	const char *old_preload = getenv("LD_PRELOAD");
	char *preload = old_preload && old_preload[0] ? must_format("%s:%s", launch->library, old_preload)
						      : must_copy(launch->library);
	setenv("LD_PRELOAD", preload, 1);
	/* The pid stays the same over exec: by it the library knows the command from what the command executes. */
	char *options = launch->only_command ? must_format("%s:root=%ld", launch->options, (long)getpid())
					     : must_copy(launch->options);
	setenv("MUDLARK_OPTIONS", options, 1);
	if (getenv("LD_AUDIT"))
		make_tls_room();
	if (launch->quiet_output) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
	}
	sigaction(SIGCHLD, child_action, NULL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(launch->argv[0], launch->argv);
	int number = errno;
	if (write(failure, &number, sizeof number) < 0)
		_exit(EXIT_NOT_EXECUTABLE);
	_exit(number == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}

static int wait_and_forward(pid_t child, const sigset_t *waited)
{
	for (;;) {
		int status;
		pid_t ended = waitpid(child, &status, WNOHANG);
		if (ended == child)
			return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
		if (ended < 0 && errno != EINTR)
			return EXIT_NOT_EXECUTABLE;
		siginfo_t info;
		int number = sigwaitinfo(waited, &info);
		bool sent = info.si_code <= 0;
		if (number == SIGTERM || number == SIGHUP || ((number == SIGINT || number == SIGQUIT) && sent))
			kill(child, number);
	}
}

int launch_and_wait(const struct launch *launch, pid_t *pid, struct error *error)
{
	int failure[2];
	if (pipe2(failure, O_CLOEXEC))
		return error_set(error, EXIT_NOT_EXECUTABLE, NULL, "cannot start %s: %s", launch->argv[0],
				 strerror(errno));
	sigset_t waited, mask;
	sigemptyset(&waited);
	for (size_t i = 0; i < 5; i++)
		sigaddset(&waited, (int[]){SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGCHLD}[i]);
	/* An ignored SIGCHLD, as some daemons leave it behind, would take the status away. */
	struct sigaction child_action, plain = {.sa_handler = SIG_DFL};
	sigaction(SIGCHLD, &plain, &child_action);
	sigprocmask(SIG_BLOCK, &waited, &mask);

	int status;
	*pid = fork();
	if (!*pid)
		start(launch, &mask, &child_action, failure[1]);
	close(failure[1]);
	if (*pid < 0) {
		status = error_set(error, EXIT_NOT_EXECUTABLE, NULL, "cannot start %s: %s", launch->argv[0],
				   strerror(errno));
	} else {
		int number;
		ssize_t got;
		do
			got = read(failure[0], &number, sizeof number);
		while (got < 0 && errno == EINTR);
		status = wait_and_forward(*pid, &waited);
		if (got == sizeof number)
			error_set(error, status, NULL, "cannot start %s: %s", launch->argv[0], strerror(number));
	}
	close(failure[0]);
	/* Left blocked are none: a TERM that came late may still end the epilogue. */
	sigprocmask(SIG_SETMASK, &mask, NULL);
	sigaction(SIGCHLD, &child_action, NULL);
	return status;
}
