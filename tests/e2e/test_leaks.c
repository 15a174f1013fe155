/*
 * The search for leaks: shapes of lost memory with what memcheck says of them, and what a program notices of the
 * search. Where Valgrind and LeakSanitizer are there, they are asked for each shape on which they must agree.
 */
#define _GNU_SOURCE
#include "tests/e2e/lib/leak_verdict.h"
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Bytes and blocks: definite, indirect, possible. */
struct shape {
	const char *name;
	unsigned long figures[6];
	int status;
	bool differs; /* from memcheck, by intent: reason in the comment beside it */
};

/* Where LeakSanitizer must say something else than the shape's definite and indirect blocks together. */
static const struct {
	const char *shape;
	bool compared;
	unsigned long bytes, blocks; /* that it says */
} sanitizer_differs[] = {
	{"tagged", true, 80, 1},           /* it knows no tags */
	{"in_mapping", true, 64, 1},       /* what the program maps itself is no root for it */
	{"zero_sized", true, 1, 1},        /* a block of nothing counts one byte */
	{"thread_argument", false, 0, 0},  /* its older versions do not see what a thread was given */
	{"many_threads", false, 0, 0},     /* likewise */
	{"unreadable", false, 0, 0},       /* it crashes at such a page */
	{"_exit", false, 0, 0},            /* it checks at exit() only */
	{"quick_exit", false, 0, 0},       /* likewise */
	{"own_quick_status", false, 0, 0}, /* likewise */
};

static const struct shape shapes[] = {
	{"none", {0}, 0, false},
	{"blocks", {1000, 10}, 23, false},
	{"list", {64, 1, 1216, 19}, 23, false},
	{"cycle", {64, 1, 128, 2}, 23, false},
	{"tree", {64, 1, 1920, 30}, 23, false},
	{"cycle_with_tail", {64, 1, 704, 11}, 23, false},
	{"kept_tree", {0}, 0, false},
	{"interior", {0, 0, 0, 0, 128, 2}, 0, false},
	{"past_end", {64, 1}, 23, false},
	{"slack", {65, 1}, 23, false},
	{"new_array", {0}, 0, false},
	{"second_base", {0}, 0, false},
	{"no_second_base", {0, 0, 0, 0, 48, 1}, 0, false},
	{"new_array_of_none", {0}, 0, true},      /* its manual names this one as wrong */
	{"tagged", {0, 0, 0, 0, 80, 1}, 0, true}, /* it knows no tags */
	{"low_tag", {0}, 0, true},                /* likewise */
	{"by_thread", {0}, 0, false},
	{"in_mapping", {0}, 0, false},
	{"in_freed", {64, 1}, 23, false},
	{"large", {500000, 2}, 23, false},
	{"zero_sized", {0, 1}, 23, false},
	{"unreadable", {0}, 0, false},
	{"thread_argument", {0}, 0, true}, /* ld.so's blocks are possible leaks there */
	{"many_threads", {0}, 0, true},
	{"blocked_signals", {0}, 0, true},
	{"signal_thread", {0}, 0, true},
	{"register_only", {0}, 0, true},
	{"dead_stack", {64, 1}, 23, true}, /* likewise */
	{"_exit", {1000, 10}, 23, false},
	{"quick_exit", {1000, 10}, 23, false},
	{"own_quick_status", {1000, 10}, 5, false},
	{"own_status", {1000, 10}, 5, false},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static void check_verdict(const struct shape *shape, const struct leak_verdict *verdict)
{
	const char *text = verdict->text;
	for (int kind = VERDICT_DEFINITE; kind <= VERDICT_POSSIBLE; kind++) {
		ck_assert_msg(verdict->bytes[kind] == shape->figures[2 * kind], "%s: kind %d: %lu bytes: %s",
			      shape->name, kind, verdict->bytes[kind], text);
		ck_assert_msg(verdict->blocks[kind] == shape->figures[2 * kind + 1], "%s: kind %d: %lu blocks: %s",
			      shape->name, kind, verdict->blocks[kind], text);
	}
	ck_assert_msg(strstr(text, "not certain") == NULL, "%s: %s", shape->name, text);
}

static void run_shape(const struct shape *shape, void (*prepare)(void))
{
	char line[64];
	struct outcome outcome;
	struct leak_verdict verdict;
	snprintf(line, sizeof line, "leak_shapes %s", shape->name);
	struct command command = {.line = line, .preloaded = true, .options = "leaks=1", .prepare = prepare};
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == shape->status, "%s: status %d: %s", line, outcome.status, outcome.err);
	ck_assert_str_eq(outcome.err, "");
	leak_verdict_of(outcome.directory, &verdict);
	check_verdict(shape, &verdict);
	runner_done(&outcome);
}

START_TEST(shape_is_known)
{
	run_shape(&shapes[_i], NULL);
}
END_TEST

/* All of our verdicts that ought to be memcheck's are. */
START_TEST(memcheck_agrees)
{
	static const char *const names[] = {"definitely lost: ", "indirectly lost: ", "possibly lost: "};
	const struct shape *shape = &shapes[_i];
	if (shape->differs)
		return;
	if (!runner_has_program("valgrind")) {
		runner_skip("valgrind is not installed");
		return;
	}
	struct command command = {.argv = {"valgrind", "--leak-check=full", "--show-leak-kinds=all",
					   runner_host_path("leak_shapes"), shape->name},
				  .timeout_s = 60};
	struct outcome outcome;
	runner_run(&command, &outcome);
	for (int kind = VERDICT_DEFINITE; kind <= VERDICT_POSSIBLE && runner_memcheck_ran(&outcome); kind++) {
		unsigned long bytes = 0, blocks = 0;
		if (strstr(outcome.err, names[kind]))
			leak_line_read(outcome.err, names[kind], &bytes, &blocks);
		ck_assert_msg(bytes == shape->figures[2 * kind] && blocks == shape->figures[2 * kind + 1],
			      "%s: memcheck says %s%lu bytes in %lu blocks", shape->name, names[kind], bytes, blocks);
	}
	runner_done(&outcome);
}
END_TEST

/* "Direct leak of 64 byte(s) in 1 object(s) allocated from:", and Indirect ones: all together. */
static void read_sanitizer(const char *text, unsigned long *bytes, unsigned long *blocks)
{
	*bytes = *blocks = 0;
	for (const char *line = strstr(text, "irect leak of "); line; line = strstr(line + 1, "irect leak of ")) {
		unsigned long more_bytes, more_blocks;
		ck_assert_int_eq(sscanf(line, "irect leak of %lu byte(s) in %lu object(s)", &more_bytes, &more_blocks),
				 2);
		*bytes += more_bytes;
		*blocks += more_blocks;
	}
}

/* As memcheck, but that LeakSanitizer has another notion of what is lost with what: the sum is the same. */
START_TEST(sanitizer_agrees)
{
	const struct shape *shape = &shapes[_i];
	unsigned long expected_bytes = shape->figures[0] + shape->figures[2], bytes;
	unsigned long expected_blocks = shape->figures[1] + shape->figures[3], blocks;
	struct outcome outcome;
	for (size_t i = 0; i < sizeof sanitizer_differs / sizeof sanitizer_differs[0]; i++) {
		if (strcmp(sanitizer_differs[i].shape, shape->name) != 0)
			continue;
		if (!sanitizer_differs[i].compared)
			return;
		expected_bytes = sanitizer_differs[i].bytes;
		expected_blocks = sanitizer_differs[i].blocks;
	}
	if (access(runner_host_path("leak_shapes_sanitized"), X_OK) != 0) {
		runner_skip("LeakSanitizer's library is not installed");
		return;
	}
	struct command command = {.argv = {runner_host_path("leak_shapes_sanitized"), shape->name}};
	runner_run(&command, &outcome);
	if (strstr(outcome.err, "LeakSanitizer has encountered a fatal error")) {
		runner_skip("LeakSanitizer does not run here: it needs ptrace");
	} else {
		read_sanitizer(outcome.err, &bytes, &blocks);
		ck_assert_msg(bytes == expected_bytes && blocks == expected_blocks,
			      "%s: LeakSanitizer says %lu bytes in %lu blocks", shape->name, bytes, blocks);
	}
	runner_done(&outcome);
}
END_TEST

/* --exitcode, and the options of LeakSanitizer's users. */
START_TEST(status_is_chosen)
{
	static const struct {
		const char *options, *environment;
		int status;
	} cases[] = {
		{"leaks=1:exitcode=9", NULL, 9},
		{"leaks=1:exitcode=0", NULL, 0},
		{"leaks=0", NULL, 0},
		{"leaks=1", "LSAN_OPTIONS=exitcode=17", 17},
		{"leaks=1", "LSAN_OPTIONS=detect_leaks=0", 0},
		{"leaks=1", "LSAN_OPTIONS=max_leaks=3:leak_check_at_exit=0", 0},
		{"leaks=1", "LSAN_OPTIONS=detect_leaks=0:leak_check_at_exit=1", 0},
		{"leaks=1:exitcode=0", "LSAN_OPTIONS=exitcode=17", 0},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct command command = {.line = "leak_shapes list",
					  .preloaded = true,
					  .options = cases[i].options,
					  .environment = {cases[i].environment}};
		struct outcome outcome;
		runner_run(&command, &outcome);
		ck_assert_msg(outcome.status == cases[i].status, "%s %s: status %d", cases[i].options,
			      cases[i].environment ? cases[i].environment : "", outcome.status);
		runner_done(&outcome);
	}
}
END_TEST

/* Blocks that sampling left out are lost all the same; only there is no stack that a gate could know again. */
START_TEST(unrecorded_blocks_count)
{
	static const struct {
		const char *judge;
		int leaks, none; /* statuses */
	} judges[] = {{"leaks --judge", 1, 0}, {"gate --fail-on definite", 4, 0}};
	static const char *const shapes_asked[] = {"blocks", "none"};
	for (int i = 0; i < 2; i++) {
		char line[3 * PATH_MAX], words[64];
		struct outcome outcome;
		snprintf(words, sizeof words, "leak_shapes %s", shapes_asked[i]);
		struct command command = {.line = words, .preloaded = true, .options = "leaks=1:sample=1G"};
		runner_run(&command, &outcome);
		ck_assert_msg(outcome.status == (i == 0 ? 23 : 0), "%s: status %d", words, outcome.status);
		for (size_t k = 0; k < sizeof judges / sizeof judges[0]; k++) {
			snprintf(line, sizeof line, "%s %s %s/*.mud >/dev/null 2>&1", tool_path(), judges[k].judge,
				 outcome.directory);
			int status = system(line), expected = i == 0 ? judges[k].leaks : judges[k].none;
			ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == expected, "%s: %d", line, status);
		}
		runner_done(&outcome);
		struct command run = {.argv = {tool_path(), "run", "--leaks", "--sample", "1G",
					       runner_host_path("leak_shapes"), shapes_asked[i]}};
		runner_run(&run, &outcome);
		ck_assert_msg(outcome.status == (i == 0 ? 23 : 0), "%s: run: %d: %s", words, outcome.status,
			      outcome.err);
		ck_assert_msg(!strstr(outcome.err, "which sampling left out") == (i != 0), "%s", outcome.err);
		runner_done(&outcome);
	}
}
END_TEST

/* What the program exports for LeakSanitizer counts; its user's word comes after it. */
START_TEST(program_is_asked)
{
	static const struct {
		const char *line, *environment;
		int status;
	} cases[] = {
		{"lsan_annotated", NULL, 9},        {"lsan_annotated", "LSAN_OPTIONS=exitcode=10", 10},
		{"lsan_annotated off", NULL, 0},    {"many_root_regions 200", NULL, 0},
		{"many_root_regions 400", NULL, 4},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct command command = {.line = cases[i].line,
					  .preloaded = true,
					  .options = "leaks=1",
					  .environment = {cases[i].environment}};
		struct outcome outcome;
		runner_run(&command, &outcome);
		ck_assert_msg(outcome.status == cases[i].status, "%s %s: status %d", cases[i].line,
			      cases[i].environment ? cases[i].environment : "", outcome.status);
		runner_done(&outcome);
	}
}
END_TEST

/* Who waits in the kernel when another thread ends the process is not woken by the search: its wait would be over. */
START_TEST(thread_ends_the_process)
{
	static const struct {
		const char *line;
		int status;
	} cases[] = {{"ends_in_a_thread 5", 5}, {"ends_in_a_thread 0", 0}, {"ends_in_a_thread 0 loses", 23}};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct command command = {.line = cases[i].line, .preloaded = true, .options = "leaks=1"};
		struct outcome outcome;
		struct briefs briefs;
		runner_run(&command, &outcome);
		ck_assert_msg(outcome.status == cases[i].status, "%s: status %d", cases[i].line, outcome.status);
		runner_briefs(outcome.directory, "ends_in_a_thread", &briefs);
		ck_assert_msg(briefs.count == 1, "%s: %zu snapshots", cases[i].line, (size_t)briefs.count);
		runner_briefs_free(&briefs);
		runner_done(&outcome);
	}
}
END_TEST

/* The search adds no block to those that it judges, in a program without any. */
START_TEST(search_leaves_nothing)
{
	struct command command = {.line = "leak_shapes none", .preloaded = true, .options = "leaks=1"};
	struct outcome outcome;
	struct briefs briefs;
	runner_run(&command, &outcome);
	ck_assert_int_eq(outcome.status, 0);
	runner_briefs(outcome.directory, command.line, &briefs);
	ck_assert_uint_eq(briefs.count, 1);
	ck_assert_uint_eq(briefs.at[0].totals[TOTAL_LIVE_BLOCKS], 0);
	runner_briefs_free(&briefs);
	runner_done(&outcome);
}
END_TEST

/* A fork's child is judged by what it allocated itself, and gives its own status. */
START_TEST(child_is_judged)
{
	struct command command = {.line = "leak_shapes child", .preloaded = true, .options = "leaks=1"};
	struct outcome outcome;
	runner_run(&command, &outcome);
	ck_assert_int_eq(outcome.status, 23);
	ck_assert_str_eq(outcome.out, "child 23\n");
	runner_done(&outcome);
}
END_TEST

/* What the library's own allocator remembers of a block of several GiB is no pointer to it. */
START_TEST(large_block_is_lost)
{
	struct command command = {.line = "loses_gigabytes", .preloaded = true, .options = "leaks=1"};
	struct outcome outcome;
	runner_run(&command, &outcome);
	ck_assert_int_eq(outcome.status, 23);
	runner_done(&outcome);
}
END_TEST

/* From outside, of a process that lives, with a thread that only its own registers keep a block for. */
START_TEST(living_process)
{
	static const char *const modes[] = {"snapshot=auto", "snapshot=inline"};
	for (int i = 0; i < 2; i++) {
		char line[3 * PATH_MAX];
		struct leak_verdict verdict;
		struct running running;
		struct outcome outcome;
		struct command command = {.line = "leak_shapes list 3", .preloaded = true, .options = modes[i]};
		runner_start(&command, &running);
		runner_sleep_ms(500);
		snprintf(line, sizeof line, "%s snap --leaks %d >/dev/null", tool_path(), running.outcome.pid);
		ck_assert_int_eq(system(line), 0);
		snprintf(line, sizeof line, "ls %s/*.mud | wc -l | grep -qx 1", running.outcome.directory);
		ck_assert_int_eq(system(line), 0);
		leak_verdict_of(running.outcome.directory, &verdict);
		ck_assert_msg(verdict.blocks[VERDICT_DEFINITE] == 1 && verdict.bytes[VERDICT_DEFINITE] == 64, "%s: %s",
			      modes[i], verdict.text);
		ck_assert_msg(verdict.blocks[VERDICT_INDIRECT] == 19, "%s: %s", modes[i], verdict.text);
		runner_finish(&running, &outcome);
		ck_assert_msg(outcome.status == 0, "%s: status %d: %s", modes[i], outcome.status, outcome.err);
		runner_done(&outcome);
	}
}
END_TEST

/* Memory that a copy of the process lacks is counted; the process itself reads it. */
START_TEST(memory_kept_from_copies)
{
	static const char unread[] = "1,048,576 bytes could not be read in the search for leaks";
	static const char *const modes[] = {"snapshot=fork:at_exit=0", "snapshot=inline:at_exit=0"};
	for (int i = 0; i < 2; i++) {
		bool forked = i == 0;
		char line[3 * PATH_MAX];
		struct leak_verdict verdict;
		struct running running;
		struct outcome outcome;
		struct command command = {.line = "kept_from_copies", .preloaded = true, .options = modes[i]};
		runner_start(&command, &running);
		ck_assert(runner_wait_for_file(running.outcome.directory, "ready", 20));
		snprintf(line, sizeof line, "%s snap --leaks %d >/dev/null && touch %s/end", tool_path(),
			 running.outcome.pid, running.outcome.directory);
		ck_assert_int_eq(system(line), 0);
		leak_verdict_of(running.outcome.directory, &verdict);
		ck_assert_msg(verdict.bytes[VERDICT_DEFINITE] == (forked ? 77 : 0), "%s: %s", modes[i], verdict.text);
		ck_assert_msg(!strstr(verdict.text, "could not be read") == !forked, "%s: %s", modes[i], verdict.text);
		ck_assert_msg(!forked || strstr(verdict.text, unread), "%s: %s", modes[i], verdict.text);
		/* Neither a leak nor its absence is reported as certain. */
		snprintf(line, sizeof line, "%s/*.mud", running.outcome.directory);
		ck_assert_int_eq(leak_judge(line), forked ? 4 : 0);
		runner_finish(&running, &outcome);
		ck_assert_msg(outcome.status == 0, "%s: status %d: %s", modes[i], outcome.status, outcome.err);
		runner_done(&outcome);
	}
}
END_TEST

/* Under a tracer nothing of it is refused: no ptrace is used. */
START_TEST(under_strace)
{
	if (!runner_has_program("strace")) {
		runner_skip("strace is not installed");
		return;
	}
	char preload[PATH_MAX + 16];
	snprintf(preload, sizeof preload, "LD_PRELOAD=%s", runner_preload());
	struct command command = {.argv = {"strace", "-f", "-o", "/dev/null", "-E", preload, "-E",
					   "MUDLARK_OPTIONS=leaks=1", runner_host_path("leak_shapes"), "many_threads"},
				  .timeout_s = 60};
	struct outcome outcome;
	runner_run(&command, &outcome);
	ck_assert_msg(outcome.status == 0, "status %d: %s", outcome.status, outcome.err);
	runner_done(&outcome);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("leaks");
	TCase *tests = tcase_create("leaks");
	tcase_set_timeout(tests, 120);
	tcase_add_loop_test(tests, shape_is_known, 0, SHAPES);
	tcase_add_loop_test(tests, memcheck_agrees, 0, SHAPES);
	tcase_add_loop_test(tests, sanitizer_agrees, 0, SHAPES);
	tcase_add_test(tests, status_is_chosen);
	tcase_add_test(tests, program_is_asked);
	tcase_add_test(tests, unrecorded_blocks_count);
	tcase_add_test(tests, thread_ends_the_process);
	tcase_add_test(tests, search_leaves_nothing);
	tcase_add_test(tests, child_is_judged);
	tcase_add_test(tests, large_block_is_lost);
	tcase_add_test(tests, living_process);
	tcase_add_test(tests, memory_kept_from_copies);
	tcase_add_test(tests, under_strace);
	suite_add_tcase(suite, tests);
	return runner_suite(suite);
}
