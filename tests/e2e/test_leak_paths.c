/*
 * Why blocks are reachable: a program that holds blocks in known ways, what leads to each of them by the variables'
 * names, and what would go with it.
 */
#define _GNU_SOURCE
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_BYTES = 16384 };

static char *tool_path(void)
{
	static char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/../../mudlark", HOSTS_DIRECTORY);
	return path;
}

/* Runs the host and asks about what it left: `mudlark leaks` with these words; its status. */
static int ask(const char *options, const char *words, char text[TEXT_BYTES])
{
	struct outcome outcome;
	struct command command = {.line = "held_blocks", .preloaded = true, .options = options};
	char line[3 * PATH_MAX];
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0, "status %d: %s", outcome.status, outcome.err);
	snprintf(line, sizeof line, "%s leaks --bytes %s %s/*.mud 2>&1", tool_path(), words, outcome.directory);
	FILE *answer = popen(line, "r");
	ck_assert_ptr_nonnull(answer);
	size_t length = fread(text, 1, TEXT_BYTES - 1, answer);
	text[length] = '\0';
	int status = pclose(answer);
	runner_done(&outcome);
	return WEXITSTATUS(status);
}

/* All of these come, one after the other. */
static void expect_lines(const char *text, const char *const *lines)
{
	const char *at = text;
	for (; *lines; lines++) {
		at = strstr(at, *lines);
		ck_assert_msg(at != NULL, "'%s' is not there, or not behind the others: %.2000s", *lines, text);
		at += strlen(*lines);
	}
}

static const struct {
	const char *stack;
	const char *lines[10];
} paths[] = {
	{"make_shared",
	 {"make_shared", "1000 bytes of its own, 1000 bytes retained in 1 block\n", "  global variable held_o",
	  " in held_blocks\n", "    -> 24 bytes: make_holder", "+16 -> 1000 bytes, this stack's block\n"}},
	{"make_holder",
	 {"1  make_holder", "24 bytes of its own, 24 bytes retained in 1 block\n", "  global variable held_o",
	  "    -> 24 bytes, this stack's block\n", "2  make_holder",
	  "24 bytes of its own, 24 bytes retained in 1 block\n", "  global variable held_o"}},
	{"make_list",
	 {"make_node", "280 bytes of its own, 1776 bytes retained in 21 blocks\n",
	  "  global variable held_registry+8 in held_blocks\n    -> 56 bytes, this stack's block\n", "\n2  make_node",
	  "56 bytes of its own, 1496 bytes retained in 16 blocks\n", "  global variable held_registry+8",
	  "    -> 56 bytes, 5 blocks in a row: make_node", "+40 -> 56 bytes, this stack's block\n"}},
	{"grow_tree",
	 {"1  grow_tree", "96 bytes of its own, 1440 bytes retained in 15 blocks\n", "+40 -> 56 bytes: make_node",
	  "+48 -> 96 bytes, this stack's block\n", "\n2  grow_tree",
	  "96 bytes of its own, 672 bytes retained in 7 blocks\n", "+48 -> 96 bytes: grow_tree"}},
	{"make_local",
	 {"make_local", "(held_blocks): thread-local variable held_by_thread in held_blocks\n",
	  "    -> 500 bytes, this stack's block\n"}},
	{"adds",
	 {"1  adds (", "288 bytes of its own, 288 bytes retained in 4 blocks\n",
	  "  global variable held_by_threads in held_blocks\n    -> 72 bytes, this stack's block\n"}},
	{"make_for_library",
	 {"make_for_library", "(held_blocks): thread-local variable library_slot+24 in libheld_thread.so\n",
	  "    -> 550 bytes, this stack's block\n"}},
	{"make_for_stack",
	 {"make_for_stack", "  thread ", " (held_blocks): stack frame of waits (",
	  "/held_blocks.c:", ")\n    -> 700 bytes, this stack's block\n"}},
	{"make_for_main",
	 {"make_for_main", "  thread ", " (held_blocks): stack frame of ends_later (",
	  "/held_blocks.c:", ")\n    -> 600 bytes, this stack's block\n"}},
};

START_TEST(path_is_known)
{
	static const char *const modes[] = {"leaks=2", "leaks=2:snapshot=fork:at_exit=1"};
	for (int i = 0; i < 2; i++) {
		char words[64], text[TEXT_BYTES];
		snprintf(words, sizeof words, "--path %s", paths[_i].stack);
		ck_assert_int_eq(ask(modes[i], words, text), 0);
		expect_lines(text, paths[_i].lines);
	}
}
END_TEST

/* The rows are ranked, and their numbers are --path's. */
START_TEST(rows_are_numbered)
{
	static const char *const ranked[] = {"\n 1     1,776      21      280       5  make_node",
					     "\n 2     1,496      16       56       1  make_node",
					     "\n 3     1,440      15       96       1  grow_tree",
					     "\n 4     1,000       1    1,000       1  make_shared", NULL};
	static const char *const fourth[] = {"\n4  make_shared", "this stack's block\n", NULL};
	char text[TEXT_BYTES];
	ck_assert_int_eq(ask("leaks=2", "--retained", text), 0);
	expect_lines(text, ranked);
	ck_assert_int_eq(ask("leaks=2", "--path 4", text), 0);
	expect_lines(text, fourth);
	ck_assert_ptr_null(strstr(text, "make_local"));
}
END_TEST

START_TEST(what_is_not_there_is_said)
{
	char text[TEXT_BYTES];
	ck_assert_int_eq(ask("leaks=1", "--retained", text), 3);
	ck_assert_ptr_nonnull(strstr(text, "the search did not find out why blocks are reachable"));
	ck_assert_int_eq(ask("leaks=2", "--path 4000", text), 3);
	ck_assert_ptr_nonnull(strstr(text, "no reachable block has a stack '4000'"));
	ck_assert_int_eq(ask("leaks=2", "--path none_such", text), 3);
}
END_TEST

/* From outside, of a process that lives: in a copy of it and in itself. Names that are in the file do as well. */
START_TEST(living_process)
{
	static const char *const modes[] = {"snapshot=auto", "snapshot=inline"};
	static const char *const lines[] = {
		"make_for_stack", "  thread ", ": stack frame of waits (",      "    -> 700 bytes, this stack's",
		"make_for_main",  "  thread ", ": stack frame of ends_later (", "    -> 600 bytes, this stack's",
		"make_for_main",  "  thread ", ": stack frame of ends_later (", NULL};
	for (int i = 0; i < 2; i++) {
		char line[4 * PATH_MAX];
		struct running running;
		struct outcome outcome;
		struct command command = {.line = "held_blocks 3", .preloaded = true, .options = modes[i]};
		runner_start(&command, &running);
		runner_sleep_ms(500);
		snprintf(
			line, sizeof line,
			"cd %s && mudlark=%s && $mudlark snap --retained %d >/dev/null && "
			"for stack in make_for_stack make_for_main; do $mudlark leaks --bytes --path $stack *.1.mud; "
			"done "
			">found 2>&1 && $mudlark symbolize *.1.mud -o named.mud && "
			"$mudlark leaks --path make_for_main --sysroot /nowhere named.mud >>found 2>&1 && rm named.mud",
			running.outcome.directory, tool_path(), running.outcome.pid);
		ck_assert_int_eq(system(line), 0);
		char text[TEXT_BYTES];
		snprintf(line, sizeof line, "%s/found", running.outcome.directory);
		FILE *found = fopen(line, "r");
		ck_assert_ptr_nonnull(found);
		text[fread(text, 1, sizeof text - 1, found)] = '\0';
		fclose(found);
		unlink(line);
		expect_lines(text, lines);
		runner_finish(&running, &outcome);
		runner_done(&outcome);
	}
}
END_TEST

/* The kinds are the same, whatever order marking goes in. */
START_TEST(kinds_are_the_same)
{
	char with[TEXT_BYTES], without[TEXT_BYTES];
	ck_assert_int_eq(ask("leaks=2", "--kind all", with), 0);
	ck_assert_int_eq(ask("leaks=1", "--kind all", without), 0);
	char *first = strstr(with, "\ndefinite"), *second = strstr(without, "\ndefinite");
	ck_assert(first && second);
	ck_assert_str_eq(first, second);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("leak paths");
	TCase *cases = tcase_create("leak paths");
	tcase_set_timeout(cases, 120);
	tcase_add_loop_test(cases, path_is_known, 0, (int)(sizeof paths / sizeof paths[0]));
	tcase_add_test(cases, rows_are_numbered);
	tcase_add_test(cases, what_is_not_there_is_said);
	tcase_add_test(cases, living_process);
	tcase_add_test(cases, kinds_are_the_same);
	suite_add_tcase(suite, cases);
	return runner_suite(suite);
}
