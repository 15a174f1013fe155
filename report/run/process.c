/*
 * See process.h. A process that changed its environment in place, or its own copy of the options, is out of reach: the
 * environment read here is the one with which it was started, which the library read too.
 */
#include "report/run/process.h"

#include "report/base/buffer.h"
#include "report/base/memory.h"
#include "report/run/host_options.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The whole file with a NUL behind it, or NULL with errno. The caller frees. */
static char *read_whole(const char *path, size_t *length)
{
	struct buffer bytes = {0};
	char chunk[4096];
	int descriptor = open(path, O_RDONLY | O_CLOEXEC);
	if (descriptor < 0)
		return NULL;
	ssize_t got;
	while ((got = read(descriptor, chunk, sizeof chunk)) > 0)
		buffer_append(&bytes, chunk, (size_t)got);
	int number = errno;
	close(descriptor);
	if (got < 0) {
		buffer_free(&bytes);
		errno = number;
		return NULL;
	}
	buffer_string(&bytes);
	*length = bytes.length;
	return bytes.data;
}

int signal_default(void)
{
	return SIGRTMAX - 5;
}

int signal_number(const char *text)
{
	char *end;
	if (!strcasecmp(text, "none"))
		return 0;
	if (isdigit((unsigned char)text[0])) {
		unsigned long number = strtoul(text, &end, 10);
		return !*end && number >= 1 && number <= (unsigned long)SIGRTMAX ? (int)number : -1;
	}
	if (!strncasecmp(text, "SIG", 3))
		text += 3;
	if (!strncasecmp(text, "RTMAX", 5) || !strncasecmp(text, "RTMIN", 5)) {
		int base = toupper((unsigned char)text[3]) == 'A' ? SIGRTMAX : SIGRTMIN;
		if (!text[5])
			return base;
		long offset = strtol(text + 5, &end, 10);
		long number = base + offset;
		return !*end && number >= SIGRTMIN && number <= SIGRTMAX ? (int)number : -1;
	}
	for (int number = 1; number < SIGRTMIN; number++) {
		const char *name = sigabbrev_np(number);
		if (name && !strcasecmp(name, text))
			return number;
	}
	return -1;
}

/* The value behind "\nName:" of a status file, or NULL. */
static const char *status_field(const char *status, const char *name)
{
	size_t length = strlen(name);
	for (const char *line = status; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, length) && line[length] == ':')
			return line + length + 1 + strspn(line + length + 1, " \t");
	}
	return NULL;
}

static void read_threads(struct process *process)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%lu/task", process->pid);
	DIR *tasks = opendir(path);
	struct dirent *entry;
	while (tasks && (entry = readdir(tasks))) {
		size_t length;
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		char *task = must_format("%s/%s/status", path, entry->d_name);
		char *status = read_whole(task, &length);
		const char *blocked = status ? status_field(status, "SigBlk") : NULL;
		process->threads++;
		if (blocked && process->signal && (strtoull(blocked, NULL, 16) >> (process->signal - 1) & 1))
			process->threads_blocking++;
		free(status);
		free(task);
	}
	if (tasks)
		closedir(tasks);
}

static void read_library(struct process *process, const char *maps)
{
	const char *found = strstr(maps, "/libmudlark.so");
	if (!found)
		return;
	size_t length = strcspn(found, "\n");
	while (found > maps && found[-1] != '\n' && found[-1] != ' ') {
		found--;
		length++;
	}
	process->library = strndup(found, length);
}

/* The options that the process was started with: which signal, which pattern. */
static int read_options(struct process *process, const char *environment, size_t length, struct error *error)
{
	struct host_options options = {0};
	char path[64], directory[PATH_MAX];
	for (size_t i = 0; i < length; i += strlen(environment + i) + 1)
		if (!strncmp(environment + i, "MUDLARK_OPTIONS=", 16))
			host_options_parse(&options, environment + i + 16);
	const char *asked = host_options_get(&options, "signal"), *output = host_options_get(&options, "output");
	process->signal = asked ? signal_number(asked) : signal_default();
	snprintf(path, sizeof path, "/proc/%lu/cwd", process->pid);
	ssize_t got = readlink(path, directory, sizeof directory - 1);
	if (got > 0 || (output && output[0] == '/')) {
		directory[got > 0 ? got : 0] = '\0';
		process->pattern = host_output_pattern(output, directory);
	}
	int status = EXIT_FINE;
	if (process->signal < 0)
		status = error_set(error, EXIT_INPUT, "start it with another --signal",
				   "process %lu: its option signal=%s names no signal", process->pid, asked);
	host_options_free(&options);
	return status;
}

/* Why /proc says nothing of the process: only the kernel knows whether there is one. */
static int refuse_unseen(unsigned long pid, int number, struct error *error)
{
	bool exists = pid <= INT_MAX && (!kill((pid_t)pid, 0) || errno == EPERM);
	if (!exists)
		return error_set(error, EXIT_INPUT, NULL, "there is no process %lu", pid);
	if (access("/proc/self/status", R_OK))
		return error_set(error, EXIT_INPUT, "mount it (mount -t proc proc /proc)",
				 "process %lu cannot be inspected: /proc is not mounted", pid);
	if (number == ENOENT)
		return error_set(
			error, EXIT_INPUT, "run mudlark as the user of that process, or as root",
			"process %lu cannot be inspected: it is another user's, and /proc hides those (hidepid)", pid);
	return error_set(error, EXIT_INPUT, "run mudlark as the user of that process, or as root",
			 "process %lu cannot be inspected: %s", pid, strerror(number));
}

static bool is_other_namespace(unsigned long pid, const char *kind)
{
	char ours[64], theirs[64], path[64];
	snprintf(path, sizeof path, "/proc/%lu/ns/%s", pid, kind);
	ssize_t b = readlink(path, theirs, sizeof theirs);
	snprintf(path, sizeof path, "/proc/self/ns/%s", kind);
	ssize_t a = readlink(path, ours, sizeof ours);
	return a > 0 && b > 0 && (a != b || memcmp(ours, theirs, (size_t)a) != 0);
}

/* The last one on the line. */
static unsigned long last_number(const char *line)
{
	unsigned long number = 0;
	for (char *end; *line && *line != '\n'; line = end) {
		unsigned long next = strtoul(line, &end, 10);
		if (end == line)
			break;
		number = next;
		end += strspn(end, " \t");
	}
	return number;
}

bool process_runs_as(const struct process *process, uint32_t user)
{
	for (size_t i = 0; i < sizeof process->users / sizeof *process->users; i++)
		if (process->users[i] == user)
			return true;
	return false;
}

unsigned long process_parent(unsigned long pid)
{
	char path[64];
	size_t length;
	snprintf(path, sizeof path, "/proc/%lu/status", pid);
	char *status = read_whole(path, &length);
	const char *parent = status ? status_field(status, "PPid") : NULL;
	unsigned long number = parent ? strtoul(parent, NULL, 10) : 0;
	free(status);
	return number;
}

/* Real, effective and saved user. What is missing matches nobody. */
static void read_users(struct process *process, const char *users)
{
	memset(process->users, 0xff, sizeof process->users);
	for (size_t i = 0; users && i < sizeof process->users / sizeof *process->users; i++) {
		char *end;
		unsigned long number = strtoul(users, &end, 10);
		if (end == users)
			break;
		process->users[i] = (uint32_t)number;
		users = end;
	}
}

int process_read(struct process *process, unsigned long pid, struct error *error)
{
	char path[64];
	size_t length;
	*process = (struct process){.pid = pid};
	snprintf(path, sizeof path, "/proc/%lu/status", pid);
	char *status = read_whole(path, &length);
	if (!status)
		return refuse_unseen(pid, errno, error);
	const char *state = status_field(status, "State"), *caught = status_field(status, "SigCgt");
	process->state = state ? state[0] : '?';
	process->caught = caught ? strtoull(caught, NULL, 16) : 0;
	const char *users = status_field(status, "Uid"), *numbers = status_field(status, "NSpid");
	read_users(process, users);
	process->inner_pid = numbers ? last_number(numbers) : pid;
	free(status);
	if (process->state == 'Z')
		return error_set(error, EXIT_INPUT, NULL, "process %lu has already ended", pid);

	snprintf(path, sizeof path, "/proc/%lu/maps", pid);
	char *maps = read_whole(path, &length);
	snprintf(path, sizeof path, "/proc/%lu/environ", pid);
	size_t environment_length = 0;
	char *environment = maps ? read_whole(path, &environment_length) : NULL;
	int result = EXIT_FINE;
	if (!maps || !environment) {
		result = error_set(error, EXIT_INPUT, "run mudlark snap as the user of that process, or as root",
				   "process %lu cannot be inspected: %s", pid, strerror(errno));
	} else {
		read_library(process, maps);
		result = read_options(process, environment, environment_length, error);
		read_threads(process);
		process->elsewhere = is_other_namespace(pid, "net") || is_other_namespace(pid, "user");
	}
	free(maps);
	free(environment);
	return result;
}

void process_free(struct process *process)
{
	free(process->library);
	free(process->pattern);
	*process = (struct process){0};
}
