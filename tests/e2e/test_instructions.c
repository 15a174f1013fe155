/*
 * Instructions of the hot paths, counted by callgrind: the same on every machine and under every load, so a change that
 * makes malloc dearer is seen at once. Bounds stand about 15 % above what was measured when they were set.
 *
 * The cost of a pair is the difference of two runs divided by the pairs that one has more: what a process costs at its
 * start is in both. The host's own loop and the calls through its PLT are in it, some ten instructions.
 */
#define _GNU_SOURCE
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FEW = 5000, MORE = 25000 };

static const struct {
	const char *name;
	const char *options;
	int depth;    /* of calls below main; the stack has four frames more: pairs, main and libc's two */
	double bound; /* instructions of a malloc and a free */
} paths[] = {
	{"recording off", "record=0:at_exit=0", 0, 114},      {"sampled", "sample=512K:at_exit=0", 0, 114},
	{"recorded, 6 frames", "at_exit=0:peak=0", 1, 540},   {"recorded, 16 frames", "at_exit=0:peak=0", 11, 580},
	{"recorded, 46 frames", "at_exit=0:peak=0", 41, 760},
};

static double instructions(int index, int pairs)
{
	char host[PATH_MAX], count[16], depth[16];
	snprintf(host, sizeof(host), "%s", runner_host_path("exact_pairs"));
	snprintf(count, sizeof(count), "%d", pairs);
	snprintf(depth, sizeof(depth), "%d", paths[index].depth);
	struct command command = {
		/* Without the synonym valgrind would put its own malloc in the place of ours. */
		.argv = {"/usr/bin/valgrind", "--tool=callgrind", "--soname-synonyms=somalloc=nouserintercepts",
			 "--callgrind-out-file=/dev/null", host, count, depth},
		.preloaded = true,
		.options = paths[index].options,
		.timeout_s = 120,
	};
	struct outcome outcome;
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0, "%s: status %d: %s", runner_name(&command), outcome.status, outcome.err);
	const char *collected = strstr(outcome.err, "Collected : ");
	ck_assert_msg(collected != NULL, "callgrind said: %s", outcome.err);
	double number = strtod(collected + strlen("Collected : "), NULL);
	runner_done(&outcome);
	return number;
}

START_TEST(pair)
{
	if (!runner_expects_snapshots())
		return;
	if (!runner_has_program("valgrind")) {
		runner_skip("valgrind is not installed: instructions are not counted");
		return;
	}
	double each = (instructions(_i, MORE) - instructions(_i, FEW)) / (MORE - FEW);
	printf("instructions of malloc and free, %s: %.0f (bound %.0f)\n", paths[_i].name, each, paths[_i].bound);
	ck_assert_msg(each < paths[_i].bound, "%s: %.0f instructions of malloc and free, the bound is %.0f",
		      paths[_i].name, each, paths[_i].bound);
	ck_assert_msg(each > 20, "%s: %.0f instructions: it does not run under Mudlark", paths[_i].name, each);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("instructions");
	TCase *tests = tcase_create("instructions");
	tcase_set_timeout(tests, 300);
	tcase_add_loop_test(tests, pair, 0, (int)(sizeof(paths) / sizeof(paths[0])));
	suite_add_tcase(suite, tests);
	return runner_suite(suite);
}
