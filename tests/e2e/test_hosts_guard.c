/* guard=1: each kind of misuse, found as often as the host does it, and nothing found where there is none. */
#define _GNU_SOURCE
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ABORTED = 128 + 6, KEPT_MAX = 64 };

static const struct host_case cases[] = {
	{.line = "conformance plain", .options = "guard=1", .snapshots = 1, .timeout_s = 100},
	{.line = "realloc_race", .options = "guard=1", .snapshots = 1, .timeout_s = 100},
	{.line = "entry_points", .options = "guard=1", .snapshots = 1},
	{.line = "usable_size", .options = "guard=1", .snapshots = 1},
	{.line = "signals_are_default", .options = "guard=1 signal=none", .snapshots = 1},
	{.line = "fork_with_stdio_threads", .options = "guard=1", .snapshots = SNAPSHOTS_ANY, .timeout_s = 100},
	{.line = "many_threads_correct", .options = "guard=1", .snapshots = 1, .timeout_s = 100},
	{.line = "producer_consumer", .options = "guard=1", .snapshots = 1, .timeout_s = 100},
	{.line = "guarded right",
	 .options = "guard=1",
	 .snapshots = SNAPSHOTS_ANY,
	 .timeout_s = 100,
	 .only_preloaded = true,
	 .recorded_only = true},
};

START_TEST(host)
{
	host_case_run(&cases[_i]);
}
END_TEST

static const struct {
	const char *line, *words;
} misuses[] = {
	{"guarded overflow", "mudlark: write "}, /* behind a block, or before the next one */
	{"guarded overflow-kept", "mudlark: write behind the end of a block"},
	{"guarded underflow", "mudlark: write before the start of a block"},
	{"guarded write-freed", "mudlark: write to freed memory"},
	{"guarded double-free", "mudlark: "},
	{"guarded interior", "mudlark: free of a pointer that is not the start of a block"},
	{"guarded wrong-size", "mudlark: free with a size that is not the block's"},
};

static unsigned long count_lines(const char *text, const char *start)
{
	unsigned long lines = 0;
	for (const char *line = text; *line; line = strchrnul(line, '\n') + 1) {
		lines += strncmp(line, start, strlen(start)) == 0;
		if (!strchr(line, '\n'))
			break;
	}
	return lines;
}

START_TEST(found)
{
	static const char *const recording[] = {"guard=1 on_error=report", "guard=1 on_error=report record=0"};
	if (!runner_expects_snapshots())
		return;
	for (size_t i = 0; i < sizeof recording / sizeof *recording; i++) {
		struct outcome outcome;
		struct briefs briefs;
		struct command command = {
			.line = misuses[_i].line, .options = recording[i], .preloaded = true, .timeout_s = 100};
		runner_run(&command, &outcome);
		unsigned long done = strtoul(outcome.out, NULL, 10);
		const char *format = "%s with %s: %lu lines for %lu (status %d), of them %lu \"%s\"";
		ck_assert_msg(outcome.status == 0 && done > 0 && count_lines(outcome.err, "") == done &&
				      count_lines(outcome.err, misuses[_i].words) == done,
			      format, misuses[_i].line, recording[i], count_lines(outcome.err, ""), done,
			      outcome.status, count_lines(outcome.err, misuses[_i].words), misuses[_i].words);
		runner_briefs(outcome.directory, misuses[_i].line, &briefs);
		ck_assert_uint_eq(briefs.count, 1);
		ck_assert_uint_eq(briefs.at[0].totals[TOTAL_MISUSES], done);
		ck_assert_uint_eq(briefs.at[0].losses[LOSS_BAD_FREES], done);
		runner_briefs_free(&briefs);
		runner_done(&outcome);
	}
}
END_TEST

/* abort: a line, and a snapshot although nothing catches the signal. */
START_TEST(aborts)
{
	struct outcome outcome;
	struct briefs briefs;
	if (!runner_expects_snapshots())
		return;
	struct command command = {.line = misuses[_i].line, .options = "guard=1", .preloaded = true, .timeout_s = 100};
	runner_run(&command, &outcome);
	ck_assert_int_eq(outcome.status, ABORTED);
	runner_briefs(outcome.directory, misuses[_i].line, &briefs);
	ck_assert_uint_eq(briefs.count, 1);
	ck_assert_uint_ge(briefs.at[0].totals[TOTAL_MISUSES], 1);
	/* The snapshot looks at all blocks, and may find more. */
	uint64_t kept = briefs.at[0].totals[TOTAL_MISUSES] < KEPT_MAX ? briefs.at[0].totals[TOTAL_MISUSES] : KEPT_MAX;
	ck_assert_uint_eq(count_lines(outcome.err, "mudlark: "), kept);
	runner_briefs_free(&briefs);
	runner_done(&outcome);
}
END_TEST

/* The report names the stacks of allocation and free, in text and JSON. */
START_TEST(named)
{
	struct outcome outcome;
	struct command run = {.argv = {BUILD_DIRECTORY "/mudlark", "run", "--guard", "--on_error", "report", "-o",
				       "a.mud", runner_host_path("guarded"), "write-freed"},
			      .timeout_s = 100};
	if (!runner_expects_snapshots())
		return;
	runner_run(&run, &outcome);
	ck_assert_int_eq(outcome.status, 0);
	ck_assert_ptr_nonnull(strstr(outcome.err, "misused its heap"));
	ck_assert_ptr_nonnull(strstr(outcome.err, "write to a freed block"));
	struct command show = {.argv = {BUILD_DIRECTORY "/mudlark", "show", "a.mud"}, .directory = outcome.directory};
	struct outcome shown;
	runner_run(&show, &shown);
	ck_assert_int_eq(shown.status, 0);
	const char *misuse = strstr(shown.out, "write to a freed block of 1 byte: 1 byte at offset 0");
	const char *allocated = misuse ? strstr(misuse, "  allocated") : NULL;
	const char *freed = allocated ? strstr(allocated, "  freed") : NULL;
	ck_assert_msg(freed != NULL, "%s", shown.out);
	ck_assert_ptr_nonnull(strstr(allocated, "guarded.c:"));
	ck_assert_ptr_nonnull(strstr(freed, "guarded.c:"));
	runner_done(&shown);
	show.argv[3] = "--json";
	show.argv[4] = "a.mud";
	runner_run(&show, &shown);
	ck_assert_ptr_nonnull(strstr(shown.out, "\"misuse\": \"write-freed\""));
	ck_assert_ptr_nonnull(strstr(shown.out, "\"freed\": {"));
	runner_done(&shown);
	runner_done(&outcome);
}
END_TEST

START_TEST(not_with_samples)
{
	struct outcome outcome;
	struct command run = {.argv = {BUILD_DIRECTORY "/mudlark", "run", "--guard", "--sample", "512K", "/bin/true"}};
	runner_run(&run, &outcome);
	ck_assert_int_eq(outcome.status, 2);
	ck_assert_ptr_nonnull(strstr(outcome.err, "--guard needs a record of each block"));
	runner_done(&outcome);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hosts: guard");
	TCase *tests = tcase_create("guard");
	tcase_set_timeout(tests, 300);
	tcase_add_loop_test(tests, host, 0, HOST_CASES(cases));
	tcase_add_loop_test(tests, found, 0, HOST_CASES(misuses));
	tcase_add_loop_test(tests, aborts, 0, HOST_CASES(misuses));
	tcase_add_test(tests, named);
	tcase_add_test(tests, not_with_samples);
	suite_add_tcase(suite, tests);
	return runner_suite(suite);
}
