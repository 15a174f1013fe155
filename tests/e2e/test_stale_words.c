/*
 * Words that calls have left behind on the stack keep no block: a host loses one whose address is at each of many
 * distances on the stack, and ends or searches in several ways, so that each of its places is overlaid by another word
 * of Mudlark's frames, of libc's that end a process or call handlers, and of a signal's.
 */
#define _GNU_SOURCE
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <stdio.h>

/* As far as libc's and Mudlark's frames at the end reach; the frame of main() has to be as large. */
enum { SLOTS = 82, TIMEOUT_S = 600 };

static const struct {
	const char *way;
	int status;
} ways[] = {
	{"return", 23},
	{"exit", 23},
	{"_exit", 23},
	{"quick_exit", 23},
	{"main_ended", 23},
	{"thread_pauses", 23},
	{"thread_reads", 23},
	{"check", 20}, /* what the program itself makes of the answer */
	{"handler_checks", 20},
	{"quick_handler_checks", 20},
	{"signal_handler_checks", 20},
	{"joined", 23},
	{"not_joined", 0},
};

START_TEST(lost_wherever_it_was)
{
	for (int slots = 0; slots < SLOTS; slots++) {
		char line[64];
		struct outcome outcome;
		snprintf(line, sizeof line, "stale_words %s %d", ways[_i].way, slots);
		struct command command = {.line = line, .preloaded = true, .options = "leaks=1"};
		runner_run(&command, &outcome);
		ck_assert_msg(outcome.status == ways[_i].status, "%s: status %d, not %d: %s", line, outcome.status,
			      ways[_i].status, outcome.err);
		runner_done(&outcome);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stale words");
	TCase *cases = tcase_create("stale words");
	tcase_set_timeout(cases, TIMEOUT_S);
	tcase_add_loop_test(cases, lost_wherever_it_was, 0, (int)(sizeof ways / sizeof ways[0]));
	suite_add_tcase(suite, cases);
	return runner_suite(suite);
}
