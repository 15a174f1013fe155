/*
 * Names of generated code: from a perf map or a jitdump, as tests/hosts/generated_code.c writes them in each way that a
 * run time, an accident or somebody else may. What is not believed or not read is said.
 */
#include "tests/e2e/lib/leak_verdict.h"
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST "\"function\": \"first\", \"file\": \"/srv/app.js\", \"line\": 12"
#define SECOND "\"function\": \"second of two words\""
#define NOT_READ "were not read: "
#define NO_NAMES "names are not known: have the program's run time write"

static const struct way {
	const char *how;
	const char *named[2]; /* frames of the JSON; NULL: addresses alone */
	const char *said[2];  /* notes of the text; NULL: none */
	bool needs_root;
} ways[] = {
	{"map", {FIRST, SECOND}, {"1 of 2 places in generated code have had several functions"}, false},
	{"broken", {FIRST, SECOND}, {"6 of 10 records of ", "malformed"}, false},
	{"fork", {FIRST, SECOND}, {"1 of 2 places in generated code have had several functions"}, false},
	{"jitdump",
	 {"\"function\": \"first\", \"file\": null", "\"function\": \"second\", \"file\": null"},
	 {NULL},
	 false},
	{"none", {NULL}, {NO_NAMES}, false},
	{"symlink", {NULL}, {NOT_READ "it is not a regular file", NO_NAMES}, false},
	{"fifo", {NULL}, {NOT_READ "it is not a regular file", NO_NAMES}, false},
	{"large", {NULL}, {NOT_READ "it is too large", NO_NAMES}, false},
	{"old", {NULL}, {NOT_READ "it was written before the program began", NO_NAMES}, false},
	{"imposter", {NULL}, {NOT_READ "it is not the file that the program mapped", NO_NAMES}, false},
	{"foreign", {NULL}, {NOT_READ "it belongs to another user", NO_NAMES}, true},
};

static void remove_map(pid_t pid)
{
	char path[64];
	snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)pid);
	unlink(path);
	snprintf(path, sizeof path, "/tmp/perf-%d.map.real", (int)pid);
	unlink(path);
}

/* Shows the process that allocated: of the fork, the child. */
static void show(const char *directory, const char *options, struct outcome *outcome)
{
	char script[3 * PATH_MAX];
	snprintf(script, sizeof script, "cd %s; %s show %s $(ls -v *.mud | tail -1)", directory, tool_path(), options);
	struct command command = {.argv = {"sh", "-c", script}};
	runner_run(&command, outcome);
	ck_assert_msg(outcome->status == 0, "%s%s", outcome->out, outcome->err);
}

static void check_names(const struct way *way, const char *directory)
{
	struct outcome outcome;
	show(directory, "--json", &outcome);
	for (size_t i = 0; i < 2; i++)
		ck_assert_msg(!way->named[i] || strstr(outcome.out, way->named[i]), "%s: no %s in %.3000s", way->how,
			      way->named[i], outcome.out);
	ck_assert_msg(!strstr(outcome.out, "\"of old\"") && !strstr(outcome.out, "cut short"), "%s: %.3000s", way->how,
		      outcome.out);
	ck_assert_msg(way->named[0] || strstr(outcome.out, "\"named\": 0,"), "%s: %.3000s", way->how, outcome.out);
	runner_done(&outcome);
	show(directory, "", &outcome);
	for (size_t i = 0; i < 2; i++)
		ck_assert_msg(!way->said[i] || strstr(outcome.out, way->said[i]), "%s: no '%s' in %.3000s", way->how,
			      way->said[i], outcome.out);
	ck_assert_msg(way->said[0] || !strstr(outcome.out, "generated code h"), "%s: %.3000s", way->how, outcome.out);
	runner_done(&outcome);
}

START_TEST(named)
{
	const struct way *way = &ways[_i];
	char line[64];
	struct outcome outcome;
	if (way->needs_root && getuid() != 0) {
		runner_skip("only root can give a file away");
		return;
	}
	snprintf(line, sizeof line, "generated_code %s", way->how);
	/* In the order of their numbers: the fork's child is the last. */
	struct command command = {.line = line, .preloaded = true, .options = "output=%n.%p.mud"};
	runner_run(&command, &outcome);
	remove_map(outcome.pid);
	ck_assert_msg(outcome.status == 0, "%s: %s", way->how, outcome.err);
	check_names(way, outcome.directory);
	runner_done(&outcome);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("generated");
	TCase *tests = tcase_create("generated");
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, named, 0, sizeof ways / sizeof ways[0]);
	suite_add_tcase(suite, tests);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
