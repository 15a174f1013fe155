/* Running commands: see runner.h. Reading snapshots is in brief.c. */
#define _GNU_SOURCE
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TIMEOUT_DEFAULT_S = 20, LINGER_MS = 2000, OUTPUT_MAX_BYTES = 16 << 20 };

uint64_t runner_now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void runner_sleep_ms(unsigned ms)
{
	struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
}

/* A time limit, longer on a machine that is said to be busy: in the way of Check's own limits. */
static int runner_patience(int seconds)
{
	const char *multiplier = getenv("CK_TIMEOUT_MULTIPLIER");
	double factor = multiplier ? strtod(multiplier, NULL) : 1;
	return (int)(seconds * (factor > 1 ? factor : 1));
}

void runner_skip(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fputs("skipped: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
}

void runner_directory_make(char path[PATH_MAX])
{
	const char *base = getenv("TMPDIR");
	snprintf(path, PATH_MAX, "%s/mudlark-test-XXXXXX", base != NULL && base[0] == '/' ? base : "/tmp");
	if (mkdtemp(path) == NULL)
		ck_abort_msg("mkdtemp %s: %s", path, strerror(errno));
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
	(void)status;
	(void)kind;
	(void)walk;
	return remove(path);
}

static int make_writable(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
	(void)status;
	(void)walk;
	return kind == FTW_D || kind == FTW_DNR ? chmod(path, 0700) : 0;
}

void runner_directory_remove(const char *path)
{
	nftw(path, make_writable, 16, FTW_PHYS);
	if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
		ck_abort_msg("remove %s: %s", path, strerror(errno));
}

const char *runner_preload(void)
{
	const char *other = getenv("MUDLARK_TEST_PRELOAD");
	return other != NULL ? other : PRELOAD_PATH;
}

bool runner_expects_snapshots(void)
{
	const char *name = strrchr(runner_preload(), '/');
	return name != NULL && strcmp(name, "/libmudlark.so") == 0;
}

const char *runner_host_path(const char *host)
{
	static char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/%s", HOSTS_DIRECTORY, host);
	return path;
}

bool runner_has_program(const char *name)
{
	char path[PATH_MAX];
	const char *directories[] = {"/usr/bin", "/usr/sbin", "/bin", "/usr/local/bin", "/usr/local/go/bin"};
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", directories[i], name);
		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

bool runner_memcheck_ran(const struct outcome *outcome)
{
	if (strstr(outcome->err, "Fatal error at startup") == NULL)
		return true;
	runner_skip("memcheck does not start without the C library's symbols (libc6-dbg)");
	return false;
}

const char *runner_name(const struct command *command)
{
	static char name[1024];
	if (command->line != NULL)
		return command->line;
	size_t used = 0;
	name[0] = '\0';
	for (size_t i = 0; command->argv[i] != NULL && used < sizeof(name) - 1; i++) {
		int more = snprintf(name + used, sizeof(name) - used, "%s%s", i == 0 ? "" : " ", command->argv[i]);
		used += more > 0 ? (size_t)more : 0;
	}
	return name;
}

/* The child's environment is made anew, so that the caller's locale or MUDLARK_OPTIONS cannot change a result. */
static void make_environment(const struct command *command, char *environment[RUNNER_ENVIRONMENT + 8])
{
	size_t count = 0;
	char *text;
	environment[count++] = "PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/go/bin";
	environment[count++] = "LANG=C.UTF-8";
	if (asprintf(&text, "HOSTS=%s", HOSTS_DIRECTORY) > 0)
		environment[count++] = text;
	if (command->preloaded || command->preload_before != NULL || command->preload_after != NULL) {
		if (asprintf(&text, "LD_PRELOAD=%s%s%s%s%s",
			     command->preload_before != NULL ? command->preload_before : "",
			     command->preload_before != NULL ? ":" : "", command->preloaded ? runner_preload() : "",
			     command->preload_after != NULL ? ":" : "",
			     command->preload_after != NULL ? command->preload_after : "") > 0)
			environment[count++] = text;
	}
	if (command->options != NULL && asprintf(&text, "MUDLARK_OPTIONS=%s", command->options) > 0)
		environment[count++] = text;
	for (size_t i = 0; command->environment[i] != NULL; i++)
		environment[count++] = (char *)(uintptr_t)command->environment[i];
	environment[count] = NULL;
}

/* Fills argv from the line; the first word is a host unless it has a slash. */
static void make_arguments(const struct command *command, char *argv[RUNNER_ARGUMENTS + 1])
{
	size_t count = 0;
	if (command->line == NULL) {
		for (; command->argv[count] != NULL; count++)
			argv[count] = (char *)(uintptr_t)command->argv[count];
	} else {
		char *rest = NULL;
		for (char *word = strtok_r(strdup(command->line), " ", &rest); word != NULL && count < RUNNER_ARGUMENTS;
		     word = strtok_r(NULL, " ", &rest))
			argv[count++] = word;
		if (count > 0 && strchr(argv[0], '/') == NULL)
			argv[0] = strdup(runner_host_path(argv[0]));
	}
	argv[count] = NULL;
}

void runner_start(const struct command *command, struct running *running)
{
	memset(running, 0, sizeof(*running));
	running->command = command;
	struct outcome *outcome = &running->outcome;
	if (command->directory != NULL) {
		snprintf(outcome->directory, sizeof(outcome->directory), "%s", command->directory);
	} else {
		runner_directory_make(outcome->directory);
		outcome->owns_directory = true;
	}
	running->out_fd = memfd_create("stdout", MFD_CLOEXEC);
	running->err_fd = memfd_create("stderr", MFD_CLOEXEC);
	ck_assert_int_ge(running->out_fd, 0);
	ck_assert_int_ge(running->err_fd, 0);

	char *argv[RUNNER_ARGUMENTS + 1];
	char *environment[RUNNER_ENVIRONMENT + 8];
	make_arguments(command, argv);
	make_environment(command, environment);
	prctl(PR_SET_CHILD_SUBREAPER, 1); /* orphans of the command come to us, so that none stays as a zombie */
	outcome->pid = fork();
	ck_assert_int_ge(outcome->pid, 0);
	if (outcome->pid == 0) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		int null_fd = open("/dev/null", O_RDONLY);
		dup2(null_fd, 0);
		dup2(running->out_fd, 1);
		dup2(running->err_fd, 2);
		close_range(3, ~0U, 0);
		if (chdir(outcome->directory) != 0) {
			perror(outcome->directory);
			_exit(127);
		}
		for (int number = 1; number < NSIG; number++)
			signal(number, SIG_DFL);
		if (command->prepare != NULL)
			command->prepare();
		execvpe(argv[0], argv, environment);
		dprintf(2, "runner: %s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	setpgid(outcome->pid, outcome->pid);
}

static char *read_output(int fd, size_t *bytes)
{
	off_t end = lseek(fd, 0, SEEK_END);
	size_t wanted = end < 0 ? 0 : (size_t)end;
	if (wanted > OUTPUT_MAX_BYTES)
		wanted = OUTPUT_MAX_BYTES;
	char *text = malloc(wanted + 1);
	ssize_t got = pread(fd, text, wanted, 0);
	*bytes = got < 0 ? 0 : (size_t)got;
	text[*bytes] = '\0';
	close(fd);
	return text;
}

/* Where a command hangs, for the person who has to fix it; only on request, because gdb is slow. */
static void show_where(pid_t pid)
{
	char line[256];
	if (getenv("MUDLARK_TEST_GDB") == NULL)
		return;
	snprintf(line, sizeof(line), "gdb -q -batch -p %d -ex 'thread apply all bt' 1>&2 2>/dev/null", (int)pid);
	if (system(line) != 0)
		fputs("gdb failed\n", stderr);
}

void runner_finish(struct running *running, struct outcome *outcome)
{
	int limit_s =
		runner_patience(running->command->timeout_s != 0 ? running->command->timeout_s : TIMEOUT_DEFAULT_S);
	uint64_t deadline = runner_now_ms() + (uint64_t)limit_s * 1000;
	*outcome = running->outcome;
	pid_t pid = outcome->pid;
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	ck_assert_int_ge(pidfd, 0);
	struct pollfd ended = {.fd = pidfd, .events = POLLIN};
	bool timed_out = false;
	int got;
	do {
		uint64_t now = runner_now_ms();
		got = poll(&ended, 1, now < deadline ? (int)(deadline - now) : 0);
	} while (got < 0 && errno == EINTR);
	if (got == 0) {
		timed_out = true;
		show_where(pid);
		kill(-pid, SIGKILL);
		kill(pid, SIGKILL);
	}
	close(pidfd);
	int status;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	outcome->status = timed_out ? -1 : WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);

	/* Wait for the rest of the group, reaping what was orphaned to us. */
	uint64_t linger = runner_now_ms() + LINGER_MS;
	while (kill(-pid, 0) == 0) {
		while (waitpid(-pid, NULL, WNOHANG) > 0)
			;
		if (runner_now_ms() > linger) {
			outcome->left_processes++;
			kill(-pid, SIGKILL);
			linger = runner_now_ms() + LINGER_MS;
			if (outcome->left_processes > 1)
				break;
		}
		runner_sleep_ms(2);
	}
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	outcome->out = read_output(running->out_fd, &outcome->out_bytes);
	outcome->err = read_output(running->err_fd, &outcome->err_bytes);
}

void runner_run(const struct command *command, struct outcome *outcome)
{
	struct running running;
	runner_start(command, &running);
	runner_finish(&running, outcome);
}

void runner_done(struct outcome *outcome)
{
	if (outcome->owns_directory)
		runner_directory_remove(outcome->directory);
	free(outcome->out);
	free(outcome->err);
	memset(outcome, 0, sizeof(*outcome));
}

bool runner_wait_for_file(const char *directory, const char *name, int timeout_s)
{
	char path[PATH_MAX + NAME_MAX];
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	uint64_t deadline = runner_now_ms() + (uint64_t)runner_patience(timeout_s) * 1000;
	while (access(path, F_OK) != 0) {
		if (runner_now_ms() > deadline)
			return false;
		runner_sleep_ms(5);
	}
	return true;
}

static size_t count_snapshots(const char *directory)
{
	size_t count = 0;
	DIR *stream = opendir(directory);
	if (stream == NULL)
		return 0;
	for (struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream)) {
		size_t length = strlen(entry->d_name);
		count += length > 4 && strcmp(entry->d_name + length - 4, ".mud") == 0;
	}
	closedir(stream);
	return count;
}

bool runner_wait_for_snapshots(const char *directory, size_t wanted, int timeout_s)
{
	uint64_t deadline = runner_now_ms() + (uint64_t)runner_patience(timeout_s) * 1000;
	while (count_snapshots(directory) < wanted) {
		if (runner_now_ms() > deadline)
			return false;
		runner_sleep_ms(5);
	}
	return true;
}

static int is_other(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
	       !(length > 4 && strcmp(entry->d_name + length - 4, ".mud") == 0);
}

char *runner_other_files(const char *directory)
{
	struct dirent **entries = NULL;
	char *text = NULL;
	size_t bytes;
	FILE *names = open_memstream(&text, &bytes);
	int count = scandir(directory, &entries, is_other, alphasort);
	for (int i = 0; i < count; i++) {
		fprintf(names, "%s\n", entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	fclose(names);
	return text;
}

static void fail_with_output(const struct command *command, const struct outcome *outcome, const char *what)
{
	ck_abort_msg("%s%s%s: %s\n  directory %s\n--- stdout\n%.2000s\n--- stderr\n%.2000s---", runner_name(command),
		     command->preloaded ? " [preloaded] " : " [plain] ",
		     command->options != NULL ? command->options : "", what, outcome->directory, outcome->out,
		     outcome->err);
}

/* Runs one command of a case and judges what does not need the other run. */
static void run_one(const struct command *command, int status, struct outcome *outcome)
{
	char what[256];
	runner_run(command, outcome);
	if (outcome->status == -1)
		fail_with_output(command, outcome, "did not end in time");
	if (outcome->status != status) {
		snprintf(what, sizeof(what), "status %d, expected %d", outcome->status, status);
		fail_with_output(command, outcome, what);
	}
	if (outcome->left_processes != 0)
		fail_with_output(command, outcome, "left processes behind");
}

bool runner_says_little(const char *err)
{
	const char *newline = strchr(err, '\n');
	return err[0] == '\0' || (strncmp(err, "mudlark: ", 9) == 0 && newline != NULL && newline[1] == '\0');
}

static void judge_preloaded(const struct host_case *host, const struct command *command, const struct outcome *outcome,
			    const struct outcome *plain, const char *plain_files, int snapshots)
{
	char what[256];
	if (plain != NULL && !host->output_differs &&
	    (plain->out_bytes != outcome->out_bytes || memcmp(plain->out, outcome->out, plain->out_bytes) != 0))
		fail_with_output(command, outcome, "stdout differs from the plain run");
	if (host->err != NULL && runner_expects_snapshots()) {
		if (strstr(outcome->err, host->err) == NULL) {
			snprintf(what, sizeof(what), "stderr lacks \"%s\"", host->err);
			fail_with_output(command, outcome, what);
		}
	} else if (host->may_say && runner_expects_snapshots()) {
		if (!runner_says_little(outcome->err))
			fail_with_output(command, outcome, "stderr holds more than one line of ours");
	} else if (plain != NULL && runner_expects_snapshots() && strcmp(plain->err, outcome->err) != 0) {
		fail_with_output(command, outcome, "stderr differs from the plain run");
	}
	char *files = runner_other_files(outcome->directory);
	if (strcmp(files, plain_files) != 0) {
		snprintf(what, sizeof(what), "left files behind: %.200s", files);
		fail_with_output(command, outcome, what);
	}
	free(files);
	if (!runner_expects_snapshots())
		return;
	struct briefs briefs;
	runner_briefs(outcome->directory, command->line, &briefs);
	size_t counted = briefs.count - runner_count_trigger(&briefs, TRIGGER_PEAK);
	if (snapshots != SNAPSHOTS_ANY && counted != (size_t)snapshots) {
		snprintf(what, sizeof(what), "%zu snapshots, expected %d", counted, snapshots);
		fail_with_output(command, outcome, what);
	}
	runner_briefs_free(&briefs);
}

void host_case_run(const struct host_case *host)
{
	struct command command = {.line = host->line, .timeout_s = host->timeout_s, .prepare = host->prepare};
	struct outcome plain = {0};
	struct outcome outcome;
	char *plain_files = strdup("");
	memcpy(command.environment, host->environment, sizeof(host->environment));
	if (!host->only_preloaded) {
		run_one(&command, host->status, &plain);
		free(plain_files);
		plain_files = runner_other_files(plain.directory);
	}
	int status = host->preloaded_status != 0 ? host->preloaded_status : host->status;
	command.preloaded = true;
	command.options = host->options;
	run_one(&command, status, &outcome);
	judge_preloaded(host, &command, &outcome, host->only_preloaded ? NULL : &plain, plain_files, host->snapshots);
	runner_done(&outcome);

	if (!host->recorded_only) {
		char options[512];
		snprintf(options, sizeof(options), "%s:record=0", host->options != NULL ? host->options : "verbose=0");
		command.options = options;
		run_one(&command, status, &outcome);
		judge_preloaded(host, &command, &outcome, host->only_preloaded ? NULL : &plain, plain_files,
				SNAPSHOTS_ANY);
		runner_done(&outcome);
	}
	free(plain_files);
	if (!host->only_preloaded)
		runner_done(&plain);
}

int runner_suite(struct Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
