/*
 * See launch.h.
 *
 * Signals are blocked and taken with sigwaitinfo(): there is no handler and nothing asynchronous, and si_code
 * distinguishes a terminal's INT from a sent one. A pipe that exec closes carries exec's errno back.
 */
#include "report/run/launch.h"

#include "preload/interface/roster_format.h"
#include "report/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
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
	free(tunables);
}

static void start(const struct launch *launch, const sigset_t *mask, const struct sigaction *child_action, int failure)
{
	const char *old_preload = getenv("LD_PRELOAD");
	char *preload = old_preload && old_preload[0] ? must_format("%s:%s", launch->library, old_preload)
						      : must_copy(launch->library);
	setenv("LD_PRELOAD", preload, 1);
	free(preload);
	/* The pid stays the same over exec: by it the library knows the command from what the command executes. */
	char *root = launch->only_command ? must_format(":root=%ld", (long)getpid()) : must_copy("");
	char *command = launch->run ? must_format(":command=%ld", (long)getpid()) : must_copy("");
	char *options = must_format("%s%s%s", launch->options, root, command);
	setenv("MUDLARK_OPTIONS", options, 1);
	free(root);
	free(command);
	free(options);
	if (launch->run)
		setenv(ROSTER_VARIABLE, launch->run, 1);
	else
		unsetenv(ROSTER_VARIABLE);
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

/*
 * Takes note of a child that has ended; without `run` of the command alone. As waitpid(WNOHANG). Who is no child of
 * the command's own is asked for its name first, which goes with it.
 */
static pid_t reap(struct launch *launch, pid_t command, int *status)
{
	siginfo_t first = {0};
	if (!launch->run)
		return waitpid(command, status, WNOHANG);
	if (waitid(P_ALL, 0, &first, WEXITED | WNOHANG | WNOWAIT))
		return -1;
	if (!first.si_pid)
		return 0;
	struct ended ended = {.pid = first.si_pid};
	if (ended.pid != command)
		ended.inner_pid = process_name_of_ended(ended.pid, ended.name);
	pid_t reaped = waitpid(ended.pid, status, WNOHANG);
	if (reaped > 0) {
		ended.status = *status;
		must_grow(launch->ended, launch->ended_count, launch->ended_capacity);
		launch->ended[launch->ended_count++] = ended;
	}
	return reaped;
}

static int wait_and_forward(struct launch *launch, pid_t child, const sigset_t *waited)
{
	for (;;) {
		int status;
		pid_t ended = reap(launch, child, &status);
		if (ended == child)
			return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
		if (ended < 0 && errno != EINTR)
			return EXIT_NOT_EXECUTABLE;
		if (ended > 0)
			continue;
		siginfo_t info;
		int number = sigwaitinfo(waited, &info);
		bool sent = info.si_code <= 0;
		if (number == SIGTERM || number == SIGHUP || ((number == SIGINT || number == SIGQUIT) && sent))
			kill(child, number);
	}
}

static struct timespec time_left(const struct timespec *until)
{
	struct timespec now, left = {0};
	clock_gettime(CLOCK_MONOTONIC, &now);
	long ns = until->tv_nsec - now.tv_nsec;
	time_t seconds = until->tv_sec - now.tv_sec - (ns < 0);
	if (seconds >= 0)
		left = (struct timespec){seconds, ns < 0 ? ns + 1000000000 : ns};
	return left;
}

/* Until all that the command has left running has ended, or the time is over, or somebody has had enough. */
static void wait_for_rest(struct launch *launch, const sigset_t *waited)
{
	struct timespec until, left;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)launch->linger;
	until.tv_nsec += (long)((launch->linger - (double)(time_t)launch->linger) * 1e9);
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	for (;;) {
		int status, number;
		pid_t ended = reap(launch, 0, &status);
		if (ended > 0)
			continue;
		launch->left_running = ended == 0;
		if (!launch->left_running)
			return;
		left = time_left(&until);
		number = sigtimedwait(waited, NULL, &left);
		if (number < 0 && errno != EINTR)
			return;
		if (number > 0 && number != SIGCHLD)
			return;
	}
}

/* Interrupts from the terminal that were meant for the command: what is left to be done is to say what is there. */
static void drop_interrupts(void)
{
	const struct timespec at_once = {0};
	sigset_t interrupts;
	sigemptyset(&interrupts);
	sigaddset(&interrupts, SIGINT);
	sigaddset(&interrupts, SIGQUIT);
	while (sigtimedwait(&interrupts, NULL, &at_once) > 0)
		;
}

int launch_and_wait(struct launch *launch, pid_t *pid, struct error *error)
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

	if (launch->run)
		prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);

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
		status = wait_and_forward(launch, *pid, &waited);
		if (got == sizeof number)
			error_set(error, status, NULL, "cannot start %s: %s", launch->argv[0], strerror(number));
		if (launch->run)
			wait_for_rest(launch, &waited);
	}
	drop_interrupts();
	close(failure[0]);
	/* Left blocked are none: a TERM that came late may still end the epilogue. */
	sigprocmask(SIG_SETMASK, &mask, NULL);
	sigaction(SIGCHLD, &child_action, NULL);
	return status;
}
