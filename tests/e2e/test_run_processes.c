/*
 * A run knows its processes: none that nobody could examine counts as clean, whatever way it began or ended.
 *
 * Of each mode of the host ends_in_many_ways the leak is found, or the process is named with the reason; the oracle is
 * the host itself, which knows what it lost.
 */
#include "tests/e2e/lib/gate_shell.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HOST "$H/ends_in_many_ways "
#define OWN_SYSTEM_CALL "it ended by a direct system call (status 0)"
#define UNSEEN "a signal, or a direct system call, ended it"
#define STATIC "it is linked statically"
#define NO_PRELOAD "without LD_PRELOAD in its environment"
#define BY_CLONE "made by a direct system call of its parent"

enum { LOST = 23, UNKNOWN = 4, CLEAN = 0 };

static const struct {
	const char *mode;
	int status;       /* of run --leaks; of gate run 1 for LOST */
	const char *says; /* of run; NULL: what the status implies */
	bool root;        /* only root can */
} modes[] = {
	{"plain", LOST, NULL, false},
	{"clean", CLEAN, NULL, false},
	{"clean_exec", CLEAN, NULL, false},
	{"clean_failed_exec", CLEAN, NULL, false},
	{"clean_wild_exec", CLEAN, NULL, false},
	{"clean_many", CLEAN, NULL, false},
	{"one_of_many", LOST, NULL, false},
	{"raw_exit", UNKNOWN, OWN_SYSTEM_CALL, false},
	{"bare_exit", UNKNOWN, OWN_SYSTEM_CALL, false},
	{"fork_raw_exit", UNKNOWN, UNSEEN, false},
	{"fork_bare_exit", UNKNOWN, UNSEEN, false},
	{"fork_kill", UNKNOWN, UNSEEN, false},
	{"fork_stop", UNKNOWN, "not examined: ends_in_many_ways, pid", false},
	{"no_descriptors", UNKNOWN, "could not be written: Too many open files", false},
	{"fork_no_descriptors", UNKNOWN, "could not be written: Too many open files", false},
	{"setuid", UNKNOWN, "could not be written: Permission denied", true},
	{"fork_setuid", UNKNOWN, "could not be written: Permission denied", true},
	{"chroot", UNKNOWN, "could not be written: No such file", true},
	{"fork_chroot", UNKNOWN, "could not be written: No such file", true},
	{"exec_true", LOST, NULL, false},
	{"fork_exec_true", LOST, NULL, false},
	{"exec_static", LOST, STATIC, false},
	{"fork_exec_static", LOST, STATIC, false},
	{"exec_noenv", LOST, NO_PRELOAD, false},
	{"fork_exec_noenv", LOST, NO_PRELOAD, false},
	{"vfork", LOST, NULL, false},
	{"vfork_static", UNKNOWN, STATIC, false},
	{"vfork_noenv", UNKNOWN, NO_PRELOAD, false},
	{"spawn", LOST, NULL, false},
	{"spawn_static", UNKNOWN, STATIC, false},
	{"spawn_noenv", UNKNOWN, NO_PRELOAD, false},
	{"unset_fork", UNKNOWN, NO_PRELOAD, false},
	{"unset_system", UNKNOWN, "by system() or popen(): LD_PRELOAD was not in its environment", false},
	{"raw_clone", UNKNOWN, BY_CLONE, false},
	{"raw_clone_killed", UNKNOWN, "a child that pid", false},
	{"bare_clone", UNKNOWN, BY_CLONE, false},
	{"shared_memory", LOST, NULL, false},
	{"scribble", UNKNOWN, "record in the run's roster is damaged", false},
	{"fork_scribble", UNKNOWN, "record in the run's roster is damaged", false},
	{"truncate", LOST, "was truncated or written over", false},
	{"fork_truncate", LOST, "was truncated or written over", false},
	{"truncate_slots", LOST, "whose records are not in the run's roster any longer", false},
	{"fork_truncate_slots", LOST, "whose records are not in the run's roster any longer", false},
	{"no_directory", LOST, "in which the library did not begin", false},
	{"dies_with_parent", UNKNOWN, "signal 9 (KILL) ended it", false},
	{"daemon", LOST, NULL, false},
	{"orphan", LOST, NULL, false},
	{"long_orphan", UNKNOWN, "it still runs", false},
};

static bool may_try(int at)
{
	if (modes[at].root && geteuid() != 0)
		runner_skip("only root can: %s", modes[at].mode);
	return !modes[at].root || geteuid() == 0;
}

/* A daemon that takes long on a loaded machine is waited for; one that does not end is not. */
static const char *linger(int at)
{
	bool ends_late = !strcmp(modes[at].mode, "daemon") || !strcmp(modes[at].mode, "orphan");
	return ends_late ? "--wait-for-daemons 60 " : "--wait-for-daemons 0.5 ";
}

START_TEST(run_names_whom_it_did_not_examine)
{
	char line[256];
	if (!may_try(_i))
		return;
	snprintf(line, sizeof line, "mudlark run --leaks %s-- " HOST "%s", linger(_i), modes[_i].mode);
	gate_expect(modes[_i].status, line,
		    modes[_i].says             ? modes[_i].says
		    : modes[_i].status == LOST ? "bytes in 50 blocks"
					       : "nothing was lost");
}
END_TEST

START_TEST(gate_does_not_pass_whom_it_did_not_examine)
{
	char line[256];
	int status = modes[_i].status == LOST ? 1 : modes[_i].status;
	if (!may_try(_i))
		return;
	snprintf(line, sizeof line, "mudlark gate run --fail-on definite %s-- " HOST "%s", linger(_i), modes[_i].mode);
	gate_expect(status, line, NULL);
}
END_TEST

/* What counts is said by the run's own processes only. */
START_TEST(unexamined_can_be_allowed)
{
	gate_expect(0, "mudlark run --leaks --allow-unexamined -- " HOST "fork_kill",
		    "not examined: ends_in_many_ways");
	gate_expect(0, "mudlark gate run --fail-on definite --allow-unexamined -- " HOST "fork_kill", "not examined: ");
	gate_expect(0, "mudlark run --leaks --exitcode 0 -- " HOST "fork_kill", "not examined: ends_in_many_ways");
	/* Nobody asked for a verdict; the command's status is its own. */
	gate_expect(0, "mudlark run -- " HOST "fork_kill", "not examined: ends_in_many_ways");
	gate_expect(0, "mudlark run --leaks --children 0 -- " HOST "fork_kill", "nothing was lost");
	gate_expect(0, "mudlark run -- $H/strict_seccomp exit instruction", "it gave up new privileges");
	gate_expect(4, "mudlark run --leaks -- $H/strict_seccomp exit instruction", "it gave up new privileges");
	gate_expect(0, "mudlark run -- $H/strict_seccomp exit instruction trap", "Operation not permitted");
	gate_expect(0, "mudlark run -- $H/strict_seccomp exit instruction errno", "Operation not permitted");
	gate_expect(0, "mudlark run --at_exit 0 -- $H/strict_seccomp exit threads kill", "at_exit is 0");
	gate_expect(143, "mudlark run --leaks -- $H/signalled kill",
		    "signal 15 (TERM) ended it, before it could be searched");
	gate_expect(143, "mudlark run -- $H/signalled kill", "live in its last snapshot");
	gate_expect(137, "mudlark run --leaks -- " HOST "kill", "signal 9 (KILL) ended it");
}
END_TEST

START_TEST(other_programs_start_processes)
{
	gate_expect(0, "seq 30 | mudlark run --leaks -- xargs -P4 -n1 sh -c '" HOST "clean'", "nothing was lost");
	gate_expect(23, "seq 30 | mudlark run --leaks -- xargs -P4 -n1 sh -c 'test $0 != 17 || " HOST "plain'",
		    "lost by ends_in_many_ways");
	gate_expect(0, "mudlark run --leaks -- env A=1 timeout 50 " HOST "clean", "nothing was lost");
	gate_expect(4, "mudlark run --leaks -- env -i $H/ends_in_many_ways plain", NO_PRELOAD);
	gate_expect(4, "mudlark run --leaks -- sh -c 'unset MUDLARK_RUN; " HOST "plain; true'",
		    "without MUDLARK_RUN in its environment");
	gate_expect(23, "mudlark run --leaks -- sh -c 'MUDLARK_OPTIONS=depth=4:leaks=1 " HOST "plain; true'",
		    "bytes in 50 blocks");
	gate_expect(0,
		    "printf 'all: a b\\na b:\\n\\t$(H)/ends_in_many_ways clean\\n' >rules; "
		    "mudlark run --leaks -- make -j2 -f rules",
		    "nothing was lost");
}
END_TEST

/* What a program starts in which the library is not is named, if it can be, and else it is said that it is not known.
 */
START_TEST(what_an_unrecorded_program_starts)
{
	static const char orphan[] =
		"mudlark run --leaks --wait-for-daemons 60 -- sh -c '$H/ends_in_many_ways_static orphan; true'";
	gate_expect(4, orphan, "what that started is known only if the library began in it");
	gate_expect(4, orphan, "it has ended, and the library had not begun in it");
	gate_expect(4, orphan, "not examined: ends_in_many_wa, pid ");
}
END_TEST

/* File systems without fallocate(), as some of networks and FUSE: a filter refuses it. */
START_TEST(rosters_that_cannot_be_allocated)
{
	gate_expect(0, "$H/without_fallocate mudlark run --leaks -- " HOST "clean", "nothing was lost");
	gate_expect(0, "$H/without_fallocate mudlark run --leaks -- " HOST "clean_many", "nothing was lost");
	gate_expect(23, "$H/without_fallocate mudlark run --leaks -- " HOST "one_of_many", "bytes in 50 blocks");
	gate_expect(0, "$H/without_fallocate mudlark run --leaks -- mudlark run --leaks -- " HOST "clean",
		    "nothing was lost");
	gate_expect(4, "$H/without_fallocate mudlark run --leaks -- " HOST "fork_kill", UNSEEN);
}
END_TEST

/* A run within a run judges its own; the outer one has its word. */
START_TEST(runs_within_runs)
{
	gate_expect(0, "mudlark run --leaks -- mudlark run --leaks -- " HOST "clean", "nothing was lost");
	gate_expect(23, "mudlark run --leaks -- mudlark run --leaks -- " HOST "plain", "bytes in 50 blocks");
	gate_expect(4, "mudlark run --leaks -- env MUDLARK_OPTIONS= mudlark run -- " HOST "plain",
		    "it belongs to another `mudlark run`");
	gate_expect(4, "mudlark run --leaks -- mudlark run --leaks --exitcode 0 -- " HOST "fork_kill",
		    "it belongs to another `mudlark run`");
	gate_expect(0, "mudlark gate run --fail-on definite -- mudlark gate run --fail-on definite -- " HOST "clean",
		    "gate passed");
}
END_TEST

/* Files are the run's by its token: neither names nor times make them so. */
START_TEST(files_of_others_are_not_the_runs)
{
	static const char planted[] =
		"mudlark run -q --leaks -o s.mud -- " HOST "clean; "
		"mudlark run --leaks -o s.%p.%n.mud -- sh -c '" HOST "raw_exit & wait; cp s.mud s.$!.7.mud'";
	gate_expect(4, planted, "not examined: ends_in_many_ways");
	gate_expect(
		4, "mudlark run -q --leaks -o s.mud -- " HOST "clean; mudlark run --leaks -o s.mud -- " HOST "raw_exit",
		"no search for leaks was made of the command");
	gate_expect(0,
		    "mudlark run -q --leaks -o 'd.%p.%n.mud' -- " HOST "plain; "
		    "mudlark run --leaks -o 'd.%p.%n.mud' -- " HOST "clean",
		    "nothing was lost");
	gate_expect(23, "TMPDIR=/not/there mudlark run --leaks -- " HOST "plain", "bytes in 50 blocks");
	gate_expect(23, "umask 777; mudlark run --leaks -- " HOST "plain", "bytes in 50 blocks");
}
END_TEST

/* One name is for one snapshot: the others are distinguished. */
START_TEST(names_without_numbers)
{
	gate_expect(0,
		    "mudlark run -q -o x.mud -- sh -c '$H/ends_in_many_ways clean; true'; ls; "
		    "test $(ls | wc -l) = 2 && mudlark show x.mud | grep 'sh'",
		    "x.mud");
	gate_expect(0, "mudlark run -o x.mud --every 0.02 -- sh -c 'sleep 0.3; true'; test $(ls x.*.mud | wc -l) -gt 3",
		    "x.mud has no %n");
	/* Each file is counted once, also where its name is what both patterns match. */
	gate_expect(0,
		    "mudlark run -o x.%p.mud --every .02 -- sleep 0.3 2>log; cat log; "
		    "test $(sed -n 's/^mudlark: \\([0-9]*\\) snapshots.*/\\1/p' log) = $(ls x.*.mud | wc -l)",
		    "x.%p.mud has no %n");
	gate_expect(0,
		    "mudlark run -o x.%p.mud -- sh -c '$H/ends_in_many_ways clean; true' 2>log; cat log; "
		    "test $(ls x.*.mud | wc -l) = 2 && ! grep 'has no' log",
		    "snapshot: ");
	gate_expect(0, "mudlark run -q -o x -- $H/ends_in_many_ways clean; ls", "x\n");
	gate_expect(0, "mudlark run -q -o x%p -- $H/ends_in_many_ways clean; test $(ls | wc -l) = 1", NULL);
}
END_TEST

/* A link that the user names stays, and leads to the snapshot; what it must not lead to is said. */
START_TEST(names_that_are_links)
{
	static const char clean[] = "$H/ends_in_many_ways clean";
	char line[400];
	snprintf(line, sizeof line,
		 "mkdir far; ln -s far/x.mud l; mudlark run --leaks -o l -- %s && mudlark run --leaks -o l -- %s && "
		 "test -L l && mudlark show far/x.mud; ls",
		 clean, clean);
	gate_expect(0, line, "ends_in_many_ways, pid");
	snprintf(line, sizeof line,
		 "ln -s /proc/self/fd/1 l; mudlark run -o l -- %s >out; s=$?; test -L l || exit 9; exit $s", clean);
	gate_expect(2, line, "it leads into /proc");
	snprintf(line, sizeof line, "mudlark run -o - -- %s", clean);
	gate_expect(2, line, "standard output is the command's own");
	if (geteuid() != 0) {
		runner_skip("only root can make another user's link");
		return;
	}
	snprintf(line, sizeof line,
		 "mkdir s; chmod 1777 s; ln -s ../x s/l; chown -h 65534 s/l; mudlark run --leaks -o s/l -- %s", clean);
	gate_expect(UNKNOWN, line, "could not be written: it is another user's symbolic link");
}
END_TEST

START_TEST(summary_of_the_largest)
{
	gate_expect(0, "mudlark run -- sh -c '" HOST "plain; " HOST "clean; true'",
		    "the largest process: ends_in_many_ways, pid ");
	gate_expect(0, "mudlark run -- env sh -c '" HOST "plain; true'",
		    "next: mudlark show mudlark.ends_in_many_ways.");
}
END_TEST

START_TEST(summary_as_json)
{
	gate_expect(4,
		    "mudlark run --leaks --json run.json -- sh -c '" HOST
		    "fork_kill; true'; s=$?; cat run.json; exit $s",
		    "\"verdict\": \"incomplete\"");
	gate_expect(0, "mudlark run -q --json run.json -- " HOST "clean && cat run.json",
		    "\"schema\": \"mudlark.run/1\"");
	gate_expect(3, "mudlark run -q --json /not/there -- " HOST "clean", "/not/there: cannot write it");
	gate_expect(2, "mudlark run --wait-for-daemons soon -- true", "requires 0 to 86400 seconds");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("processes of a run");
	TCase *found = tcase_create("examined");
	int count = (int)(sizeof modes / sizeof modes[0]);
	tcase_set_timeout(found, 300);
	tcase_add_loop_test(found, run_names_whom_it_did_not_examine, 0, count);
	tcase_add_loop_test(found, gate_does_not_pass_whom_it_did_not_examine, 0, count);
	tcase_add_test(found, unexamined_can_be_allowed);
	tcase_add_test(found, other_programs_start_processes);
	tcase_add_test(found, what_an_unrecorded_program_starts);
	tcase_add_test(found, rosters_that_cannot_be_allocated);
	tcase_add_test(found, runs_within_runs);
	tcase_add_test(found, files_of_others_are_not_the_runs);
	suite_add_tcase(suite, found);
	TCase *said = tcase_create("said");
	tcase_set_timeout(said, 300);
	tcase_add_test(said, names_without_numbers);
	tcase_add_test(said, names_that_are_links);
	tcase_add_test(said, summary_of_the_largest);
	tcase_add_test(said, summary_as_json);
	suite_add_tcase(suite, said);
	return runner_suite(suite);
}
