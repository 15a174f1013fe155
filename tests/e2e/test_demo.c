/* The demonstration, `make demo`, names the planted leaks with their exact figures and leaves nothing outside. */
#define _GNU_SOURCE
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void assert_says(const struct outcome *outcome, const char *text)
{
	ck_assert_msg(strstr(outcome->out, text) != NULL, "the demonstration does not say '%s':\n%s\n%s", text,
		      outcome->out, outcome->err);
}

START_TEST(names_each_leak)
{
	if (!runner_has_program("python3-config")) {
		runner_skip("the demonstration: python3-dev is not installed");
		return;
	}
	char place[PATH_MAX];
	static const char list[] =
		"find . -path ./build -prune -o -path ./.git -prune -o -name '*.mud' -print -o -name 'core*' -print";
	struct outcome outcome, left_before, left_after;
	runner_directory_make(place);
	struct command look = {.argv = {"sh", "-c", list}, .directory = SOURCE_DIRECTORY};
	runner_run(&look, &left_before);

	char *build = strdup(PRELOAD_PATH);
	*strrchr(build, '/') = '\0';
	struct command command = {
		.argv = {"tools/demo/demo.sh", build, place}, .directory = SOURCE_DIRECTORY, .timeout_s = 60};
	uint64_t start = runner_now_ms();
	runner_run(&command, &outcome);
	uint64_t took_ms = runner_now_ms() - start;
	ck_assert_msg(outcome.status == 0, "the demonstration ended with %d:\n%s\n%s", outcome.status, outcome.out,
		      outcome.err);
	assert_says(&outcome, "tools/demo/leaky_extension.c:");
	assert_says(&outcome, ": exactly 1,000,000 bytes in 1,000 blocks");
	assert_says(&outcome, "tools/demo/service.py:");
	assert_says(&outcome, ": exactly 500,000 bytes in 1,000 blocks");
	assert_says(&outcome, "  record = b");
	assert_says(&outcome, "tools/demo/workers.c:");
	assert_says(&outcome, ": exactly 512,000 bytes in 2,000 blocks");
	assert_says(&outcome, "[worker A]");
	ck_assert_str_eq(outcome.err, "");
	ck_assert_int_eq(outcome.left_processes, 0);
	ck_assert_msg(took_ms < 30000, "the demonstration took %llu ms", (unsigned long long)took_ms);

	runner_run(&look, &left_after);
	ck_assert_str_eq(left_after.out, left_before.out);
	runner_done(&left_before);
	runner_done(&left_after);
	runner_done(&outcome);
	runner_directory_remove(place);
	free(build);
}
END_TEST

/* What the copied programs leak instead, and what the script says of it. */
static const struct {
	const char *edit, *file, *complaint, *said_before;
} wrong_figures[] = {
	{"s/TOKEN_BYTES = 1000/TOKEN_BYTES = 1001/", "leaky_extension.c", "demo: FAILED: row 1 of ",
	 "A Python service"},
	{"s/RECORD_BYTES = 467/RECORD_BYTES = 466/", "service.py", "demo: FAILED: row 2 of ",
	 ": exactly 1,000,000 bytes in 1,000 blocks"},
	{"s/ERROR_EVERY = 8/ERROR_EVERY = 10/", "workers.c", "demo: FAILED: row 1 of ",
	 ": exactly 500,000 bytes in 1,000 blocks"},
};

/* A wrong figure is noticed: the script's own check fails when a program leaks something else. */
START_TEST(fails_when_figures_differ)
{
	if (!runner_has_program("python3-config")) {
		runner_skip("the demonstration: python3-dev is not installed");
		return;
	}
	char place[PATH_MAX];
	struct outcome outcome;
	runner_directory_make(place);
	char *build = strdup(PRELOAD_PATH);
	*strrchr(build, '/') = '\0';
	struct command command = {
		.argv = {"sh", "-c",
			 "mkdir -p tools && cp -r \"$1/tools/demo\" tools/ && ln -s \"$1/preload\" preload && "
			 "sed -i \"$4\" \"tools/demo/$5\" && tools/demo/demo.sh \"$2\" \"$3\"",
			 "sh", SOURCE_DIRECTORY, build, place, wrong_figures[_i].edit, wrong_figures[_i].file},
		.timeout_s = 60};
	runner_run(&command, &outcome);
	ck_assert_int_eq(outcome.status, 1);
	ck_assert_msg(strstr(outcome.err, wrong_figures[_i].complaint) != NULL, "%s\n%s", outcome.out, outcome.err);
	assert_says(&outcome, wrong_figures[_i].said_before);
	runner_done(&outcome);
	runner_directory_remove(place);
	free(build);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("demo");
	TCase *tests = tcase_create("demo");
	tcase_set_timeout(tests, 0);
	tcase_add_test(tests, names_each_leak);
	tcase_add_loop_test(tests, fails_when_figures_differ, 0, HOST_CASES(wrong_figures));
	suite_add_tcase(suite, tests);
	return runner_suite(suite);
}
