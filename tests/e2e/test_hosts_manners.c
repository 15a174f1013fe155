/* Descriptors, signals, files, directories, names: PITFALLS 34, 38 to 41, 44, 45, and snapshots on request. */
#define _GNU_SOURCE
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct host_case cases[] = {
	{.line = "takes_descriptors", .snapshots = 1},
	{.line = "takes_descriptors", .options = "every=1", .snapshots = SNAPSHOTS_ANY},
	{.line = "closes_everything", .snapshots = 1},
	{.line = "renamed", .snapshots = 1},
	{.line = "leaves_directory chdir", .snapshots = 1},
	{.line = "signals_are_default", .options = "signal=none", .snapshots = 1},
	{.line = "signals_are_default", .options = "signal=none:every=100", .snapshots = 1},
	{.line = "waits_undisturbed", .options = "every=0.05", .snapshots = SNAPSHOTS_ANY},
	{.line = "file_size_limit dies", .snapshots = 0, .may_say = true, .recorded_only = true},
	{.line = "file_size_limit handles", .snapshots = 0, .may_say = true, .recorded_only = true},
	{.line = "allocates",
	 .options = "output=/does/not/exist/%p.mud",
	 .snapshots = 0,
	 .may_say = true,
	 .recorded_only = true},
	{.line = "allocates",
	 .options = "output=/does/not/exist/%p.mud:verbose=1",
	 .snapshots = 0,
	 .err = "mudlark: ",
	 .recorded_only = true},
	{.line = "allocates",
	 .options = "output=/dev/null/x.mud",
	 .snapshots = 0,
	 .may_say = true,
	 .recorded_only = true},
	{.line = "allocates",
	 .options = "output=/proc/self/x.mud",
	 .snapshots = 0,
	 .may_say = true,
	 .recorded_only = true},
};

/* These need root to arrange. */
static const struct host_case root_cases[] = {
	{.line = "leaves_directory deleted", .snapshots = 0, .may_say = true, .recorded_only = true},
	{.line = "leaves_directory chroot", .snapshots = SNAPSHOTS_ANY, .err = "", .recorded_only = true},
	{.line = "leaves_directory unprivileged", .snapshots = 0, .may_say = true, .recorded_only = true},
};

START_TEST(host)
{
	host_case_run(&cases[_i]);
}
END_TEST

START_TEST(root_host)
{
	if (geteuid() != 0) {
		runner_skip("%s: needs root", root_cases[_i].line);
		return;
	}
	host_case_run(&root_cases[_i]);
}
END_TEST

static void make_file(const char *directory, const char *name)
{
	char path[PATH_MAX + NAME_MAX];
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
}

static void start_waiting(const struct command *command, struct running *running)
{
	runner_start(command, running);
	ck_assert_msg(runner_wait_for_file(running->outcome.directory, "ready", 10), "%s is not ready", command->line);
}

static void end_waiting(struct running *running, struct outcome *outcome)
{
	make_file(running->outcome.directory, "end");
	runner_finish(running, outcome);
	ck_assert_msg(outcome->status == 0, "%s: status %d, %s", running->command->line, outcome->status, outcome->err);
	ck_assert_str_eq(outcome->err, "");
}

/* A snapshot for each signal, written while the program runs on, idle or busy; numbers in a row; then one at exit. */
START_TEST(signal_snapshots)
{
	static const struct {
		const char *line, *options;
		int offset; /* from SIGRTMAX; 0: `number` */
		int number;
	} variants[] = {
		{"waits_for_end idle", NULL, -5, 0},
		{"waits_for_end busy", NULL, -5, 0},
		{"waits_for_end idle", "signal=SIGUSR2", 0, SIGUSR2},
		{"waits_for_end idle", "signal=12", 0, 12},
		{"waits_for_end idle", "signal=SIGRTMAX-7", -7, 0},
		{"waits_for_end busy", "signal='SIGUSR1' record=1", 0, SIGUSR1},
	};
	if (!runner_expects_snapshots())
		return;
	struct command command = {.line = variants[_i].line, .options = variants[_i].options, .preloaded = true};
	int number = variants[_i].number != 0 ? variants[_i].number : SIGRTMAX + variants[_i].offset;
	struct running running;
	struct outcome outcome;
	struct briefs briefs;
	start_waiting(&command, &running);
	for (size_t i = 1; i <= 3; i++) {
		kill(running.outcome.pid, number);
		ck_assert_msg(runner_wait_for_snapshots(running.outcome.directory, i, 5),
			      "%s %s: no snapshot %zu on signal %d", command.line,
			      command.options != NULL ? command.options : "", i, number);
	}
	end_waiting(&running, &outcome);
	ck_assert_str_eq(outcome.out, "ended\n");
	runner_briefs(outcome.directory, command.line, &briefs);
	ck_assert_uint_eq(briefs.count - runner_count_trigger(&briefs, TRIGGER_PEAK), 4);
	ck_assert_uint_eq(runner_count_trigger(&briefs, TRIGGER_SIGNAL), 3);
	ck_assert_uint_eq(runner_count_trigger(&briefs, TRIGGER_EXIT), 1);
	for (size_t i = 0; i < briefs.count; i++) {
		ck_assert_uint_eq(briefs.at[i].meta[META_NUMBER], i + 1);
		ck_assert_uint_ge(briefs.at[i].totals[TOTAL_LIVE_BYTES], 50 * 200);
		if (i > 0)
			ck_assert_uint_gt(briefs.at[i].meta[META_EPOCH], briefs.at[i - 1].meta[META_EPOCH]);
	}
	runner_briefs_free(&briefs);
	runner_done(&outcome);
}
END_TEST

/* A storm of signals: skipped ones are counted, none crashes, files are whole. */
START_TEST(signal_storm)
{
	if (!runner_expects_snapshots())
		return;
	struct command command = {.line = "waits_for_end busy", .preloaded = true};
	struct running running;
	struct outcome outcome;
	struct briefs briefs;
	start_waiting(&command, &running);
	for (int i = 0; i < 300; i++) {
		kill(running.outcome.pid, SIGRTMAX - 5);
		runner_sleep_ms(i % 3 == 0);
	}
	ck_assert(runner_wait_for_snapshots(running.outcome.directory, 10, 10));
	end_waiting(&running, &outcome);
	char *others = runner_other_files(outcome.directory);
	ck_assert_str_eq(others, "");
	free(others);
	runner_briefs(outcome.directory, command.line, &briefs);
	ck_assert_uint_eq(runner_count_trigger(&briefs, TRIGGER_EXIT), 1);
	runner_briefs_free(&briefs);
	runner_done(&outcome);
}
END_TEST

/* every=1: an idle process writes as well as a busy one. */
START_TEST(interval_snapshots)
{
	const char *lines[] = {"waits_for_end idle", "waits_for_end busy"};
	if (!runner_expects_snapshots())
		return;
	struct command command = {.line = lines[_i], .options = "every=1", .preloaded = true};
	struct running running;
	struct outcome outcome;
	struct briefs briefs;
	start_waiting(&command, &running);
	bool came = runner_wait_for_snapshots(running.outcome.directory, 2, 6);
	end_waiting(&running, &outcome);
	ck_assert_msg(came, "%s: no two snapshots in six seconds with every=1", lines[_i]);
	ck_assert_str_eq(outcome.out, "ended\n");
	runner_briefs(outcome.directory, command.line, &briefs);
	ck_assert_uint_ge(runner_count_trigger(&briefs, TRIGGER_INTERVAL), 2);
	ck_assert_uint_le(runner_count_trigger(&briefs, TRIGGER_INTERVAL), 7);
	ck_assert_uint_eq(runner_count_trigger(&briefs, TRIGGER_EXIT), 1);
	runner_briefs_free(&briefs);
	runner_done(&outcome);
}
END_TEST

/* peak=2: the high-water mark is worth a file of its own; the program is past it when it ends. */
START_TEST(peak_snapshots)
{
	if (!runner_expects_snapshots())
		return;
	struct command command = {.line = "returns_memory", .options = "peak=2", .preloaded = true, .timeout_s = 60};
	struct outcome outcome;
	struct briefs briefs;
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0, "status %d: %s", outcome.status, outcome.err);
	runner_briefs(outcome.directory, command.line, &briefs);
	ck_assert_uint_ge(runner_count_trigger(&briefs, TRIGGER_PEAK), 1);
	ck_assert_uint_le(runner_count_trigger(&briefs, TRIGGER_PEAK), 200);
	ck_assert_uint_eq(runner_count_trigger(&briefs, TRIGGER_EXIT), 1);
	const struct brief *last = &briefs.at[briefs.count - 1];
	ck_assert_uint_ge(last->totals[TOTAL_PEAK_BYTES], 200000000);
	ck_assert_uint_lt(last->totals[TOTAL_LIVE_BYTES], 10000000);
	/* The composition that the sites' peak columns add up to is within 1 % of the mark. */
	ck_assert_uint_ge(last->totals[TOTAL_PEAK_COMPOSITION_BYTES], last->totals[TOTAL_PEAK_BYTES] / 100 * 99);
	runner_briefs_free(&briefs);
	runner_done(&outcome);
}
END_TEST

/* 41: the host installs its own handler for our number, early or late: all three of its signals reach it. */
START_TEST(signal_is_taken)
{
	const char *lines[] = {"waits_for_end idle own-handler", "waits_for_end busy late-handler"};
	struct command command = {.line = lines[_i], .preloaded = true};
	struct running running;
	struct outcome outcome;
	start_waiting(&command, &running);
	if (_i == 1) {
		make_file(running.outcome.directory, "handler");
		char path[PATH_MAX + 16];
		snprintf(path, sizeof(path), "%s/handler", running.outcome.directory);
		for (int i = 0; i < 1000 && access(path, F_OK) == 0; i++)
			runner_sleep_ms(5);
	}
	for (int i = 0; i < 3; i++) {
		kill(running.outcome.pid, SIGRTMAX - 5);
		runner_sleep_ms(30);
	}
	end_waiting(&running, &outcome);
	ck_assert_str_eq(outcome.out, "handled 3\nended\n");
	runner_done(&outcome);
}
END_TEST

/* 41: all signals blocked: nothing on the signal, and the one at exit. */
START_TEST(signals_blocked)
{
	if (!runner_expects_snapshots())
		return;
	struct command command = {
		.line = "waits_for_end idle ignore-all", .options = _i == 1 ? "every=1" : NULL, .preloaded = true};
	struct running running;
	struct outcome outcome;
	struct briefs briefs;
	start_waiting(&command, &running);
	kill(running.outcome.pid, SIGRTMAX - 5);
	runner_sleep_ms(_i == 1 ? 1500 : 100);
	end_waiting(&running, &outcome);
	runner_briefs(outcome.directory, command.line, &briefs);
	ck_assert_uint_eq(runner_count_trigger(&briefs, TRIGGER_EXIT), 1);
	runner_briefs_free(&briefs);
	runner_done(&outcome);
}
END_TEST

/* 39 */
START_TEST(stdio_locks_held)
{
	if (!runner_expects_snapshots())
		return;
	struct command command = {.line = "holds_stdio_locks 1", .preloaded = true, .options = "verbose=1"};
	struct outcome outcome;
	struct briefs briefs;
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0, "status %d: %s", outcome.status, outcome.err);
	ck_assert_str_eq(outcome.out, "locks released\n");
	runner_briefs(outcome.directory, command.line, &briefs);
	ck_assert_uint_eq(runner_count_trigger(&briefs, TRIGGER_SIGNAL), 1);
	ck_assert_uint_eq(runner_count_trigger(&briefs, TRIGGER_EXIT), 1);
	runner_briefs_free(&briefs);
	runner_done(&outcome);
}
END_TEST

/* 40: a read that SA_RESTART can restart is restarted. */
START_TEST(slow_call_restarted)
{
	struct command command = {.line = "slow_calls signalled", .preloaded = true};
	struct outcome outcome;
	if (!runner_expects_snapshots())
		return;
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0, "status %d: %s", outcome.status, outcome.err);
	ck_assert_str_eq(outcome.out, "read 5 bytes\n");
	runner_done(&outcome);
}
END_TEST

/* 40: a full disk. The mount is in a namespace of this test's process and goes with it. */
START_TEST(full_disk)
{
	char directory[PATH_MAX], filler[PATH_MAX + 16];
	static const char zeros[4096];
	struct outcome outcome;
	if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0) {
		runner_skip("full disk: needs root and a mount namespace");
		return;
	}
	runner_directory_make(directory);
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", directory, "tmpfs", 0, "size=64k,mode=700") != 0) {
		runner_directory_remove(directory);
		runner_skip("full disk: no tmpfs: %s", strerror(errno));
		return;
	}
	snprintf(filler, sizeof(filler), "%s/filler", directory);
	int fd = open(filler, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	while (write(fd, zeros, sizeof(zeros)) > 0)
		;
	close(fd);
	struct command command = {.line = "allocates", .preloaded = true, .directory = directory};
	runner_run(&command, &outcome);
	char *others = runner_other_files(directory);
	struct briefs briefs;
	runner_briefs(directory, "allocates on a full disk", &briefs);
	umount(directory);
	runner_directory_remove(directory);
	ck_assert_msg(outcome.status == 0, "status %d: %s", outcome.status, outcome.err);
	ck_assert_str_eq(outcome.out, "sum 4950\n");
	ck_assert_str_eq(others, "filler\n");
	ck_assert_uint_eq(briefs.count, 0);
	ck_assert_msg(!runner_expects_snapshots() || runner_says_little(outcome.err), "stderr: %s", outcome.err);
	free(others);
	runner_done(&outcome);
}
END_TEST

static void become_nobody(void)
{
	if (setgid(65534) != 0 || setuid(65534) != 0)
		_exit(126);
}

/* 44: another user's directory that may not be written. */
START_TEST(read_only_directory)
{
	char directory[PATH_MAX];
	struct outcome outcome;
	if (geteuid() != 0) {
		runner_skip("read-only directory: needs root to become somebody else");
		return;
	}
	runner_directory_make(directory);
	chmod(directory, 0555);
	struct command command = {
		.line = "allocates", .preloaded = true, .directory = directory, .prepare = become_nobody};
	if (access(runner_preload(), R_OK) != 0)
		return;
	runner_run(&command, &outcome);
	char *others = runner_other_files(directory);
	chmod(directory, 0700);
	runner_directory_remove(directory);
	if (outcome.status == 127) {
		runner_skip("read-only directory: nobody cannot reach %s", HOSTS_DIRECTORY);
		return;
	}
	ck_assert_msg(outcome.status == 0, "status %d: %s", outcome.status, outcome.err);
	ck_assert_str_eq(outcome.out, "sum 4950\n");
	ck_assert_str_eq(others, "");
	ck_assert_msg(!runner_expects_snapshots() || runner_says_little(outcome.err), "stderr: %s", outcome.err);
	free(others);
	runner_done(&outcome);
}
END_TEST

/* 38: names with everything in them that a line-based format or a shell would trip over. */
START_TEST(odd_names)
{
	static const char *const names[] = {"with space",    "quote\"and'more",     "new\nline",
					    "percent%p%n%s", "colon:comma,equals=", "\xc3\xa9t\xc3\xa9\xff",
					    "-dash"};
	char base[PATH_MAX], directory[PATH_MAX + 64], program[PATH_MAX + 128];
	struct outcome outcome;
	struct briefs briefs;
	runner_directory_make(base);
	snprintf(directory, sizeof(directory), "%s/%s", base, names[_i]);
	ck_assert_int_eq(mkdir(directory, 0700), 0);
	snprintf(program, sizeof(program), "%s/%s", directory, names[_i]);
	struct command copying = {.argv = {"cp", runner_host_path("allocates"), program}};
	runner_run(&copying, &outcome);
	ck_assert_int_eq(outcome.status, 0);
	runner_done(&outcome);
	struct command command = {.argv = {program}, .preloaded = true, .directory = directory};
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0, "%s: status %d, %s", names[_i], outcome.status, outcome.err);
	ck_assert_str_eq(outcome.out, "sum 4950\n");
	ck_assert_str_eq(outcome.err, "");
	if (runner_expects_snapshots()) {
		runner_briefs(directory, names[_i], &briefs);
		ck_assert_msg(briefs.count == 1, "%s: %zu snapshots", names[_i], briefs.count);
		ck_assert_str_eq(briefs.at[0].meta_text[META_EXECUTABLE], program);
		ck_assert_str_eq(briefs.at[0].meta_text[META_DIRECTORY], directory);
		if (names[_i][0] != '-' && strchr(names[_i], '\n') == NULL)
			ck_assert_str_eq(briefs.at[0].meta_text[META_PROGRAM], names[_i]);
		runner_briefs_free(&briefs);
	}
	runner_done(&outcome);
	runner_directory_remove(base);
}
END_TEST

static int levels_down;

static void go_deep(void)
{
	char name[201];
	memset(name, 'd', 200);
	name[200] = '\0';
	for (int i = 0; i < levels_down; i++)
		if (mkdir(name, 0700) != 0 || chdir(name) != 0)
			_exit(126);
}

/* 38: a path of 3,900 bytes is written to; one beyond PATH_MAX is lost, and the host is not. */
START_TEST(long_paths)
{
	struct command command = {.line = "allocates", .preloaded = true, .prepare = go_deep};
	struct command finding = {
		.argv = {"bash", "-c", "find . -name '*.mud' -size +0 | wc -l; find . -type f ! -name '*.mud'"}};
	struct command removing = {.argv = {"bash", "-c", "rm -rf ./*"}};
	struct outcome outcome, found;
	levels_down = _i == 0 ? 19 : 24;
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0, "status %d: %s", outcome.status, outcome.err);
	ck_assert_str_eq(outcome.out, "sum 4950\n");
	finding.directory = removing.directory = outcome.directory;
	runner_run(&finding, &found);
	if (runner_expects_snapshots() && _i == 0)
		ck_assert_str_eq(found.out, "1\n");
	else
		ck_assert_msg(strcmp(found.out, "0\n") == 0 || strcmp(found.out, "1\n") == 0, "left behind: %s",
			      found.out);
	runner_done(&found);
	runner_run(&removing, &found);
	runner_done(&found);
	runner_done(&outcome);
}
END_TEST

static char *content(const char *directory, const char *name, size_t *bytes)
{
	char path[PATH_MAX + NAME_MAX];
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	FILE *file = fopen(path, "rb");
	ck_assert_msg(file != NULL, "%s is not there", path);
	char *text = malloc(1 << 22);
	*bytes = fread(text, 1, 1 << 22, file);
	fclose(file);
	return text;
}

/* A pattern without %p, or a pid that comes again: earlier files stay, the number goes on. */
START_TEST(earlier_files_stay)
{
	char directory[PATH_MAX];
	struct outcome outcome;
	struct briefs briefs;
	size_t bytes = 0, bytes_later = 0;
	if (!runner_expects_snapshots())
		return;
	runner_directory_make(directory);
	struct command command = {
		.line = "allocates", .preloaded = true, .directory = directory, .options = "output=snap.%n.mud"};
	runner_run(&command, &outcome);
	ck_assert_int_eq(outcome.status, 0);
	runner_done(&outcome);
	char *first = content(directory, "snap.1.mud", &bytes);
	for (int i = 0; i < 3; i++) {
		runner_run(&command, &outcome);
		ck_assert_int_eq(outcome.status, 0);
		ck_assert_str_eq(outcome.err, "");
		runner_done(&outcome);
	}
	char *later = content(directory, "snap.1.mud", &bytes_later);
	ck_assert(bytes == bytes_later && memcmp(first, later, bytes) == 0);
	runner_briefs(directory, command.line, &briefs);
	ck_assert_uint_eq(briefs.count, 4);
	ck_assert_str_eq(briefs.at[3].name, "snap.4.mud");
	runner_briefs_free(&briefs);
	free(first);
	free(later);
	runner_directory_remove(directory);
}
END_TEST

/* Every letter of the pattern, an absolute directory, and quotes in the options. */
START_TEST(output_pattern)
{
	char directory[PATH_MAX], options[PATH_MAX + 64], expected[512], machine[256] = "";
	struct outcome outcome;
	struct briefs briefs;
	if (!runner_expects_snapshots())
		return;
	runner_directory_make(directory);
	gethostname(machine, sizeof(machine) - 1);
	snprintf(options, sizeof(options), "verbose=0 output=\"%s/a b:%%e-%%p-%%n-%%h-%%%%.mud\":depth=20", directory);
	struct command command = {.line = "allocates", .preloaded = true, .options = options};
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0 && outcome.err_bytes == 0, "status %d: %s", outcome.status, outcome.err);
	runner_briefs(directory, options, &briefs);
	ck_assert_uint_eq(briefs.count, 1);
	snprintf(expected, sizeof(expected), "a b:allocates-%d-1-%s-%%.mud", (int)outcome.pid, machine);
	ck_assert_str_eq(briefs.at[0].name, expected);
	ck_assert_uint_eq(briefs.at[0].meta[META_DEPTH], 20);
	runner_briefs_free(&briefs);
	runner_done(&outcome);
	runner_directory_remove(directory);
}
END_TEST

/* Options that make no sense are named in one line at most, and the program runs. */
START_TEST(bad_options)
{
	static const char *const options[] = {
		"no_such_key=1", "depth=lots", "record",     "signal=SIGNONSENSE", "output=\"unclosed", "=",
		":::",           "depth=-1",   "every=1e99", "on_error=perhaps"};
	struct command command = {.line = "allocates", .preloaded = true, .options = options[_i]};
	struct outcome outcome;
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0, "MUDLARK_OPTIONS=%s: status %d, %s", options[_i], outcome.status,
		      outcome.err);
	ck_assert_str_eq(outcome.out, "sum 4950\n");
	ck_assert_msg(!runner_expects_snapshots() || runner_says_little(outcome.err), "MUDLARK_OPTIONS=%s: stderr %s",
		      options[_i], outcome.err);
	runner_done(&outcome);
}
END_TEST

/* 44: after chdir the snapshot is where the program was started; 45: its name is the program's own. */
START_TEST(names_of_start)
{
	const char *lines[] = {"leaves_directory chdir", "renamed"};
	const char *programs[] = {"leaves_directory", "renamed"};
	struct command command = {.line = lines[_i], .preloaded = true};
	struct outcome outcome;
	struct briefs briefs;
	char expected[128];
	if (!runner_expects_snapshots())
		return;
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0, "%s: status %d %s", lines[_i], outcome.status, outcome.err);
	runner_briefs(outcome.directory, lines[_i], &briefs);
	ck_assert_uint_eq(briefs.count, 1);
	snprintf(expected, sizeof(expected), "mudlark.%s.%d.1.mud", programs[_i], (int)outcome.pid);
	ck_assert_str_eq(briefs.at[0].name, expected);
	ck_assert_str_eq(briefs.at[0].meta_text[META_PROGRAM], programs[_i]);
	ck_assert_str_eq(briefs.at[0].meta_text[META_DIRECTORY], outcome.directory);
	runner_briefs_free(&briefs);
	runner_done(&outcome);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hosts: manners");
	TCase *tests = tcase_create("manners");
	tcase_set_timeout(tests, 200);
	tcase_add_loop_test(tests, host, 0, HOST_CASES(cases));
	tcase_add_loop_test(tests, root_host, 0, HOST_CASES(root_cases));
	tcase_add_loop_test(tests, signal_snapshots, 0, 6);
	tcase_add_test(tests, signal_storm);
	tcase_add_loop_test(tests, interval_snapshots, 0, 2);
	tcase_add_test(tests, peak_snapshots);
	tcase_add_loop_test(tests, signal_is_taken, 0, 2);
	tcase_add_loop_test(tests, signals_blocked, 0, 2);
	tcase_add_test(tests, stdio_locks_held);
	tcase_add_test(tests, slow_call_restarted);
	tcase_add_test(tests, full_disk);
	tcase_add_test(tests, read_only_directory);
	tcase_add_loop_test(tests, odd_names, 0, 7);
	tcase_add_loop_test(tests, long_paths, 0, 2);
	tcase_add_test(tests, earlier_files_stay);
	tcase_add_test(tests, output_pattern);
	tcase_add_loop_test(tests, bad_options, 0, 10);
	tcase_add_loop_test(tests, names_of_start, 0, 2);
	suite_add_tcase(suite, tests);
	return runner_suite(suite);
}
