/*
 * Suppressions against the tools whose they are: what Mudlark generates hides the same leaks in LeakSanitizer and in
 * Valgrind's memcheck, and what memcheck generates hides them in Mudlark. The program loses a block in each of seven
 * functions whose names the tools have to agree on (tests/hosts/suppression_shapes.cc).
 *
 * Two do not: gcc's LeakSanitizer calls each lambda operator(), and memcheck has two frames of its own for
 * posix_memalign() and one for others, where a stack of Mudlark's does not say which it was.
 */
#define _GNU_SOURCE
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char directory[PATH_MAX], path_variable[2 * PATH_MAX], library_variable[PATH_MAX + 32];

/* In a shell with mudlark in PATH, all in one directory. Its status; what it said is in `outcome`. */
static int shell(const char *script, struct outcome *outcome)
{
	struct command command = {.argv = {"sh", "-c", script},
				  .directory = directory,
				  .environment = {path_variable, library_variable,
						  "SHAPES=" SOURCE_DIRECTORY "/tests/hosts/suppression_shapes.cc"},
				  .timeout_s = 60};
	runner_run(&command, outcome);
	return outcome->status;
}

static void expect(int status, const char *script, const char *says)
{
	struct outcome outcome;
	shell(script, &outcome);
	ck_assert_msg(outcome.status == status, "%s: %d, not %d:\n%s\n%s", script, outcome.status, status, outcome.out,
		      outcome.err);
	ck_assert_msg(!says || strstr(outcome.out, says) || strstr(outcome.err, says), "%s does not say '%s':\n%s\n%s",
		      script, says, outcome.out, outcome.err);
	runner_done(&outcome);
}

static bool works(const char *script)
{
	struct outcome outcome;
	int status = shell(script, &outcome);
	runner_done(&outcome);
	return status == 0;
}

static void begin(void)
{
	runner_directory_make(directory);
}

static void end(void)
{
	runner_directory_remove(directory);
}

#define GATE "mudlark gate run --fail-on definite,indirect --warn-on none "
#define COMPILE " -std=c++17 -O1 -g -fno-builtin-malloc $SHAPES "
#define MEMCHECK "valgrind -q --leak-check=full --error-exitcode=9 "

static const struct {
	const char *compiler, *left; /* left: what stays, in LeakSanitizer's words; NULL: nothing */
} sanitizers[] = {
	{"g++", "SUMMARY: LeakSanitizer: 106 byte(s) leaked in 1 allocation(s)."},
	{"clang++", NULL},
};

START_TEST(leak_sanitizer)
{
	char script[512];
	snprintf(script, sizeof script, "%s" COMPILE "-fsanitize=leak -o checked && %s" COMPILE "-o plain",
		 sanitizers[_i].compiler, sanitizers[_i].compiler);
	if (!works(script)) {
		runner_skip("%s with -fsanitize=leak is not installed", sanitizers[_i].compiler);
		return;
	}
	/* It traces its own process, which a container may forbid. */
	if (works("./checked 2>&1 | grep 'LeakSanitizer has encountered a fatal error'")) {
		runner_skip("LeakSanitizer cannot run here");
		return;
	}
	expect(23, "./checked", "SUMMARY: LeakSanitizer: 668 byte(s) leaked in 7 allocation(s).");
	expect(0, GATE "--gen-suppressions lsan -- ./plain > rules; test $(grep -c ^leak: rules) = 7", NULL);
	expect(sanitizers[_i].left ? 23 : 0, "LSAN_OPTIONS=fast_unwind_on_malloc=0:suppressions=rules ./checked",
	       sanitizers[_i].left);
	expect(0, GATE "--suppressions rules -- ./plain", "7 suppressed");
}
END_TEST

static bool has_memcheck(void)
{
	if (!runner_has_program("valgrind")) {
		runner_skip("valgrind is not installed");
		return false;
	}
	struct command command = {.argv = {"valgrind", "true"}};
	struct outcome outcome;
	runner_run(&command, &outcome);
	bool ran = runner_memcheck_ran(&outcome);
	runner_done(&outcome);
	return ran;
}

START_TEST(memcheck_reads_ours)
{
	if (!has_memcheck())
		return;
	expect(0, "g++" COMPILE "-o plain", NULL);
	expect(9, MEMCHECK "./plain", "loss record 7 of 7");
	expect(0, GATE "--gen-suppressions valgrind -- ./plain > rules; test $(grep -c Memcheck:Leak rules) = 7", NULL);
	expect(0,
	       MEMCHECK "--suppressions=rules ./plain 2>said; test $? = 9 -a $(grep -c 'definitely lost' said) = 1 && "
			"grep '104 bytes in 1 blocks are definitely lost' said && grep posix_memalign said",
	       NULL);
	/* With the frame that is missing. */
	expect(0,
	       "sed '/lose_hidden/s/fun:/fun:posix_memalign\\n   &/' rules "
	       ">more; " MEMCHECK "--suppressions=more ./plain",
	       NULL);
	expect(0, GATE "--suppressions rules -- ./plain", "7 suppressed");
}
END_TEST

START_TEST(memcheck_writes_ours)
{
	if (!has_memcheck())
		return;
	expect(0, "g++" COMPILE "-o plain", NULL);
	expect(1, GATE "-- ./plain", "7 failed");
	expect(0,
	       MEMCHECK "--gen-suppressions=all ./plain 2>said; grep -v ^== said >rules; "
			"test $(grep -c Memcheck:Leak rules) = 7",
	       NULL);
	expect(0, GATE "--suppressions rules -- ./plain 2>&1 | tee said; ! grep 'hides nothing' said", "7 suppressed");
}
END_TEST

int main(void)
{
	char build[PATH_MAX];
	snprintf(build, sizeof build, "%s", runner_preload());
	snprintf(library_variable, sizeof library_variable, "MUDLARK_LIBRARY=%s", build);
	*strrchr(build, '/') = '\0';
	snprintf(path_variable, sizeof path_variable, "PATH=%s:%s", build, getenv("PATH"));
	Suite *suite = suite_create("suppression oracles");
	TCase *all = tcase_create("all");
	tcase_add_checked_fixture(all, begin, end);
	tcase_set_timeout(all, 120);
	tcase_add_loop_test(all, leak_sanitizer, 0, (int)(sizeof sanitizers / sizeof *sanitizers));
	tcase_add_test(all, memcheck_reads_ours);
	tcase_add_test(all, memcheck_writes_ours);
	suite_add_tcase(suite, all);
	return runner_suite(suite);
}
