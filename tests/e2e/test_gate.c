/*
 * The gate on real programs: verdicts and exit status, and the recipes of tools/ci, whose own lines are run.
 */
#define _GNU_SOURCE
#include "tests/e2e/lib/gate_shell.h"
#include "tests/e2e/lib/pythons.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The command's child processes are judged, and named; they can be distinguished from others. */
START_TEST(processes_are_judged)
{
	static const char lost[] = "definite leak: 2,304 bytes in 24 blocks in forget_one";
	gate_expect(1, "mudlark gate run -- sh -c '$H/iterates 25 1 40; echo done'",
		    "is never freed; in iterates, pid ");
	gate_expect(1, "mudlark gate run --fail-on definite -- sh -c '$H/iterates 25 1 40; true'", lost);
	gate_expect(1, "mudlark gate run --fail-on definite -- sh -c '(exec $H/iterates 25 1 40) & wait'", lost);
	gate_expect(1,
		    "mudlark gate run --fail-on none --max-live 1K --fail-on live -- sh -c '$H/iterates 25 0 40; true'",
		    "more is live than --max-live 1024; in ");
	gate_expect(
		1,
		"printf 'all:\n\t$(H)/iterates 25 1 40\n' > Makefile; mudlark gate run --program iterates -- make -s",
		"in forget_one");
	/* Of several with the same, the figures of the one that has the most. */
	gate_expect(1,
		    "mudlark gate run --fail-on definite -- sh -c '$H/iterates 10 1 40; $H/iterates 25 1 40; "
		    "$H/iterates 10 "
		    "1 "
		    "40; true' | tee out; status=1; grep -q ', and in 2 other processes' out && exit $status",
		    lost);
	gate_expect(1,
		    "mudlark gate run --fail-on definite -r json -- sh -c '$H/iterates 25 1 40; true' | tr -d '\n' | "
		    "grep -q '\"process\": *\"iterates, pid [0-9]*\", *\"processes\": *1' && exit 1",
		    NULL);
	gate_expect(0, "mudlark gate run --fail-on definite --program 's[h]' -- sh -c '$H/iterates 25 1 40; true'",
		    "gate passed: sh, ");
	gate_expect(4, "mudlark gate run --program nothing -- true", "no process of these programs wrote a snapshot");
	gate_expect(0, "mudlark gate run --fail-on definite --no-children -- sh -c '$H/iterates 25 1 40; true'",
		    "gate passed: sh, ");
	gate_expect(3, "mudlark gate run --fail-on definite -- sh -c '$H/iterates 25 1 40; exit 3'",
		    "the command itself ended with status 3");
	/* What a shell had before it became another program is no run without a search. */
	gate_expect(0,
		    "mudlark gate run --fail-on definite --every 0.02 -- sh -c 'sleep 0.2; exec $H/iterates 25 0 40'",
		    "gate passed: iterates, ");
	/* Ended by its parent, as servers are: what it lost is not known. */
#define KILLED "--fail-on definite --every 0.02 -- sh -c 'sleep 30 & sleep 0.3; kill $!; wait $!; true'"
	gate_expect(4, "mudlark gate run " KILLED, "not examined: sleep, ");
	gate_expect(0, "mudlark gate run --allow-unexamined " KILLED, "gate passed: sh, ");
	/* Former runs' snapshots are not judged again. */
	gate_expect(0,
		    "mudlark gate run --keep k -- sh -c '$H/iterates 25 1 40; true' >/dev/null; "
		    "mudlark gate run --keep k --fail-on definite -- sh -c '$H/iterates 25 0 40; true'",
		    "gate passed: sh, ");
}
END_TEST

/* Growth alone, of a program whose leaks are definite as well. */
#define GROWTH "mudlark gate run --fail-on growth --warn-on saturating "

START_TEST(one_block_an_iteration_fails)
{
	gate_expect(1, "mudlark gate run -- $H/iterates 25 1 40",
		    "growth: about 96 bytes in 1 block per iteration in forget_one");
	gate_expect(0, "mudlark gate run -- $H/iterates 25 0 40", "gate passed");
	gate_expect(0, "mudlark gate run --complete -- $H/iterates 25 0 200", "gate passed");
	gate_expect(0, GROWTH "--max-growth 200 -- $H/iterates 25 1 40", "it may be no more than --max-growth");
	gate_expect(1, "mudlark gate run --max-live 1K -- $H/iterates 25 0 40", "more is live than --max-live 1024");
}
END_TEST

/* What lives at the end says nothing of how a program grew: it is no step of the series. */
START_TEST(the_end_is_no_step_of_growth)
{
	gate_expect(1,
		    "mudlark gate run --keep k --every .1 -- $H/tidy_server 400 > out; s=$?; cat out; "
		    "grep -q 'growth: about .* per snapshot in request' out && "
		    "mudlark growth k/*.mud | grep -q 'growing 1,' && "
		    "mudlark growth --series all k/*.mud | grep -q 'growing 0,' && exit $s",
		    " snapshots by interval; not of the series: 1 at the end");
	gate_expect(1, "mudlark gate run --every .1 --report json -- $H/tidy_server 400",
		    "\"kind\": \"interval\", \"found\": ");
}
END_TEST

/* However many snapshots a process leaves, the one at its end is judged. */
START_TEST(no_number_of_snapshots_hides_the_end)
{
	static const char *const every[] = {"0.2", "0.01", "0.002"};
	for (size_t i = 0; i < sizeof every / sizeof *every; i++) {
		char script[256];
		snprintf(script, sizeof script,
			 "mudlark gate run --every %s --max-live 1M --fail-on live -- $H/large_at_the_end 3", every[i]);
		gate_expect(1, script, "5,000,000 bytes live in 50 blocks in the whole process");
	}
}
END_TEST

/* A timer that is due while the last snapshot is written must not have the last word. */
START_TEST(a_short_interval_does_not_outlive_the_end)
{
	static const char program[] = "import time\nfor i in range(20): [dict(a=i) for i in range(300)]; "
				      "time.sleep(.002)\n";
	const struct python_found *found;
	if (!pythons_supported(&found)) {
		runner_skip("the end of a Python program: no interpreter is installed");
		return;
	}
	char script[2 * PATH_MAX];
	snprintf(script, sizeof script,
		 "printf '%s' > p.py; for i in 1 2 3 4 5 6; do "
		 "mudlark gate run --every 0.002 --fail-on definite --warn-on none -- '%s' -S p.py || exit; done",
		 program, found->path);
	gate_expect(0, script, "gate passed");
}
END_TEST

START_TEST(what_there_was_of_a_series_is_said)
{
	gate_expect(0, "mudlark gate run -- sleep 0.1",
		    "growth cannot be judged: the program marks no iterations, and --every was not given");
	gate_expect(0, "mudlark gate run --every 60 -- sleep 0.1",
		    "growth cannot be judged: no process lived long enough for a snapshot by --every");
	gate_expect(0, "mudlark gate run --every 0.1 -- sleep 0.5", " by interval: at least 12 are required");
	gate_expect(0, "mudlark gate run --every 0.1 -- sleep 0.5", "gate passed, growth not judged: sleep, ");
	gate_expect(0, "mudlark gate run --every 60 -r markdown -- sleep 0.1",
		    "Memory gate passed, growth not judged: sleep");
	gate_expect(0, "mudlark gate run --every 60 -r junit -- sleep 0.1",
		    "<skipped message=\"growth cannot be judged");
	gate_expect(4, "mudlark gate run --complete --every 0.1 -- sleep 0.5", "gate INCOMPLETE");
	/* A verdict on one process is none on another. */
	gate_expect(0, "mudlark gate run --every 0.05 -- sh -c 'sleep 0.1; sleep 3'",
		    "growth not judged in 1 of 3 processes");
	gate_expect(2, "mudlark run -q -o n.%n.mud --every 0.1 sleep 0.5; mudlark growth --series request n.*.mud",
		    "growth needs at least 3 snapshots of one kind; there are 0 snapshots on request; "
		    "not of the series: ");
	gate_expect(3, "mudlark run -q -o a.mud true; mudlark run -q -o b.mud true; mudlark gate a.mud b.mud",
		    "are of two processes");
}
END_TEST

START_TEST(status_tells_what_happened)
{
	/* The command's own failure is never hidden, also by a finding. */
	gate_expect(7, "mudlark gate run -- $H/iterates 25 1 40 7", "the command itself ended with status 7");
	gate_expect(143, "mudlark gate run -- sh -c 'kill $$'", NULL);
	gate_expect(127, "mudlark gate run -- ./not-there", NULL);
	/* Too short a run is no verdict: complaint on request only. */
	gate_expect(0, GROWTH "-- $H/iterates 10 1 40", "incomplete: ");
	gate_expect(4, "mudlark gate run --complete -- $H/iterates 10 1 40", "gate INCOMPLETE");
	gate_expect(4, "mudlark gate run --complete -- true", NULL);
	/* Of growth nothing is said that nobody asked for; a limit is asked for by its name. */
	gate_expect(1,
		    "mudlark gate run --complete --fail-on definite -- $H/iterates 10 1 40 > out; status=$?; cat out; "
		    "! grep -q -e growth -e incomplete out && exit $status",
		    "gate FAILED");
	gate_expect(
		0, "mudlark gate run --complete --fail-on definite -- $H/iterates 25 0 40 | tee out; ! grep growth out",
		"gate passed");
	gate_expect(1, "mudlark gate run --fail-on definite --max-live 1K -- $H/iterates 25 0 40",
		    "more is live than --max-live 1024");
	gate_expect(1, "mudlark gate run --fail-on definite --max-growth 1 -- $H/iterates 25 1 40",
		    "growth: about 96 bytes");
	gate_expect(2, "mudlark gate --fail-on odd x.mud", "there is no kind of finding 'odd'");
	gate_expect(2, "mudlark gate", "name the snapshots");
	gate_expect(2, "mudlark gate --keep d x.mud", "are for gate run");
	gate_expect(2, "echo laek:x > s; mudlark gate --suppressions s x.mud", "s:1: unknown kind of suppression");
	gate_expect(3, "mudlark gate not-there.mud", "cannot open it");
	gate_expect(3, "echo x > b; mudlark gate --baseline b x.mud", "b:1: ");
}
END_TEST

/* Whatever its memory, a command that failed has not passed, in any report. */
START_TEST(a_command_that_fails_has_not_passed)
{
	static const struct {
		const char *report, *says;
	} reports[] = {
		{"text", "gate FAILED: sh, pid "},
		{"markdown", "### Memory gate failed: sh"},
		{"json", "\"passed\": false"},
		{"junit", "<failure message=\"the command ended with status 3\""},
		{"sarif", "the command ended with status 3"},
		{"github", "::notice title=memory gate::the command ended with status 3"},
	};
	for (size_t i = 0; i < sizeof reports / sizeof *reports; i++) {
		char script[256];
		snprintf(script, sizeof script,
			 "mudlark gate run --report %s -- sh -c 'sleep 0; exit 3' > out; s=$?; cat out; "
			 "! grep -q passed: out && exit $s",
			 reports[i].report);
		gate_expect(3, script, reports[i].says);
	}
	gate_expect(1, "mudlark gate run -- false", "the command ended with status 1; memory: 0 failed");
	gate_expect(137, "mudlark gate run -- sh -c 'sleep 0; exit 137'",
		    "the command ended with status 137, as after signal 9 (KILL)");
}
END_TEST

/* Nothing writes a snapshot at SIGKILL, nor at real-time signals, nor where none is wanted. */
START_TEST(advice_fits_the_signal)
{
	gate_expect(137, "mudlark run sh -c 'kill -9 $$' 2>err; s=$?; cat err; ! grep -q fatal err && exit $s",
		    "signal 9 (KILL) ended it, which no program can catch");
	gate_expect(172, "mudlark run sh -c 'kill -44 $$' 2>err; s=$?; cat err; ! grep -q fatal err && exit $s",
		    "signal 44 (?) ended it: with --every SECONDS");
	gate_expect(143, "mudlark run --fatal 0 sh -c 'kill $$'", "signal 15 (TERM) ended it, and --fatal is 0");
	gate_expect(143, "mudlark run sh -c 'kill $$'", "live in its last snapshot");
}
END_TEST

START_TEST(no_directory_is_left)
{
	gate_expect(0,
		    "mkdir t; TMPDIR=$PWD/t mudlark gate run -- $H/iterates "
		    "25; "
		    "test -z \"$(ls t)\"",
		    NULL);
	gate_expect(
		0,
		"mudlark gate run --keep k -- $H/iterates 25 && mudlark gate k/*.mud && mudlark growth --json k/*.mud",
		"mudlark.growth/1");
}
END_TEST

START_TEST(baseline_round_trip)
{
	gate_expect(0,
		    GROWTH "--write-baseline b -- $H/iterates 25 1 40 && grep -q '^[0-9a-f/]* growth 1 96 .* # "
			   "forget_one < main$' b && " GROWTH "--baseline b -- $H/iterates 25 1 40",
		    "1 known");
	gate_expect(1,
		    GROWTH "--write-baseline b -- $H/iterates 25 1 40 >/dev/null; " GROWTH "--baseline b "
			   "-- "
			   "$H/iterates 25 3 40",
		    "more than the baseline has: 1 blocks and 96 bytes");
	gate_expect(0,
		    GROWTH "--write-baseline b -- $H/iterates 25 1 40 >/dev/null; " GROWTH "--prune "
			   "--baseline b "
			   "-- $H/iterates 25 0 40; test $(grep -vc '^#' b) = 0",
		    "stale: ");
}
END_TEST

/* With debug information functions are known that were inlined, and a symbol table has none of them. */
START_TEST(a_program_and_its_stripped_twin_have_the_same_findings)
{
#define LOST "mudlark gate run --fail-on definite --warn-on none "
#define BUILD                                                                                                          \
	"set -e; d=" SOURCE_DIRECTORY "; gcc -g -O2 -I$d/preload/interface -o full $d/tests/e2e/owner/twins.c; "       \
	"strip -g -o bare full; for f in full bare; do cp $f other; mv other twin; "
	/* One function's name in both, and growth's. */
	gate_expect(
		0,
		BUILD
		"mudlark run -q --marks 20 -o $f.%n.mud ./twin 1 0; mudlark growth $f.*.mud >$f.text; "
		"grep -q handle $f.text; mudlark show --no-config --by function $f.21.mud | sed '1,/^$/d' >$f.rows; "
		"done; cmp full.rows bare.rows && cat full.rows >&2",
		"handle (twin)");
	/* A baseline of either knows the findings of both; what is more than it has fails with both. */
	gate_expect(0,
		    BUILD "for kind in growth definite; do "
			  "  g=\"mudlark gate run --fail-on $kind --warn-on none\"; rm -f b; "
			  "  $g --write-baseline b -- ./twin 1 2 >out; "
			  "  for now in full bare; do cp $now other; mv other twin; "
			  "    $g --baseline b -- ./twin 1 2 >out || { cat b out; exit 9; }; grep -q ' known' out; "
			  "    set +e; $g --baseline b -- ./twin 2 2 >out; is=$?; set -e; "
			  "    test $is = 1 || { cat b out; exit 9; }; "
			  "  done; cp $f other; mv other twin; "
			  "done; done; echo agreed >&2",
		    "agreed");
	/* Two leaks that were inlined into one function are two, as long as that can be seen. */
	gate_expect(1,
		    BUILD "done; cp full twin; " LOST "--write-baseline b -- ./twin 1 0 >out; " LOST
			  "--baseline b -- ./twin 0 1",
		    "fail: definite leak");
#undef LOST
#undef BUILD
}
END_TEST

START_TEST(suppressions_of_both_tools)
{
	static const char *const styles[] = {"lsan", "valgrind"};
	for (size_t i = 0; i < 2; i++) {
		char script[512];
		snprintf(script, sizeof script,
			 GROWTH "--gen-suppressions %s -- $H/iterates 25 1 40 > s; cat s >&2; " GROWTH
				"--suppressions s -- $H/iterates 25 1 40",
			 styles[i]);
		gate_expect(0, script, "1 suppressed");
	}
	gate_expect(1, "echo leak:nowhere > s; mudlark gate run --suppressions s -- $H/iterates 25 1 40",
		    "s:1: the suppression 'nowhere' hides nothing");
	gate_expect(0, "mudlark gate --list-builtin", "leak:*tls_get_addr*");
}
END_TEST

START_TEST(what_is_lost_is_judged)
{
	static const char lost[] = "mudlark gate run --fail-on definite --warn-on none ";
	char script[512];
	snprintf(script, sizeof script, "%s -- $H/iterates 10 1 40", lost);
	gate_expect(1, script, "fail: definite leak: 864 bytes in 9 blocks in forget_one");
	snprintf(script, sizeof script, "%s -- $H/iterates 10 0 40", lost);
	gate_expect(0, script, "gate passed");
	snprintf(script, sizeof script, "echo leak:forget_one >s; %s --suppressions s -- $H/iterates 10 1 40", lost);
	gate_expect(0, script, "1 suppressed");
	snprintf(script, sizeof script,
		 "%s --write-baseline b -- $H/iterates 10 1 40; %s --baseline b -- $H/iterates 10 1 40", lost, lost);
	gate_expect(0, script, "1 known");
	/* Without a search there is nothing to pass, unless nobody asked for one. */
	gate_expect(4, "mudlark run -q -o n.mud $H/iterates 10 1 40; mudlark gate --fail-on definite n.mud",
		    "no search for leaks was made");
	gate_expect(0, "mudlark run -q -o n.mud $H/iterates 10 1 40; mudlark gate n.mud", "gate passed");
	/* The command's own status is never the search's. */
	snprintf(script, sizeof script, "%s -- $H/iterates 10 1 40 7", lost);
	gate_expect(7, script, "definite leak");
}
END_TEST

/* A series for the gate, without the gate: 14 of 20 iterations, and one at the end. */
START_TEST(run_writes_at_marks)
{
	gate_expect(1,
		    "mudlark run -q --marks 14 --warmup 3 -o m.%n.mud $H/iterates 20 1 40; test -e m.15.mud -a ! -e "
		    "m.16.mud && "
		    "mudlark gate --fail-on growth m.?.mud m.1[0-4].mud",
		    "growth: about 96 bytes in 1 block per iteration in forget_one");
	gate_expect(2, "mudlark run --marks many true", "run: --marks requires 0 to 1000000000 iterations, got 'many'");
	gate_expect(2, "mudlark run --warmup 1000000001 true", "run: --warmup requires");
}
END_TEST

START_TEST(two_runs_are_compared)
{
	gate_expect(1,
		    "mudlark run -q -o a.mud $H/iterates 25 1 40; mudlark run -q -o b.mud $H/iterates 25 9 40; "
		    "mudlark gate diff a.mud b.mud",
		    "increase: ");
	gate_expect(0,
		    "mudlark run -q -o a.mud $H/iterates 25 1 40; mudlark run -q -o b.mud $H/iterates 25 1 40; "
		    "mudlark gate diff a.mud b.mud",
		    "gate passed");
}
END_TEST

/* --- tools/ci -------------------------------------------------------------------------------------------------- */

/* A project as the examples suppose it: `make my-test` makes a test program, which leaks or does not. */
static void make_project(char directory[PATH_MAX], bool leaks)
{
	char path[PATH_MAX + 32];
	runner_directory_make(directory);
	snprintf(path, sizeof path, "%s/Makefile", directory);
	FILE *file = fopen(path, "we");
	fprintf(file, "my-test:\n\tprintf '#!/bin/sh\\nexec %s/iterates 25 %d 40\\n' > $@; chmod +x $@\n",
		HOSTS_DIRECTORY, leaks);
	fclose(file);
	snprintf(path, sizeof path, "%s/memory-baseline.txt", directory);
	file = fopen(path, "we");
	fputs("# mudlark baseline 1\n", file);
	fclose(file);
}

/*
 * The lines of an example that a runner gives to a shell: blocks of "run: |" (GitHub) and the items of "script:"
 * (GitLab), with `set -e` in front, as both have it.
 */
static char *script_of(const char *name)
{
	char path[PATH_MAX], line[1024], *script;
	size_t size, indent = 0;
	bool in_run = false, in_script = false;
	snprintf(path, sizeof path, "%s/tools/ci/%s", SOURCE_DIRECTORY, name);
	FILE *file = fopen(path, "re"), *out = open_memstream(&script, &size);
	ck_assert_ptr_nonnull(file);
	fputs("set -e\n", out);
	while (fgets(line, sizeof line, file)) {
		size_t spaces = strspn(line, " ");
		if (spaces <= indent)
			in_run = in_script = false;
		if (in_run)
			fputs(line + spaces, out);
		else if (in_script && !strncmp(line + spaces, "- ", 2))
			fputs(line + spaces + 2, out);
		else if (!strcmp(line + spaces, "run: |\n") || !strcmp(line + spaces, "script:\n")) {
			in_run = line[spaces] == 'r';
			in_script = !in_run;
			indent = spaces;
		}
	}
	fclose(file);
	fclose(out);
	return script;
}

static void run_example(const char *name, const char *check, const char *failed_check)
{
	for (int leaks = 0; leaks < 2; leaks++) {
		char directory[PATH_MAX];
		struct outcome outcome;
		char *script = script_of(name);
		ck_assert_ptr_nonnull(strstr(script, "mudlark gate run"));
		make_project(directory, leaks);
		char *whole;
		ck_assert_int_gt(
			asprintf(&whole, "GITHUB_STEP_SUMMARY=summary.md; export GITHUB_STEP_SUMMARY\n%s", script), 0);
		int status = gate_shell(directory, whole, &outcome);
		ck_assert_msg(status == leaks, "%s: %d\n%s\n%s", name, status, outcome.out, outcome.err);
		runner_done(&outcome);
		status = gate_shell(directory, leaks ? failed_check : check, &outcome);
		ck_assert_msg(!status, "%s: its files are not as they should be: %s\n%s", name, outcome.out,
			      outcome.err);
		runner_done(&outcome);
		runner_directory_remove(directory);
		free(script);
		free(whole);
	}
}

START_TEST(github_example)
{
	run_example("github-actions.yml",
		    "grep -q 'Memory gate passed' summary.md && python3 -m json.tool memory.sarif",
		    "grep -q 'Memory gate failed' summary.md && grep -q forget_one memory.sarif");
}
END_TEST

START_TEST(gitlab_example)
{
	run_example("gitlab-ci.yml",
		    "python3 -m json.tool memory-quality.json && grep -q 'failures=\"0\"' memory-junit.xml",
		    "grep -q '\"severity\": \"major\"' memory-quality.json && grep -q '<failure' memory-junit.xml");
}
END_TEST

START_TEST(pytest_recipe)
{
	struct outcome outcome;
	if (gate_shell(NULL, "python3 -c 'import pytest'", &outcome)) {
		runner_skip("the pytest recipe: python3 has no pytest");
		runner_done(&outcome);
		return;
	}
	runner_done(&outcome);
	gate_expect(0,
		    "cp $R/tools/ci/pytest/*.py .; mudlark gate run -- python3 -m pytest -q -p no:cacheprovider "
		    "test_memory.py::test_steady",
		    "gate passed");
	gate_expect(1,
		    "cp $R/tools/ci/pytest/*.py .; mudlark gate run -- python3 -m pytest -q -p no:cacheprovider "
		    "test_memory.py::test_keeps",
		    "in test_keeps");
	/* Without Mudlark they are ordinary tests. */
	gate_expect(0, "cp $R/tools/ci/pytest/*.py .; python3 -m pytest -q -p no:cacheprovider test_memory.py",
		    "2 passed");
}
END_TEST

START_TEST(ctest_recipe)
{
	if (!runner_has_program("cmake")) {
		runner_skip("the CTest recipe: cmake is not installed");
		return;
	}
	gate_expect(0,
		    "cmake -S $R/tools/ci/ctest -B b >log 2>&1 && cmake --build b >>log 2>&1 && ctest --test-dir b || "
		    "{ cat log; exit 1; }",
		    "100% tests passed");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("gate");
	TCase *all = tcase_create("all");
	tcase_set_timeout(all, 120);
	tcase_add_test(all, one_block_an_iteration_fails);
	tcase_add_test(all, processes_are_judged);
	tcase_add_test(all, the_end_is_no_step_of_growth);
	tcase_add_test(all, no_number_of_snapshots_hides_the_end);
	tcase_add_test(all, a_short_interval_does_not_outlive_the_end);
	tcase_add_test(all, what_there_was_of_a_series_is_said);
	tcase_add_test(all, status_tells_what_happened);
	tcase_add_test(all, a_command_that_fails_has_not_passed);
	tcase_add_test(all, advice_fits_the_signal);
	tcase_add_test(all, no_directory_is_left);
	tcase_add_test(all, baseline_round_trip);
	tcase_add_test(all, a_program_and_its_stripped_twin_have_the_same_findings);
	tcase_add_test(all, suppressions_of_both_tools);
	tcase_add_test(all, what_is_lost_is_judged);
	tcase_add_test(all, run_writes_at_marks);
	tcase_add_test(all, two_runs_are_compared);
	tcase_add_test(all, github_example);
	tcase_add_test(all, gitlab_example);
	tcase_add_test(all, pytest_recipe);
	tcase_add_test(all, ctest_recipe);
	suite_add_tcase(suite, all);
	return runner_suite(suite);
}
