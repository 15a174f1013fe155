/*
 * The search for leaks in places where looking into a process is hard: under debuggers, behind filters of system calls,
 * in namespaces, without rights, without room for a copy, among threads that cannot be stopped. Each of a program with
 * threads, at its end and while it lives.
 *
 * The verdict is the same everywhere, or the search says that it is not certain, and then neither the program's status
 * nor that of a command that judges may be "no leaks" (0) or "leaks" (1, 23): it is 4.
 */
#define _GNU_SOURCE
#include "tests/e2e/lib/leak_verdict.h"
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	PREFIX_WORDS = 8,
	THREAD_WORDS = 9,
	STATUS_LEAKS = 23,
	JUDGED_LEAKS = 1,
	NOT_SEARCHED = 3,
	UNCERTAIN = 4,
	TIMEOUT_S = 60
};

#define ALL_KINDS                                                                                                      \
	{                                                                                                              \
		"waits", "4", "spins", "2", "blocks", "2", "sigwait", "1"                                              \
	}

struct place {
	const char *name;
	const char *prefix[PREFIX_WORDS]; /* of the command */
	const char *threads[THREAD_WORDS];
	const char *options;
	bool uncertain;
	bool needs_root, needs_user_namespace;
	bool hides_status;    /* the prefix gives another one */
	bool hides_processes; /* nobody outside knows its number */
	const char *note;     /* that the snapshot of the living process has */
};

/* gdb stops for the signal that asks for a snapshot, as for any that it does not know: not for the search's own. */
#define GDB "gdb", "-nx", "-batch", "-ex", "handle SIG59 nostop noprint pass", "-ex", "run", "--args"

static const struct place places[] = {
	{.name = "no place", .threads = ALL_KINDS},
	{.name = "gdb", .prefix = {GDB}, .threads = ALL_KINDS, .hides_status = true},
	{.name = "strace", .prefix = {"strace", "-f", "-o", "/dev/null"}, .threads = ALL_KINDS},
	{.name = "no ptrace", .prefix = {HOSTS_DIRECTORY "/refuses_ptrace"}, .threads = ALL_KINDS},
	{.name = "no ptrace, paths",
	 .prefix = {HOSTS_DIRECTORY "/refuses_ptrace"},
	 .threads = {"waits", "1"},
	 .options = "leaks=2"},
	{.name = "user namespace", .prefix = {"unshare", "-Ur"}, .threads = ALL_KINDS, .needs_user_namespace = true},
	{.name = "process namespace",
	 .prefix = {"unshare", "-Urpf", "--mount-proc"},
	 .threads = ALL_KINDS,
	 .needs_user_namespace = true,
	 .hides_processes = true},
	{.name = "no /proc",
	 .prefix = {"unshare", "-Urm", "sh", "-c", "mount -t tmpfs none /proc && exec \"$@\"", "sh"},
	 .threads = {"waits", "2", "spins", "1"},
	 .needs_user_namespace = true,
	 .uncertain = true},
	{.name = "hidden", .threads = {"waits", "2", "spins", "1", "hidden"}},
	{.name = "nobody", .threads = {"waits", "2", "spins", "1", "nobody"}, .needs_root = true},
	{.name = "nobody, no ptrace",
	 .prefix = {HOSTS_DIRECTORY "/refuses_ptrace"},
	 .threads = {"waits", "2", "spins", "1", "nobody"},
	 .needs_root = true},
	{.name = "no process more",
	 .threads = {"waits", "2", "spins", "1", "nobody", "no_more"},
	 .needs_root = true,
	 .note = "a forked copy for a snapshot was refused: it was taken inline"},
	/* what the kernel would tell of a thread that blocks all signals is for root alone then */
	{.name = "nobody, all blocked",
	 .threads = {"waits", "2", "blocks", "1", "nobody"},
	 .needs_root = true,
	 .uncertain = true},
	{.name = "deaf", .threads = {"waits", "2", "deaf", "1"}, .uncertain = true},
	{.name = "deaf, no ptrace",
	 .prefix = {HOSTS_DIRECTORY "/refuses_ptrace"},
	 .threads = {"waits", "2", "deaf", "1"},
	 .uncertain = true},
};
enum { PLACES = sizeof places / sizeof places[0] };

/* What the command's words point to. */
struct words {
	char preload[PATH_MAX + 16], options[64], host[PATH_MAX];
};

static void make_command(const struct place *place, const char *last, struct words *words, struct command *command)
{
	size_t count = 0;
	*command = (struct command){.timeout_s = TIMEOUT_S};
	for (int i = 0; i < PREFIX_WORDS && place->prefix[i]; i++)
		command->argv[count++] = place->prefix[i];
	snprintf(words->preload, sizeof words->preload, "LD_PRELOAD=%s", runner_preload());
	snprintf(words->options, sizeof words->options, "MUDLARK_OPTIONS=%s",
		 place->options ? place->options : "leaks=1");
	snprintf(words->host, sizeof words->host, "%s", runner_host_path("leaks_among_threads"));
	command->argv[count++] = "/usr/bin/env";
	command->argv[count++] = words->preload;
	command->argv[count++] = words->options;
	command->argv[count++] = words->host;
	for (int i = 0; i < THREAD_WORDS && place->threads[i]; i++)
		command->argv[count++] = place->threads[i];
	command->argv[count] = last;
}

/* Whether the place can be had here; says why not. */
static bool is_there(const struct place *place)
{
	const char *program = place->prefix[0];
	if (program && program[0] != '/' && !runner_has_program(program)) {
		runner_skip("%s: %s is not installed", place->name, program);
		return false;
	}
	if (place->needs_root && geteuid() != 0) {
		runner_skip("%s: only root can become another user", place->name);
		return false;
	}
	if (place->needs_user_namespace && system("unshare -Urpf --mount-proc true 2>/dev/null") != 0) {
		runner_skip("%s: the kernel or a policy of the system refuses one", place->name);
		return false;
	}
	return true;
}

static void check_statuses(const struct place *place, const char *snapshot)
{
	char line[3 * PATH_MAX];
	int expected = place->uncertain ? UNCERTAIN : JUDGED_LEAKS, judged = leak_judge(snapshot);
	ck_assert_msg(judged == expected, "%s: leaks --judge: %d", place->name, judged);
	snprintf(line, sizeof line, "%s gate --fail-on definite %s >/dev/null 2>&1", tool_path(), snapshot);
	int gate = system(line);
	ck_assert_msg(WIFEXITED(gate) && WEXITSTATUS(gate) == expected, "%s: gate: %d", place->name, gate);
}

/* The list is lost, whatever else. */
static void check_snapshot(const struct place *place, const char *snapshot, struct leak_verdict *verdict)
{
	leak_verdict_read(snapshot, verdict);
	bool certain = strstr(verdict->text, "not certain: ") == NULL;
	ck_assert_msg(certain == !place->uncertain, "%s: %s", place->name, verdict->text);
	bool lost = verdict->blocks[VERDICT_DEFINITE] == 1 && verdict->bytes[VERDICT_DEFINITE] == 64 &&
		    verdict->blocks[VERDICT_INDIRECT] == 19 && verdict->blocks[VERDICT_POSSIBLE] == 0;
	ck_assert_msg(lost || place->uncertain, "%s: %s", place->name, verdict->text);
	check_statuses(place, snapshot);
}

START_TEST(at_the_end)
{
	const struct place *place = &places[_i];
	static struct leak_verdict verdict;
	struct command command;
	struct words words;
	struct outcome outcome;
	char snapshot[PATH_MAX + 8];
	int expected = place->uncertain ? UNCERTAIN : STATUS_LEAKS;
	if (!is_there(place))
		return;
	make_command(place, NULL, &words, &command);
	runner_run(&command, &outcome);
	if (place->hides_status)
		ck_assert_msg(strstr(outcome.out, "exited with code 027]") != NULL, "%s: %s%s", place->name,
			      outcome.out, outcome.err);
	else
		ck_assert_msg(outcome.status == expected, "%s: status %d: %s", place->name, outcome.status,
			      outcome.err);
	snprintf(snapshot, sizeof snapshot, "%s/*.1.mud", outcome.directory);
	check_snapshot(place, snapshot, &verdict);
	runner_done(&outcome);
}
END_TEST

/* Asked from outside; then it goes on as if nothing had been. */
static void ask(const char *directory)
{
	char line[3 * PATH_MAX];
	ck_assert_msg(runner_wait_for_file(directory, "ready", TIMEOUT_S), "%s: it does not begin", directory);
	snprintf(line, sizeof line, "%s snap --leaks $(cat %s/ready) >/dev/null && touch %s/go", tool_path(), directory,
		 directory);
	ck_assert_msg(system(line) == 0, "%s", line);
}

START_TEST(while_it_lives)
{
	const struct place *place = &places[_i];
	static struct leak_verdict verdict;
	struct command command;
	struct words words;
	struct running running;
	struct outcome outcome;
	char snapshot[PATH_MAX + 64];
	if (place->hides_processes || !is_there(place))
		return;
	struct place alive = *place;
	alive.options = "at_exit=0";
	make_command(&alive, "lives", &words, &command);
	runner_start(&command, &running);
	ask(running.outcome.directory);
	runner_finish(&running, &outcome);
	ck_assert_msg(outcome.status == 0, "%s: status %d: %s", place->name, outcome.status, outcome.err);
	ck_assert_msg(!place->hides_status || strstr(outcome.out, "exited normally]"), "%s: %s", place->name,
		      outcome.out);
	snprintf(snapshot, sizeof snapshot, "%s/mudlark.leaks_among_threads.*.mud", outcome.directory);
	check_snapshot(place, snapshot, &verdict);
	ck_assert_msg(!place->note || strstr(verdict.text, place->note), "%s: %s", place->name, verdict.text);
	runner_done(&outcome);
}
END_TEST

/* Nothing can be said of the program: then nothing is. */
START_TEST(nothing_is_known)
{
	static const struct {
		const char *line, *options;
		int status, judged;
		const char *why; /* in what `mudlark leaks` prints */
	} cases[] = {
		/* behind its own filter it can no longer be searched */
		{"strict_seccomp exit", "leaks=1", UNCERTAIN, NOT_SEARCHED, NULL},
		{"strict_seccomp _exit", "leaks=1", UNCERTAIN, NOT_SEARCHED, NULL},
		{"strict_seccomp exit", "leaks=1 children=0", UNCERTAIN, NOT_SEARCHED, NULL},
		{"strict_seccomp exit", "leaks=1 exitcode=0", 0, NOT_SEARCHED, NULL},
		{"strict_seccomp exit", "leaks=0", 0, NOT_SEARCHED, NULL},
		{"own_malloc", "leaks=1", UNCERTAIN, UNCERTAIN, "the program's own malloc takes precedence"},
		{"leak_shapes blocks", "leaks=1 record=0", UNCERTAIN, UNCERTAIN, "blocks were not recorded"},
		{"leak_shapes none", "leaks=1 record=0", UNCERTAIN, UNCERTAIN, "blocks were not recorded"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		static struct leak_verdict verdict;
		struct command command = {.line = cases[i].line, .preloaded = true, .options = cases[i].options};
		struct outcome outcome;
		char snapshot[PATH_MAX + 8];
		runner_run(&command, &outcome);
		ck_assert_msg(outcome.status == cases[i].status, "%s, %s: status %d: %s", cases[i].line,
			      cases[i].options, outcome.status, outcome.err);
		snprintf(snapshot, sizeof snapshot, "%s/*.mud", outcome.directory);
		int judged = leak_judge(snapshot);
		ck_assert_msg(judged == cases[i].judged, "%s, %s: judged %d", cases[i].line, cases[i].options, judged);
		if (cases[i].why) {
			leak_verdict_read(snapshot, &verdict);
			ck_assert_msg(strstr(verdict.text, cases[i].why) != NULL, "%s: %s", cases[i].line,
				      verdict.text);
		}
		runner_done(&outcome);
	}
}
END_TEST

/* One search after the other, among threads that block all signals for moments: none is in doubt. */
START_TEST(again_and_again)
{
	struct command command = {.line = "leaks_among_threads waits 2 spins 1 makes 2 searches",
				  .preloaded = true,
				  .options = "leaks=1 output=same.mud",
				  .timeout_s = TIMEOUT_S};
	struct outcome outcome;
	runner_run(&command, &outcome);
	ck_assert_msg(strcmp(outcome.out, "uncertain 0\n") == 0, "%s%s", outcome.out, outcome.err);
	ck_assert_int_eq(outcome.status, STATUS_LEAKS);
	runner_done(&outcome);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("leaks: places");
	TCase *tests = tcase_create("leaks: places");
	tcase_set_timeout(tests, 2 * TIMEOUT_S);
	tcase_add_loop_test(tests, at_the_end, 0, PLACES);
	tcase_add_loop_test(tests, while_it_lives, 0, PLACES);
	tcase_add_test(tests, nothing_is_known);
	tcase_add_test(tests, again_and_again);
	suite_add_tcase(suite, tests);
	return runner_suite(suite);
}
