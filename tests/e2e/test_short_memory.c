/*
 * Programs under a limit of the address space or of data, set by themselves or by who started them: what works at a
 * limit works under Mudlark with 16 MB more, in every mode, and leaves its snapshot.
 *
 * The least limit at which a program works is found by trying, to a MB. MUDLARK_TEST_LONG=1 tries many more of the
 * hosts.
 */
#define _GNU_SOURCE
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MODES = 3, ROOM_MB = 16, LIMIT_MAX_MB = 4096, TIMEOUT_S = 120, SEARCH_TIMEOUT_S = 30 };

static const char *const modes[MODES] = {"record=0", "record=1", "sample=64K"};

static const struct host_case cases[] = {
	{.line = "errno_of_failures", .snapshots = 1, .timeout_s = 60},
	{.line = "short_memory_threads 144", .snapshots = 1, .timeout_s = 60},
	{.line = "short_memory_threads 20000", .snapshots = 1, .timeout_s = 60},
	{.line = "short_memory_threads 300000", .snapshots = 1, .timeout_s = 60},
	{.line = "short_memory_threads 20000", .options = "sample=64K", .snapshots = 1, .timeout_s = 60},
};

START_TEST(host)
{
	host_case_run(&cases[_i]);
}
END_TEST

/* Of the bytes that plain malloc gives, at most 16 MB may be missing. */
static const struct {
	unsigned mb;
	size_t bytes;
} fills[] = {{64, 100000}, {128, 100000}, {300, 20000}, {400, 100000}, {600, 400000}, {300, 1000}};

START_TEST(what_was_given_back_is_there)
{
	for (int mode = 0; mode < MODES; mode++) {
		char line[80];
		struct outcome outcome;
		size_t lost = fills[_i].mb <= 128 ? ROOM_MB + 2 : fills[_i].mb / 4; /* sizes are rounded up as well */
		size_t enough = ((size_t)(fills[_i].mb - lost) << 20) / (fills[_i].bytes);
		snprintf(line, sizeof(line), "short_memory %u %zu %zu", fills[_i].mb, fills[_i].bytes, enough);
		struct command command = {
			.line = line, .options = modes[mode], .preloaded = true, .timeout_s = TIMEOUT_S};
		runner_run(&command, &outcome);
		ck_assert_msg(outcome.status == 0, "%s, %s: status %d: %s", line, modes[mode], outcome.status,
			      outcome.err);
		if (runner_expects_snapshots()) {
			struct briefs briefs;
			runner_briefs(outcome.directory, line, &briefs);
			ck_assert_msg(briefs.count == 1, "%s, %s: %zu snapshots", line, modes[mode], briefs.count);
			runner_briefs_free(&briefs);
		}
		runner_done(&outcome);
	}
}
END_TEST

static __rlimit_resource_t limited_resource;
static rlim_t limit_bytes;

static void set_limit(void)
{
	struct rlimit limit = {limit_bytes, limit_bytes};
	if (setrlimit(limited_resource, &limit))
		_Exit(99);
}

/* Status at a limit; 0 MB: none. */
static int status_at(struct command *command, unsigned mb, struct outcome *outcome)
{
	limit_bytes = mb ? (rlim_t)mb << 20 : RLIM_INFINITY;
	command->prepare = mb ? set_limit : NULL;
	runner_run(command, outcome);
	return outcome->status;
}

static bool works_at(struct command *command, unsigned mb, int status)
{
	struct outcome outcome;
	bool works = status_at(command, mb, &outcome) == status;
	runner_done(&outcome);
	return works;
}

/* The least limit at which the command works; 0: none up to the greatest that is tried. */
static unsigned least_mb(struct command *command, int status)
{
	unsigned low = 0, high = 4;
	while (!works_at(command, high, status)) {
		low = high;
		high *= 2;
		if (high > LIMIT_MAX_MB)
			return 0;
	}
	while (high - low > 1) {
		unsigned middle = low + (high - low) / 2;
		if (works_at(command, middle, status))
			high = middle;
		else
			low = middle;
	}
	return high;
}

static const char *const programs[][RUNNER_ARGUMENTS] = {
	{"/bin/true"},
	{"/bin/ls", "/"},
	{"/usr/bin/perl", "-e", "my @a = map { 'x' x $_ } 1 .. 1000; print scalar @a"},
	{"/usr/bin/python3", "-c", "import json; print(json.dumps({str(i): [i] * 10 for i in range(2000)})[:10])"},
	{"entry_points"},
	{"libc_memory"},
};
enum { PROGRAMS = sizeof(programs) / sizeof(programs[0]) };

/* Hosts that say when a call failed, and do nothing that depends on how much memory there is. */
static const char *const more_hosts[] = {
	"conformance plain", "usable_size",       "registers_kept", "deep_realloc", "misuse none",
	"coroutines",        "holds_stdio_locks", "renamed",        "held_blocks",
};

static void check_at_least(struct command *command, __rlimit_resource_t resource)
{
	struct outcome plain;
	limited_resource = resource;
	int status = status_at(command, 0, &plain);
	/* A plain program that waits for a thread that there is no memory for waits for ever. */
	command->timeout_s = SEARCH_TIMEOUT_S;
	unsigned mb = least_mb(command, status);
	command->timeout_s = TIMEOUT_S;
	ck_assert_msg(mb, "%s works at no limit", runner_name(command));
	command->preloaded = true;
	for (int mode = 0; mode < MODES; mode++) {
		struct outcome outcome;
		command->options = modes[mode];
		int got = status_at(command, mb + ROOM_MB, &outcome);
		ck_assert_msg(got == status, "%s, %s, at %u + %d MB: status %d, not %d: %s", runner_name(command),
			      modes[mode], mb, ROOM_MB, got, status, outcome.err);
		ck_assert_msg(outcome.out_bytes == plain.out_bytes && !memcmp(outcome.out, plain.out, plain.out_bytes),
			      "%s, %s: stdout differs from the plain run", runner_name(command), modes[mode]);
		if (runner_expects_snapshots()) {
			struct briefs briefs;
			runner_briefs(outcome.directory, runner_name(command), &briefs);
			ck_assert_msg(briefs.count >= 1, "%s, %s, at %u + %d MB: %zu snapshots: %s",
				      runner_name(command), modes[mode], mb, ROOM_MB, briefs.count, outcome.err);
			runner_briefs_free(&briefs);
		}
		runner_done(&outcome);
	}
	runner_done(&plain);
}

static void check_program(int index, __rlimit_resource_t resource)
{
	struct command command = {.timeout_s = TIMEOUT_S};
	char path[PATH_MAX];
	memcpy(command.argv, programs[index], sizeof(command.argv));
	if (programs[index][0][0] != '/') {
		snprintf(path, sizeof(path), "%s", runner_host_path(programs[index][0]));
		command.argv[0] = path;
	} else if (access(programs[index][0], X_OK) != 0) {
		runner_skip("%s is not installed", programs[index][0]);
		return;
	}
	check_at_least(&command, resource);
}

START_TEST(least_address_space)
{
	check_program(_i, RLIMIT_AS);
}
END_TEST

START_TEST(least_data)
{
	check_program(_i, RLIMIT_DATA);
}
END_TEST

START_TEST(more_hosts_at_least_address_space)
{
	if (!getenv("MUDLARK_TEST_LONG"))
		return;
	struct command command = {.line = more_hosts[_i], .timeout_s = TIMEOUT_S};
	check_at_least(&command, RLIMIT_AS);
}
END_TEST

static char group[PATH_MAX], group_processes[PATH_MAX];

static bool write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");
	bool written = file && fputs(text, file) >= 0;
	return file && fclose(file) == 0 && written;
}

/* A control group whose processes have so much memory. False: this machine lets us make none. */
static bool group_make(unsigned mb)
{
	static const char *const places[][2] = {
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
		{"/sys/fs/cgroup", "memory.max"},
	};
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char path[PATH_MAX], limit[32];
		snprintf(group, sizeof(group), "%s/mudlark_test_%d", places[i][0], (int)getpid());
		if (mkdir(group, 0755))
			continue;
		snprintf(path, sizeof(path), "%.3000s/%s", group, places[i][1]);
		snprintf(limit, sizeof(limit), "%lu", (unsigned long)mb << 20);
		snprintf(group_processes, sizeof(group_processes), "%.3000s/cgroup.procs", group);
		if (access(path, W_OK) == 0 && write_file(path, limit))
			return true;
		rmdir(group);
	}
	return false;
}

static void enter_group(void)
{
	if (!write_file(group_processes, "0"))
		_Exit(99);
}

/* Forty MB in blocks of one size, again and again, with sixteen MB more than that. */
START_TEST(waves_in_a_control_group)
{
	static const char *const sizes[] = {"1000", "20000", "50000", "200000"};
	if (!group_make(40 + ROOM_MB)) {
		runner_skip("no memory control group can be made here");
		return;
	}
	for (size_t i = 0; i < MODES * (sizeof(sizes) / sizeof(sizes[0])); i++) {
		char line[64];
		struct outcome outcome;
		snprintf(line, sizeof(line), "memory_waves 40 %s", sizes[i / MODES]);
		struct command command = {.line = line,
					  .options = modes[i % MODES],
					  .preloaded = true,
					  .prepare = enter_group,
					  .timeout_s = TIMEOUT_S};
		runner_run(&command, &outcome);
		bool ended = outcome.status == 0 && strcmp(outcome.out, "five waves\n") == 0;
		int status = outcome.status;
		runner_done(&outcome);
		if (!ended)
			rmdir(group);
		ck_assert_msg(ended, "%s, %s: status %d", line, modes[i % MODES], status);
	}
	ck_assert_int_eq(rmdir(group), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("short memory");
	TCase *tests = tcase_create("short memory");
	tcase_set_timeout(tests, 600);
	tcase_add_loop_test(tests, host, 0, HOST_CASES(cases));
	tcase_add_loop_test(tests, what_was_given_back_is_there, 0, HOST_CASES(fills));
	tcase_add_loop_test(tests, least_address_space, 0, PROGRAMS);
	tcase_add_loop_test(tests, least_data, 0, PROGRAMS);
	tcase_add_test(tests, waves_in_a_control_group);
	tcase_add_loop_test(tests, more_hosts_at_least_address_space, 0, HOST_CASES(more_hosts));
	suite_add_tcase(suite, tests);
	return runner_suite(suite);
}
