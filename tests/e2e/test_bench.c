/*
 * The benchmark's harness on one small workload: what it writes is whole and well-formed, and what cannot be measured
 * is named while the rest goes on. No time is asserted.
 */
#define _GNU_SOURCE
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>

#define BENCH SOURCE_DIRECTORY "/tools/bench/bench.py"
#define README SOURCE_DIRECTORY "/tools/bench/readme.py"

static char directory[PATH_MAX];

static void set_up(void)
{
	runner_directory_make(directory);
}

static void tear_down(void)
{
	runner_directory_remove(directory);
}

/* Runs it in the test's directory; its standard output is `out` when that is not null. */
static void succeeds(struct command *command, const char *expected)
{
	struct outcome outcome;
	command->directory = directory;
	command->timeout_s = 120;
	runner_run(command, &outcome);
	ck_assert_msg(outcome.status == 0, "%s: status %d: %s%s", runner_name(command), outcome.status, outcome.out,
		      outcome.err);
	if (expected != NULL)
		ck_assert_msg(strstr(outcome.out, expected) != NULL, "%s: no \"%s\" in: %s", runner_name(command),
			      expected, outcome.out);
	runner_done(&outcome);
}

static void measure(const char *modes, const char *expected)
{
	char build[PATH_MAX] = PRELOAD_PATH;
	struct command command = {
		.argv = {"/usr/bin/python3", "-B", BENCH, "--build", dirname(build), "--output", "out", "--library",
			 PRELOAD_PATH, "--workloads", "deep_stacks", "--modes", modes, "--rounds", "1", "--percent",
			 "1", "--no-probes"},
	};
	succeeds(&command, expected);
}

static void python(const char *text, const char *expected)
{
	struct command command = {.argv = {"/usr/bin/python3", "-c", text}};
	succeeds(&command, expected);
}

START_TEST(results_are_well_formed)
{
	measure("glibc,jemalloc,mudlark off,mudlark full", "| call tree 36 deep |");
	python("import json\n"
	       "r = json.load(open('out/results.json'))\n"
	       "main = r['workloads']['deep_stacks']['main']\n"
	       "assert all(main[m]['runs'] == 1 and main[m]['rss']['median'] > 0 for m in r['modes'])\n"
	       "assert main['mudlark full']['to']['glibc']['rss']['median'] > 0\n"
	       "assert main['mudlark full']['written']['median'] > 0\n"
	       "assert 'mudlark off' in r['modes'] and r['unavailable'] == []\n"
	       "print('whole')",
	       "whole");
	python("import xml.etree.ElementTree as tree\n"
	       "svg = tree.parse('out/results.svg').getroot()\n"
	       "kinds = [e.tag.split('}')[1] for e in svg.iter()]\n"
	       "assert kinds[0] == 'svg' and kinds.count('circle') >= 4, kinds\n"
	       "print('well-formed')",
	       "well-formed");
}
END_TEST

START_TEST(readme_takes_them)
{
	measure("glibc,jemalloc,mudlark off,mudlark full", NULL);
	python("open('README', 'w').write('before\\n<!-- bench: begin (make bench-readme) -->\\nold\\n"
	       "<!-- bench: end -->\\nafter\\n')",
	       NULL);
	struct command command = {.argv = {"/usr/bin/python3", "-B", README, "out", "README", "kept"}};
	succeeds(&command, NULL);
	succeeds(&command, NULL);
	python("t = open('README').read()\n"
	       "assert t.startswith('before\\n') and t.endswith('after\\n') and 'old' not in t\n"
	       "assert t.count('kept/results.svg') == 1 and open('kept/results.svg').read()\n"
	       "print('taken')",
	       "taken");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("bench");
	TCase *tests = tcase_create("bench");
	tcase_set_timeout(tests, 180);
	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, results_are_well_formed);
	tcase_add_test(tests, readme_takes_them);
	suite_add_tcase(suite, tests);
	return runner_suite(suite);
}
