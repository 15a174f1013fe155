/*
 * mudlark snap PID: asks a running process for a snapshot and prints the file's path.
 *
 * The request is the process's snapshot signal with a 64-bit token as its value. The answer is one packet to the
 * abstract socket "\0mudlark.<token in 16 hex digits>": 'P' and the path, 'E' and a message, or 'B': busy, ask again.
 * The process keeps no descriptor and no thread for this. preload/interface/request.h describes what the token
 * requests. A token of 0 requests no answer, so ours is never 0. Each side checks the identity of the other:
 * snap_answer.h, sys_peer_is_trusted().
 *
 * Abstract sockets do not cross the border of a network namespace, and users cannot be compared across that of a user
 * namespace. For a process in another namespace, the new file itself is the answer.
 */
#include "preload/interface/request.h"
#include "report/base/escape.h"
#include "report/base/memory.h"
#include "report/commands/commands.h"
#include "report/commands/snap_answer.h"
#include "report/run/host_options.h"
#include "report/run/process.h"
#include "report/text/options.h"

#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	OPTION_TIMEOUT = 1,
	OPTION_CENSUS,
	OPTION_REFS,
	OPTION_LEAKS,
	OPTION_RETAINED,
	DEFAULT_TIMEOUT_S = 10,
	FILE_POLL_MS = 50,
	AGAIN_MS = 20, /* until a process that writes another snapshot is asked again */
};

struct snap_options {
	unsigned long timeout_s;
	unsigned flags;     /* enum request_flag */
	uint32_t type_hash; /* 0: any */
};

static int snap_option(void *context, int id, const char *argument, struct error *error)
{
	struct snap_options *options = context;
	if (id == OPTION_CENSUS) {
		options->flags |= REQUEST_CENSUS;
		return EXIT_FINE;
	}
	if (id == OPTION_REFS) {
		options->flags |= REQUEST_CENSUS | REQUEST_REFS;
		options->type_hash = *argument && strcmp(argument, "?") != 0 ? request_hash(argument) : 0;
		return EXIT_FINE;
	}
	if (id == OPTION_LEAKS) {
		options->flags |= REQUEST_LEAKS;
		return EXIT_FINE;
	}
	if (id == OPTION_RETAINED) {
		options->flags |= REQUEST_LEAKS | REQUEST_RETAINED;
		return EXIT_FINE;
	}
	return options_number("timeout", argument, 1, 86400, &options->timeout_s, error) ? EXIT_FINE : error->code;
}

static uint64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Listens for the answer to a fresh token; false and error when that fails. */
static bool open_socket(const struct snap_options *options, struct answer_socket *answers, uint64_t *token,
			struct error *error)
{
	for (int attempt = 0; attempt < 8; attempt++) {
		if (getrandom(token, sizeof *token, 0) != sizeof *token)
			break;
		*token = request_token(*token, options->flags, options->type_hash);
		if (answer_listen(answers, *token))
			return true;
		if (errno != EADDRINUSE)
			break;
	}
	error_set(error, EXIT_INPUT, NULL, "cannot open a socket for the answer: %s", strerror(errno));
	return false;
}

/* The command that `mudlark run` started, when the process is one; 0 otherwise. */
static unsigned long command_of_run(unsigned long pid)
{
	char path[64], mine[PATH_MAX], theirs[PATH_MAX];
	snprintf(path, sizeof path, "/proc/%lu/exe", pid);
	ssize_t own = readlink("/proc/self/exe", mine, sizeof mine), other = readlink(path, theirs, sizeof theirs);
	if (own <= 0 || own != other || memcmp(mine, theirs, (size_t)own) != 0)
		return 0;
	snprintf(path, sizeof path, "/proc/%lu/task/%lu/children", pid, pid);
	FILE *children = fopen(path, "re");
	char line[32] = "";
	if (children && !fgets(line, sizeof line, children))
		line[0] = '\0';
	if (children)
		fclose(children);
	return strtoul(line, NULL, 10);
}

/* Checks whether the process can be expected to answer. Returns EXIT_FINE or fills error. */
static int check(const struct process *process, struct error *error)
{
	unsigned long pid = process->pid;
	unsigned long command = process->library ? 0 : command_of_run(pid);
	if (command) {
		char hint[64];
		snprintf(hint, sizeof hint, "mudlark snap %lu", command);
		return error_set(error, EXIT_INPUT, hint,
				 "process %lu is 'mudlark run' itself: its command is process %lu", pid, command);
	}
	if (!process->library)
		return error_set(error, EXIT_INPUT, "start it with 'mudlark run', or with libmudlark.so in LD_PRELOAD",
				 "process %lu does not run under Mudlark: libmudlark.so is not loaded in it", pid);
	if (!process->signal)
		return error_set(error, EXIT_INPUT, "start it with --signal, or without --signal none",
				 "process %lu cannot be asked for a snapshot: it was started with signal=none", pid);
	if (!(process->caught >> (process->signal - 1) & 1))
		return error_set(
			error, EXIT_INPUT, "start it with another --signal, one that the program does not use itself",
			"process %lu does not catch signal %d: recording is off, or the program has taken the signal "
			"for itself",
			pid, process->signal);
	return EXIT_FINE;
}

static int no_answer(const struct process *process, unsigned long timeout_s, struct error *error)
{
	struct process now;
	struct error gone = {0};
	unsigned long pid = process->pid;
	if (process_read(&now, pid, &gone) != EXIT_FINE) {
		process_free(&now);
		*error = gone;
		return error->code;
	}
	if (now.state == 'T' || now.state == 't')
		error_set(error, EXIT_INPUT, NULL, "process %lu gave no answer in %lu s: it is stopped%s", pid,
			  timeout_s, now.state == 't' ? " by a debugger" : "");
	else if (now.threads && now.threads_blocking == now.threads)
		error_set(error, EXIT_INPUT, NULL,
			  "process %lu gave no answer in %lu s: signal %d is blocked in all its threads (%u)", pid,
			  timeout_s, now.signal, now.threads);
	else if (now.state == 'D')
		error_set(error, EXIT_INPUT, NULL,
			  "process %lu gave no answer in %lu s: it waits in the kernel for a device or a file system",
			  pid, timeout_s);
	else
		error_set(error, EXIT_INPUT, NULL,
			  "process %lu gave no answer in %lu s: it is busy with another snapshot, or its handler of "
			  "signal "
			  "%d is not Mudlark's",
			  pid, timeout_s, now.signal);
	if (now.state == 'T')
		error_hint(error,
			   "continue it (kill -CONT %lu); the request is kept, and it will then write the "
			   "snapshot",
			   pid);
	else if (now.state == 't')
		error_hint(error, "let the debugger continue it; the request is kept");
	else if (now.threads && now.threads_blocking == now.threads)
		error_hint(error, "start it with another --signal, or with --every SECONDS, which needs no signal from "
				  "outside");
	else
		error_hint(error, "try a longer --timeout, or start it with another --signal");
	process_free(&now);
	return error->code;
}

/* --- a process in another namespace ----------------------------------------------------------------------------- */

/* The newest file of the process written since, as the process names it; NULL: none. The caller frees. */
static char *newest_file(const struct process *process, struct timespec since)
{
	char *pattern = process->pattern ? host_output_glob(process->pattern, process->pid) : NULL;
	char *newest = NULL;
	struct timespec best = since;
	glob_t matches;
	if (!pattern)
		return NULL;
	char *outside = must_format("/proc/%lu/root%s", process->pid, pattern);
	size_t prefix = strlen(outside) - strlen(pattern);
	if (!glob(outside, GLOB_NOSORT, NULL, &matches)) {
		for (size_t i = 0; i < matches.gl_pathc; i++) {
			struct stat status;
			if (stat(matches.gl_pathv[i], &status) || status.st_mtim.tv_sec < best.tv_sec ||
			    (status.st_mtim.tv_sec == best.tv_sec && status.st_mtim.tv_nsec < best.tv_nsec))
				continue;
			best = status.st_mtim;
			free(newest);
			newest = must_copy(matches.gl_pathv[i] + prefix);
		}
		globfree(&matches);
	}
	free(pattern);
	free(outside);
	return newest;
}

/* Prints what the process says that its file is, if that can be true. */
static int print_path(const struct process *process, const char *path, struct error *error)
{
	char *found = NULL;
	int status = answer_check(process, path, &found, error);
	if (status != EXIT_FINE)
		return status;
	struct buffer clean = {0};
	/* A script needs the name unchanged; it contains nothing that controls a terminal. */
	if (isatty(STDOUT_FILENO))
		text_clean(&clean, found);
	printf("%s\n", clean.length ? buffer_string(&clean) : found);
	fflush(stdout);
	buffer_free(&clean);
	free(found);
	return EXIT_FINE;
}

/* --- one request ------------------------------------------------------------------------------------------------ */

static int send_request(const struct process *process, uint64_t token, struct error *error)
{
	if (!sigqueue((pid_t)process->pid, process->signal, (union sigval){.sival_ptr = (void *)(uintptr_t)token}))
		return EXIT_FINE;
	return error_set(error, EXIT_INPUT,
			 errno == EAGAIN ? "too many signals are queued for its user: see RLIMIT_SIGPENDING"
					 : "run mudlark snap as the user of that process, or as root",
			 "process %lu cannot be signalled: %s", process->pid, strerror(errno));
}

/* Asks, and waits for the answer, or for the file itself where none can come. As answer_wait(). */
static int ask(const struct process *process, struct answer_socket *answers, uint64_t token, uint64_t deadline,
	       char **path, struct error *error)
{
	struct timespec since;
	clock_gettime(CLOCK_REALTIME_COARSE, &since);
	int status = send_request(process, token, error);
	if (status != EXIT_FINE)
		return status;
	status = ANSWER_NONE;
	for (uint64_t now; status < 0 && (now = now_ms()) < deadline;) {
		uint64_t left = deadline - now;
		bool short_wait = process->elsewhere && left > FILE_POLL_MS;
		status = answer_wait(answers, process, (int)(short_wait ? FILE_POLL_MS : left), path, error);
		if (status == ANSWER_BUSY) {
			poll(NULL, 0, AGAIN_MS);
			status = send_request(process, token, error) == EXIT_FINE ? ANSWER_NONE : error->code;
		}
		if (status < 0 && process->elsewhere && (*path = newest_file(process, since)))
			status = EXIT_FINE;
		if (status < 0 && kill((pid_t)process->pid, 0) && errno == ESRCH)
			break;
	}
	return status;
}

static int request(const struct process *process, const struct snap_options *options, struct error *error)
{
	uint64_t token;
	struct answer_socket answers;
	if (!open_socket(options, &answers, &token, error))
		return error->code;
	char *path = NULL;
	int status = ask(process, &answers, token, now_ms() + options->timeout_s * 1000, &path, error);
	answer_close(&answers);
	if (answers.strangers)
		notice("warning: %" PRIu64 " answer%s of others than process %lu ignored, the last one of process "
		       "%" PRIu32 ", user %" PRIu32,
		       answers.strangers, answers.strangers == 1 ? " was" : "s were", process->pid,
		       answers.stranger_pid, answers.stranger_user);
	if (status == EXIT_FINE)
		status = print_path(process, path, error);
	else if (status < 0)
		status = no_answer(process, options->timeout_s, error);
	free(path);
	return status;
}

static int snap(const char *text, const struct snap_options *options, struct error *error)
{
	unsigned long pid;
	struct process process;
	char *end;
	errno = 0;
	pid = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || !pid || pid > 4194304)
		return error_set(error, EXIT_USAGE, "pgrep finds process numbers by name",
				 "snap: '%s' is not a process number", text);
	int status = process_read(&process, pid, error);
	if (status == EXIT_FINE)
		status = check(&process, error);
	if (status == EXIT_FINE)
		status = request(&process, options, error);
	process_free(&process);
	return status;
}

static int run_snap(const struct command *command, int argc, char **argv, struct error *error)
{
	struct snap_options options = {.timeout_s = DEFAULT_TIMEOUT_S};
	int first;
	int status = options_parse(command, argc, argv, snap_option, &options, &first, error);
	if (status == EXIT_FINE && first == argc)
		status = options_operands(command, "name a process by its number", error);
	/* Every process is asked, also when one before it failed. */
	for (int i = first; i < argc && status != EXIT_USAGE && status != OPTIONS_HELP_SHOWN; i++) {
		struct error one = {0};
		if (snap(argv[i], &options, &one) == EXIT_FINE)
			continue;
		if (error->code)
			error_print(error);
		*error = one;
		status = one.code;
	}
	return status;
}

static const struct option_spec options_table[] = {
	{OPTION_TIMEOUT, 't', "timeout", "SECONDS", ARGUMENT_WORD, NULL, "wait this long for each answer (default 10)"},
	{OPTION_CENSUS, 'c', "census", NULL, ARGUMENT_NONE, NULL,
	 "also count CPython's objects by type: mudlark show --by type shows them"},
	{OPTION_REFS, 'r', "refs", "TYPE", ARGUMENT_WORD, NULL,
	 "also find out who holds the objects of this type, with or without its module; '?': of the types that have "
	 "grown most since the last census. mudlark refs shows it"},
	{OPTION_LEAKS, 'l', "leaks", NULL, ARGUMENT_NONE, NULL,
	 "also search for leaks; the process is paused only while it is being copied"},
	{OPTION_RETAINED, 0, "retained", NULL, ARGUMENT_NONE, NULL,
	 "and find out why blocks are reachable: mudlark leaks --retained, --path"},
	{0},
};

const struct command snap_command = {
	.name = "snap",
	.operands = "PID...",
	.summary = "ask a running process for a snapshot, and print the file's path",
	.description =
		"Asks processes that run under Mudlark to write a snapshot now, waits for each and prints the path "
		"of its file. The process must have been started with a signal (the default RTMAX-5 is fine) and "
		"must be yours.",
	.epilogue = "Exit status: 0; 2 wrong usage; 3 a process does not exist, does not run under Mudlark, or did "
		    "not answer.\n",
	.options = options_table,
	.operand_kind = ARGUMENT_PID,
	.run = run_snap,
};
