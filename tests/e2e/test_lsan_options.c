/*
 * LeakSanitizer's options mean here what they mean there: a host that keeps a block in one place only is run by us and,
 * built with gcc's library, by LeakSanitizer, which is the oracle for the status and for the blocks that are listed.
 */
#include "tests/e2e/lib/gate_shell.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BARE "use_stacks=0:use_registers=0"

/* lost: whether the block is lost, and so listed. */
static const struct {
	const char *place, *options;
	bool lost;
} cases[] = {
	{"global", "", false},
	{"global", BARE, false},
	{"global", BARE ":use_globals=0", true},
	{"local", "", false},
	{"local", BARE, true},
	{"local", "use_stacks=no,use_registers=false", true},
	{"local", BARE ":use_stacks=1", false},
	{"storage", BARE, false},
	{"storage", BARE ":use_tls=0", true},
	{"key", BARE, false},
	{"key", BARE ":use_tls=0", true},
	{"late_key", BARE, false},
	{"late_key", BARE ":use_tls=0", true},
	{"odd", BARE, true},
	{"odd", BARE ":use_unaligned=1", false},
	{"odd_in_block", BARE, true},
	{"odd_in_block", BARE ":use_unaligned=yes", false},
	{"region", BARE, false},
	{"region", BARE ":use_root_regions=0", true},
	{"other_frame", "", false},
	{"other_frame", BARE, true},
	{"other_register", "use_stacks=0", false},
	{"other_register", BARE, true},
	/* Quotes, and what is between options, as LeakSanitizer reads them. */
	{"local", "use_stacks='0' use_registers=\"0\"", true},
	{"odd", BARE "\n\tuse_unaligned=1", false},
};

/* Whether the host's block is in the list that report_objects asks for. */
static bool is_listed(const struct outcome *outcome)
{
	char line[64];
	void *block = NULL;
	if (sscanf(outcome->out, "block %p", &block) != 1)
		ck_abort_msg("the host says nothing: %s%s", outcome->out, outcome->err);
	snprintf(line, sizeof line, "\n%p (1337 bytes)\n", block);
	return strstr(outcome->err, line) != NULL;
}

static bool oracle_works(const struct outcome *outcome)
{
	return !strstr(outcome->err, "fatal error");
}

START_TEST(roots_are_chosen)
{
	char options[256], place[64];
	struct outcome outcome;
	int status = cases[_i].lost ? 23 : 0;
	snprintf(options, sizeof options, "LSAN_OPTIONS=report_objects=1:%s", cases[_i].options);
	struct command run = {
		.argv = {BUILD_DIRECTORY "/mudlark", "run", "--leaks", runner_host_path("lsan_roots"), cases[_i].place},
		.environment = {options}};
	runner_run(&run, &outcome);
	ck_assert_msg(outcome.status == status && is_listed(&outcome) == cases[_i].lost, "%s %s: %d\n%s",
		      cases[_i].place, options, outcome.status, outcome.err);
	runner_done(&outcome);
	snprintf(place, sizeof place, "lsan_roots_sanitized %s", cases[_i].place);
	struct command oracle = {.line = place, .environment = {options}};
	if (access(runner_host_path("lsan_roots_sanitized"), X_OK)) {
		runner_skip("the oracle: no LeakSanitizer to build it with");
		return;
	}
	runner_run(&oracle, &outcome);
	if (!oracle_works(&outcome))
		runner_skip("the oracle: LeakSanitizer cannot trace here");
	else
		ck_assert_msg(outcome.status == status && is_listed(&outcome) == cases[_i].lost,
			      "%s %s: oracle: %d\n%s", cases[_i].place, options, outcome.status, outcome.err);
	runner_done(&outcome);
}
END_TEST

#define ROOTS "-o a.mud -- $H/lsan_roots "

/* A check that goes on leaves the verdict to a program that leaves by _exit(); a child that made none is judged. */
START_TEST(checks_leave_the_verdict)
{
	static const char preloaded[] = "LD_PRELOAD=$MUDLARK_LIBRARY MUDLARK_OPTIONS=leaks=1:output=a.%p.mud ";
	char script[1024];
	static const struct {
		const char *place;
		int status;
	} ends[] = {{"checked", 0}, {"checked_exit", 23}, {"checked_parent", 0}};
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		snprintf(script, sizeof script, "%s $H/lsan_roots %s", preloaded, ends[i].place);
		gate_expect(ends[i].status, script, "block ");
	}
	gate_expect(0, "mudlark run --leaks " ROOTS "checked", "lost by lsan_roots");
	gate_expect(23, "mudlark run --leaks " ROOTS "checked_exit", "lost by lsan_roots");
	gate_expect(23, "mudlark run --leaks -o a.%p.mud -- $H/lsan_roots checked_parent", "lost by lsan_roots");
}
END_TEST

/* All that is printed of LeakSanitizer's text goes where the options say, and no further than they say. */
START_TEST(report_is_chosen)
{
	gate_expect(23, "LSAN_OPTIONS=max_leaks=2 mudlark run --leaks " ROOTS "many", "The 2 top leak(s):");
	gate_expect(23, "LSAN_OPTIONS=max_leaks=2 mudlark run --leaks " ROOTS "many", "Omitting 1 more leak(s).");
	gate_expect(23, "LSAN_OPTIONS=max_leaks=2 mudlark run --leaks " ROOTS "many",
		    "407 byte(s) leaked in 6 allocation(s).");
	gate_expect(0,
		    "LSAN_OPTIONS=max_leaks=2 mudlark run -q --leaks " ROOTS "many 2>/dev/null; "
		    "test $(mudlark leaks --style lsan a.mud | grep -c '^Direct') = 2 && "
		    "test $(mudlark leaks --style lsan --top 1 a.mud | grep -c '^Direct') = 1 && "
		    "test $(mudlark leaks --style lsan --top 0 a.mud | grep -c '^Direct') = 2",
		    NULL);
	/* Beside a relative path stands the process, and nothing of its report on standard error. */
	gate_expect(0,
		    "LSAN_OPTIONS=log_path=log mudlark run --leaks " ROOTS "many 2>said; test $? = 23 && "
		    "grep -q 'Direct leak of 300 byte(s) in 3 object(s)' log.* && "
		    "! grep -q 'Direct leak' said && grep -q \"report is in $PWD/log\\.\" said",
		    NULL);
	gate_expect(23, "LSAN_OPTIONS=log_path=none/log mudlark run --leaks " ROOTS "many", "none/log.");
	gate_expect(23, "LSAN_OPTIONS=log_path=none/log mudlark run --leaks " ROOTS "many", "Direct leak of 300");
	gate_expect(0,
		    "LSAN_OPTIONS=log_path=log mudlark run --leaks -- $H/lsan_roots global; set -- log.*; test ! -e $1",
		    NULL);
	gate_expect(0,
		    "LSAN_OPTIONS=log_threads=1:" BARE " mudlark run --leaks " ROOTS "other_frame 2>said; "
		    "test $? = 23 && test $(grep -c 'Processing thread' said) = 2 && ! grep -q 'Stack at' said && "
		    "test $(grep -c 'TLS at' said) = 2",
		    NULL);
	gate_expect(0,
		    "LSAN_OPTIONS=log_threads=1:use_tls=0 mudlark run --leaks " ROOTS "many 2>said; test $? = 23 && "
		    "grep -q 'Stack at' said && ! grep -q 'TLS at' said",
		    NULL);
}
END_TEST

/* What means nothing here is named with the leaks, once in a run; without leaks nothing is said. */
START_TEST(ignored_are_named)
{
	gate_expect(0,
		    "export LSAN_OPTIONS=symbolize=0:use_stacks=maybe:exitcode=300:verbosity; mudlark run --leaks "
		    "-o a.%p.mud -- sh -c '$H/lsan_roots many; $H/lsan_roots many; exit 0' 2>said; test $? = 23 && "
		    "test $(grep -c 'ignored: symbolize=0, use_stacks=maybe, exitcode=300, verbosity$' said) = 1",
		    NULL);
	gate_expect(0, "LSAN_OPTIONS=symbolize=0 mudlark run --leaks " ROOTS "global 2>&1 | grep ignored; test $? = 1",
		    NULL);
	gate_expect(0,
		    "LSAN_OPTIONS=use_tls=1:exitcode=23 mudlark run --leaks " ROOTS "many 2>&1 | grep ignored; "
		    "test $? = 1",
		    NULL);
}
END_TEST

/* A block without bytes has none; LeakSanitizer counts 1. */
START_TEST(empty_blocks_are_lost)
{
	gate_expect(23, "mudlark run --leaks " ROOTS "empty", "0 bytes in 1 block: empty (");
	gate_expect(1, "mudlark run -q --leaks " ROOTS "empty 2>/dev/null; mudlark leaks --judge --style lsan a.mud",
		    "Direct leak of 0 byte(s) in 1 object(s)");
}
END_TEST

/* However long the options are, the last one counts, and so does a long path. */
START_TEST(no_option_is_cut)
{
	static const char fill[] = "fill=$(head -c 5000 /dev/zero | tr '\\0' x); ";
	char script[2048];
	snprintf(script, sizeof script,
		 "%s export LSAN_OPTIONS=\"suppressions=:log_suffix=$fill:$fill:exitcode=17\"; "
		 "LD_PRELOAD=$MUDLARK_LIBRARY MUDLARK_OPTIONS=leaks=1:output=a.mud $H/lsan_roots many",
		 fill);
	gate_expect(17, script, NULL);
	snprintf(script, sizeof script,
		 "%s LSAN_OPTIONS=\"log_suffix=$fill:use_stacks=0:use_registers=0:exitcode=17\" mudlark run "
		 "--leaks " ROOTS "local",
		 fill);
	gate_expect(17, script, "lost by");
	/* A name of 64 bytes and more was one that the library cut. */
	gate_expect(
		0,
		"long=$(head -c 200 /dev/zero | tr '\\0' d); mkdir $long; LSAN_OPTIONS=log_path=$long/log mudlark run "
		"--leaks " ROOTS "many 2>/dev/null; grep -q '^Direct' $long/log.*",
		NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("options of LeakSanitizer");
	TCase *all = tcase_create("all");
	tcase_set_timeout(all, 120);
	tcase_add_loop_test(all, roots_are_chosen, 0, sizeof cases / sizeof cases[0]);
	tcase_add_test(all, checks_leave_the_verdict);
	tcase_add_test(all, report_is_chosen);
	tcase_add_test(all, ignored_are_named);
	tcase_add_test(all, empty_blocks_are_lost);
	tcase_add_test(all, no_option_is_cut);
	suite_add_tcase(suite, all);
	return runner_suite(suite);
}
