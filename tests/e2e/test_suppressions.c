/*
 * Leaks that are known: what hides them, who decides on the rest, and with which exit status.
 */
#include "tests/e2e/lib/gate_shell.h"

#include <check.h>
#include <stdio.h>

/* Files that the cases use. */
#define FILES                                                                                                          \
	"printf 'leak:lose_alone\\n' >alone; printf 'leak:lose_pairs\\n' >pairs; printf 'leak:elsewhere\\n' >unused; " \
	"printf '{\\nname\\nMemcheck:Leak\\nfun:*alloc\\nfun:lose_alone\\n...\\n}\\n' >valgrind; "
#define RUN FILES "mudlark run --leaks -o a.mud "

START_TEST(run_judges_what_is_left)
{
	gate_expect(23, RUN "-- $H/knows_its_leaks", "940 bytes in 13 blocks");
	gate_expect(23, RUN "-- $H/knows_its_leaks", "and with them 320 bytes in 10 blocks");
	gate_expect(23, RUN "-- $H/knows_its_leaks", "lose_pairs");
	gate_expect(23, RUN "-- $H/knows_its_leaks", "next: mudlark leaks a.mud");
	gate_expect(23, RUN "--suppressions pairs -- $H/knows_its_leaks", "pid");
	gate_expect(23, RUN "--suppressions pairs -- $H/knows_its_leaks", "300 bytes in 3 blocks: lose_alone");
	gate_expect(23, RUN "--suppressions pairs -- $H/knows_its_leaks", "next: mudlark leaks --suppressions pairs a");
	gate_expect(23, RUN "--suppressions valgrind -- $H/knows_its_leaks", "640 bytes in 10 blocks: lose_pairs");
	gate_expect(0, RUN "--suppressions pairs --suppressions valgrind -- $H/knows_its_leaks",
		    "nothing was lost except what suppressions hide");
	gate_expect(0, RUN "--suppressions pairs --suppressions alone -- $H/knows_its_leaks",
		    "suppressed: 640 bytes in 10 blocks by pairs:1 (lose_pairs)");
}
END_TEST

START_TEST(programs_say_themselves)
{
	gate_expect(23, RUN "-- $H/knows_its_leaks leak:lose_pairs",
		    "suppressed: 640 bytes in 10 blocks by __lsan_default_suppressions():1 (lose_pairs)");
	gate_expect(0, RUN "--suppressions alone -- $H/knows_its_leaks leak:lose_pairs", "nothing was lost except");
	gate_expect(0, RUN "-q -- $H/knows_its_leaks 'leak:lose_'; mudlark leaks --judge a.mud",
		    "suppressed  940 bytes in 13 blocks, and 320 bytes in 10 blocks that leaked with them");
	gate_expect(0, RUN "-q -- $H/knows_its_leaks 'leak:lose_'; mudlark gate --fail-on definite,indirect a.mud",
		    "gate passed");
	/* Its malformed rules are reported, and hide nothing. */
	gate_expect(23, RUN "-- $H/knows_its_leaks nonsense", "__lsan_default_suppressions():1");
	/* Names that were looked up once are as good. */
	gate_expect(0,
		    RUN "-q -- $H/knows_its_leaks 'leak:lose_'; mudlark symbolize a.mud -o b.mud && "
			"mudlark leaks --judge b.mud",
		    "suppressed  940 bytes");
}
END_TEST

START_TEST(environment_is_heard)
{
	gate_expect(23, FILES "LSAN_OPTIONS=suppressions=pairs mudlark run --leaks -o a.mud -- $H/knows_its_leaks",
		    "300 bytes in 3 blocks: lose_alone");
	/* Beside the program, as there. */
	gate_expect(0,
		    FILES "cp $H/knows_its_leaks .; cat pairs alone >known; mkdir d; cd d; LSAN_OPTIONS='verbosity=0,"
			  "suppressions=\"known\"' mudlark run --leaks -o a.mud -- ../knows_its_leaks",
		    "suppressed: 300 bytes in 3 blocks by ../known:2 (lose_alone)");
	gate_expect(0,
		    FILES "MUDLARK_OPTIONS=suppressions=pairs,alone mudlark run --leaks -o a.mud -- $H/knows_its_leaks",
		    "by alone:1");
	gate_expect(0,
		    FILES
		    "LSAN_OPTIONS=suppressions=pairs,print_suppressions=0 mudlark run --leaks --suppressions alone "
		    "-o a.mud -- $H/knows_its_leaks 2>&1 | tee log; ! grep suppressed: log",
		    NULL);
	gate_expect(5, "LSAN_OPTIONS=exitcode=9 mudlark run --leaks --exitcode 5 -o a.mud -- $H/knows_its_leaks",
		    "lost by");
	gate_expect(9, "LSAN_OPTIONS=exitcode=9 mudlark run --leaks -o a.mud -- $H/knows_its_leaks", "lost by");
	gate_expect(0, "LSAN_OPTIONS=detect_leaks=0 mudlark run --leaks -o a.mud -- $H/knows_its_leaks",
		    "no search for leaks was wanted");
	gate_expect(0, "mudlark run --leaks --exitcode 0 -o a.mud -- $H/knows_its_leaks", "lost by");
}
END_TEST

/* A program alone cannot tell what a name hides: it keeps its status, and the reader of its snapshot decides. */
START_TEST(preload_alone_leaves_the_status)
{
	static const char preload[] = FILES "export LD_PRELOAD=$MUDLARK_LIBRARY; ";
	char script[2048];
	snprintf(script, sizeof script, "%s MUDLARK_OPTIONS=leaks=1 $H/knows_its_leaks", preload);
	gate_expect(23, script, NULL);
	snprintf(script, sizeof script, "%s MUDLARK_OPTIONS=leaks=1 $H/knows_its_leaks leak:lose_alone", preload);
	gate_expect(0, script, NULL);
	snprintf(script, sizeof script, "%s MUDLARK_OPTIONS=leaks=1:suppressions=alone $H/knows_its_leaks", preload);
	gate_expect(0, script, NULL);
	snprintf(script, sizeof script,
		 "%s LSAN_OPTIONS=suppressions=alone MUDLARK_OPTIONS=leaks=1:output=a.mud $H/knows_its_leaks && "
		 "LD_PRELOAD= mudlark leaks --judge --suppressions alone a.mud",
		 preload);
	gate_expect(1, script, "640 bytes in 10 blocks: nothing points to them");
}
END_TEST

/* __lsan_do_leak_check() ends a program that leaks, unless something may hide what it lost. */
START_TEST(checks_on_request)
{
	gate_expect(23, RUN "-- $H/knows_its_leaks '' check >out; s=$?; test -s out && s=99; exit $s", "lost by");
	gate_expect(23, RUN "-- $H/knows_its_leaks leak:lose_pairs check", "alive");
	gate_expect(0, RUN "-- $H/knows_its_leaks leak:lose_ check", "alive");
	gate_expect(0, RUN "-- $H/knows_its_leaks '' clean", "alive");
	/* Without the search at the end it is made all the same. */
	gate_expect(23, FILES "LSAN_OPTIONS=leak_check_at_exit=0 mudlark run --leaks -- $H/knows_its_leaks '' check",
		    "lost by");
}
END_TEST

/* It is for what was there then. */
START_TEST(search_before_the_end_is_not_enough)
{
	gate_expect(4, "mudlark run --leaks -- $H/searched_too_early", "at its end: what it lost is not known");
	gate_expect(4, "mudlark run --leaks --at_exit 0 -- $H/knows_its_leaks", "what it lost is not known");
	gate_expect(4, "mudlark gate run --fail-on definite -- $H/searched_too_early", "at the end");
	gate_expect(4, "mudlark gate run --no-children --fail-on definite -- $H/searched_too_early", "at the end");
	gate_expect(0, "mudlark run --leaks --exitcode 0 -- $H/searched_too_early", NULL);
}
END_TEST

START_TEST(whoever_lost_it_fails_the_run)
{
	gate_expect(23, FILES "mudlark run --leaks -- sh -c '$H/knows_its_leaks; true'", "lost by knows_its_leaks");
	gate_expect(0,
		    FILES "mudlark run --leaks --suppressions alone --suppressions pairs -- sh -c '$H/knows_its_leaks'",
		    "nothing was lost except");
	/* The children keep their own status: the run alone is judged. */
	gate_expect(23, "mudlark run --leaks -- sh -c '$H/knows_its_leaks && echo went on'", "went on");
	gate_expect(5, "mudlark run --leaks -- sh -c '$H/knows_its_leaks; exit 5'", "lost by knows_its_leaks");
	gate_expect(4, "mudlark run --leaks -o /tmp/not/there/%p/%n -- $H/knows_its_leaks", "is not known");
}
END_TEST

#define GATE FILES "mudlark gate run --fail-on definite,indirect "

START_TEST(gates_of_runs_know_them)
{
	gate_expect(1, GATE "-- $H/knows_its_leaks", "3 failed");
	gate_expect(1, GATE "-- $H/knows_its_leaks leak:lose_pairs", "lose_alone");
	gate_expect(0, GATE "--suppressions alone -- $H/knows_its_leaks leak:lose_pairs", "gate passed");
	gate_expect(0,
		    FILES "cat pairs alone >known; LSAN_OPTIONS=suppressions=known mudlark gate run --fail-on "
			  "definite,indirect -- $H/knows_its_leaks",
		    "gate passed");
	gate_expect(1, GATE "-- sh -c '$H/knows_its_leaks leak:lose_pairs; $H/knows_its_leaks leak:lose_pairs'",
		    "lose_alone");
	gate_expect(0, GATE "-- $H/knows_its_leaks '' clean", "gate passed");
	/* A check on request does not end the program, as with exitcode=0: the gate decides. */
	gate_expect(1, GATE "-- $H/knows_its_leaks '' check", "alive");
	/* Nor does what LeakSanitizer's users have set, which would be taken for the command's own failure. */
	gate_expect(0,
		    FILES "LSAN_OPTIONS=exitcode=9 mudlark gate run --fail-on definite,indirect --suppressions alone "
			  "--suppressions pairs -- $H/knows_its_leaks",
		    "gate passed");
}
END_TEST

START_TEST(mistakes_are_told_before_the_start)
{
	gate_expect(2, FILES "mudlark run --suppressions pairs -- true", "add --leaks");
	gate_expect(3, "mudlark run --leaks --suppressions none -- touch made; s=$?; test -e made && s=99; exit $s",
		    "none");
	gate_expect(2,
		    "echo 'leek:x' >bad; mudlark run --leaks --suppressions bad -- touch made; s=$?; "
		    "test -e made && s=99; exit $s",
		    "bad:1");
	gate_expect(2, "echo 'leek:x' >bad; LSAN_OPTIONS=suppressions=bad mudlark run --leaks -- true", "bad:1");
	gate_expect(2, "echo 'leek:x' >bad; mudlark leaks --suppressions bad a.mud", "bad:1");
}
END_TEST

/* What bash itself drops at its end, and only that: a program of another name is not spared for the same function. */
START_TEST(shells_in_front_of_a_program)
{
	static const char *const scripts[] = {"true; exit 0", "for i in 1 2; do exit 0; done",
					      "if true; then exit 0; fi"};
	for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
		char line[512];
		snprintf(line, sizeof line, "echo '%s' >e.sh; mudlark run -q --leaks -o a.mud -- bash e.sh",
			 scripts[i]);
		gate_expect(0, line, NULL);
	}
	gate_expect(1,
		    "echo 'true; exit 0' >e.sh; mudlark run -q --leaks -o a.mud -- bash e.sh; mudlark leaks --judge "
		    "--no-builtin a.mud",
		    "parse_command (bash)");
	gate_expect(
		23,
		"cp $(command -v bash) other; echo 'true; exit 0' >e.sh; mudlark run --leaks -o a.mud -- ./other e.sh",
		"lost by other");
}
END_TEST

START_TEST(leaks_tells_what_is_hidden)
{
	static const char snapshot[] = FILES "mudlark run -q --leaks --exitcode 0 -o a.mud -- $H/knows_its_leaks; ";
	static const struct {
		int status;
		const char *command, *says;
	} cases[] = {
		{1, "mudlark leaks --judge a.mud", "definite    940 bytes in 13 blocks"},
		{1, "mudlark leaks --judge --suppressions pairs a.mud", "definite    300 bytes in 3 blocks"},
		{1, "mudlark leaks --judge --suppressions pairs a.mud", "indirect    0 bytes in 0 blocks"},
		{1, "mudlark leaks --judge --suppressions alone a.mud", "indirect    320 bytes in 10 blocks"},
		{1, "mudlark leaks --judge --suppressions pairs a.mud",
		 "640 bytes in 10 blocks by pairs:1 (lose_pairs)"},
		{0, "mudlark leaks --judge --suppressions pairs --suppressions valgrind a.mud", "definite    0 bytes"},
		{0, "mudlark leaks --suppressions unused a.mud", "unused:1: the suppression 'elsewhere' hides nothing"},
		{0, "mudlark leaks --style lsan --suppressions pairs a.mud", "     10        640 lose_pairs"},
		{0, "mudlark leaks --style lsan --suppressions pairs a.mud",
		 "SUMMARY: LeakSanitizer: 300 byte(s) leaked in 3 allocation(s)."},
		{0,
		 "mudlark leaks --json --suppressions pairs a.mud | python3 -c 'import json,sys; "
		 "s = json.load(sys.stdin)[\"suppressed\"]; print(s[\"blocks\"], s[\"indirect_blocks\"], "
		 "s[\"rules\"])'",
		 "10 10 [{'name': 'lose_pairs', 'file': 'pairs', 'line': 1, 'bytes': 640, 'blocks': 10}]"},
		/* What it generates hides just that; each rule once. */
		{0,
		 "for s in lsan valgrind; do mudlark leaks --gen-suppressions $s a.mud >rules || exit 9; "
		 "mudlark leaks --judge --suppressions rules a.mud || exit 8; done",
		 "suppressed  940 bytes in 13 blocks"},
		{0, "mudlark leaks --gen-suppressions lsan a.mud >rules; grep -c leak: rules", "2\n"},
		/* The built-in ones are a file that it reads. */
		{0, "mudlark leaks --list-builtin >rules; mudlark leaks --no-builtin --suppressions rules a.mud",
		 "hides nothing"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char script[4096];
		snprintf(script, sizeof script, "%s%s", snapshot, cases[i].command);
		gate_expect(cases[i].status, script, cases[i].says);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("suppressions of real programs");
	TCase *all = tcase_create("all");
	tcase_set_timeout(all, 120);
	tcase_add_test(all, run_judges_what_is_left);
	tcase_add_test(all, programs_say_themselves);
	tcase_add_test(all, environment_is_heard);
	tcase_add_test(all, preload_alone_leaves_the_status);
	tcase_add_test(all, checks_on_request);
	tcase_add_test(all, search_before_the_end_is_not_enough);
	tcase_add_test(all, whoever_lost_it_fails_the_run);
	tcase_add_test(all, gates_of_runs_know_them);
	tcase_add_test(all, mistakes_are_told_before_the_start);
	tcase_add_test(all, shells_in_front_of_a_program);
	tcase_add_test(all, leaks_tells_what_is_hidden);
	suite_add_tcase(suite, all);
	return runner_suite(suite);
}
