/*
 * CPython: the frames of its stacks, against what the interpreter itself says of them, on every interpreter that is
 * here (pythons.h). The programs are in tests/e2e/python.
 */
#define _GNU_SOURCE
#include "tests/e2e/lib/python_lines.h"
#include "tests/e2e/lib/python_marks.h"
#include "tests/e2e/lib/pythons.h"
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct python_found *python_at(int i, const char **name)
{
	static char text[PATH_MAX + 16];
	const struct python_found *all;
	size_t count = pythons_supported(&all);
	ck_assert((size_t)i < count);
	snprintf(text, sizeof(text), "3.%u, %s", all[i].minor, all[i].path);
	*name = text;
	return &all[i];
}

static void ends_well(const char *name, const struct outcome *outcome)
{
	ck_assert_msg(outcome->status == 0 && outcome->err[0] == '\0', "%s: status %d\n%s%s", name, outcome->status,
		      outcome->out, outcome->err);
}

/*
 * Up to 3.9 there is no place on the C stack for the frames of a thread that has no GIL while it is in a
 * subinterpreter: os.listdir() there.
 */
static void nothing_is_lost(const char *name, unsigned minor, const struct brief *brief)
{
	static const int never[] = {LOSS_TABLE_FULL, LOSS_UNWIND_FAILED, LOSS_UNREADABLE, LOSS_PYTHON_BROKEN};
	ck_assert_msg(brief->losses[LOSS_PYTHON_UNMERGED] <= (minor < 10 ? 20 : 0), "%s: %s: %lu unmerged", name,
		      brief->name, brief->losses[LOSS_PYTHON_UNMERGED]);
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		ck_assert_msg(brief->losses[never[i]] == 0, "%s: %s: loss %d: %lu", name, brief->name, never[i],
			      brief->losses[never[i]]);
	ck_assert_msg(!brief->has_python || brief->python[PYTHON_STACKS] == 1, "%s: %s", name,
		      brief->python_text[PYTHON_REASON]);
}

static const char *const stack_cases[] = {"plain",   "generators", "coroutines", "callbacks",       "c_calls",
					  "threads", "texts",      "forks",      "subinterpreters", "greenlets"};

static void check_stacks(const struct python_found *python, const char *name, const char *options,
			 const char *const *cases, size_t count)
{
	struct command command = {.argv = {python->path, "-B", PYTHON_PROGRAM("stacks.py")},
				  .preloaded = true,
				  .options = options,
				  .timeout_s = 60};
	struct outcome outcome;
	struct briefs briefs;
	for (size_t i = 0, words = 3; i < count; i++)
		if (strcmp(cases[i], "greenlets") != 0 || python->has_greenlet)
			command.argv[words++] = cases[i];
	runner_run(&command, &outcome);
	ends_well(name, &outcome);
	runner_briefs(outcome.directory, name, &briefs);
	size_t marks = python_marks_check(name, outcome.directory, &briefs);
	ck_assert_msg(marks > count, "%s: %zu marks", name, marks);
	for (size_t i = 0; i < briefs.count; i++)
		nothing_is_lost(name, python->minor, &briefs.at[i]);
	runner_briefs_free(&briefs);
	runner_done(&outcome);
}

START_TEST(stacks_are_exact)
{
	const char *name;
	const struct python_found *python = python_at(_i, &name);
	if (runner_expects_snapshots())
		check_stacks(python, name, "peak=0:at_exit=2", stack_cases,
			     sizeof(stack_cases) / sizeof(stack_cases[0]));
}
END_TEST

/* --- what is hard on the walk: depth, code that dies, signals, threads, greenlets --- */

static const char *const stress_cases[] = {"deep", "dying", "signals", "short_threads", "greenlet_storm"};

START_TEST(under_stress)
{
	const char *name;
	const struct python_found *python = python_at(_i, &name);
	bool long_run = getenv("MUDLARK_TEST_LONG") != NULL;
	for (size_t i = 0; runner_expects_snapshots() && i < sizeof(stress_cases) / sizeof(stress_cases[0]); i++) {
		struct command command = {
			.argv = {python->path, "-B", "-W", "ignore", PYTHON_PROGRAM("stress.py"), stress_cases[i]},
			.environment = {long_run ? "SHORT_THREADS=20000" : "SHORT_THREADS=500"},
			.preloaded = true,
			.options = "peak=0",
			.timeout_s = 100};
		struct outcome outcome;
		struct briefs briefs;
		uint64_t cut = 0;
		if (strcmp(stress_cases[i], "greenlet_storm") == 0 && !python->has_greenlet)
			continue;
		runner_run(&command, &outcome);
		ends_well(name, &outcome);
		runner_briefs(outcome.directory, name, &briefs);
		size_t marks = python_marks_check(name, outcome.directory, &briefs);
		ck_assert_uint_eq(marks, strcmp(stress_cases[i], "dying") == 0 ? 1500 : 1);
		for (size_t k = 0; k < briefs.count; k++) {
			ck_assert_msg(briefs.at[k].losses[LOSS_PYTHON_BROKEN] == 0, "%s: %s: %lu chains are broken",
				      name, stress_cases[i], briefs.at[k].losses[LOSS_PYTHON_BROKEN]);
			cut += briefs.at[k].losses[LOSS_PYTHON_CUT];
		}
		ck_assert_msg((cut > 0) == (i == 0), "%s: %s: %lu cut", name, stress_cases[i], cut);
		runner_briefs_free(&briefs);
		runner_done(&outcome);
	}
}
END_TEST

/* --- truth: what lives, by line, as tracemalloc counts it --- */

enum { LINES_MAX = 1000 };

struct line_figures {
	uint64_t bytes[LINES_MAX], blocks[LINES_MAX];
};

static void read_tracemalloc(const char *text, struct line_figures *figures)
{
	uint64_t line, bytes, blocks;
	int used;
	for (; sscanf(text, "%lu %lu %lu%n", &line, &bytes, &blocks, &used) == 3; text += used) {
		ck_assert_uint_lt(line, LINES_MAX);
		figures->bytes[line] = bytes;
		figures->blocks[line] = blocks;
	}
}

/* Each live block counts for the innermost Python frame, if that is in the file. */
static void sum_lines(const struct brief *brief, const char *file, struct line_figures *figures)
{
	for (uint64_t id = 1; id <= brief->sites; id++) {
		struct python_frame frame;
		const struct brief_site *site = &brief->site[id];
		if (site->live_blocks == 0 || python_frames(brief, site->stack, &frame, 1) == 0)
			continue;
		size_t length = strlen(frame.file), wanted = strlen(file);
		if (length < wanted || strcmp(frame.file + length - wanted, file) != 0)
			continue;
		ck_assert_uint_lt(frame.line, LINES_MAX);
		figures->bytes[frame.line] += site->live_bytes;
		figures->blocks[frame.line] += site->live_blocks;
	}
}

START_TEST(equal_to_tracemalloc)
{
	const char *name;
	const struct python_found *python = python_at(_i, &name);
	static struct line_figures theirs, ours;
	struct outcome traced, recorded;
	struct briefs briefs;
	size_t lines = 0;
	if (!runner_expects_snapshots())
		return;
	struct command tracemalloc = {.argv = {python->path, "-B", PYTHON_PROGRAM("truth.py"), "tracemalloc"},
				      .timeout_s = 60};
	struct command mudlark = {.argv = {python->path, "-B", PYTHON_PROGRAM("truth.py"), "snapshot"},
				  .preloaded = true,
				  .options = "peak=0:at_exit=0",
				  .timeout_s = 60};
	runner_run(&tracemalloc, &traced);
	runner_run(&mudlark, &recorded);
	ends_well(name, &traced);
	ends_well(name, &recorded);
	runner_briefs(recorded.directory, name, &briefs);
	ck_assert_uint_eq(briefs.count, 1);
	read_tracemalloc(traced.out, &theirs);
	sum_lines(&briefs.at[0], "/truth_work.py", &ours);
	for (size_t line = 0; line < LINES_MAX; line++) {
		lines += theirs.blocks[line] != 0;
		ck_assert_msg(ours.bytes[line] == theirs.bytes[line] && ours.blocks[line] == theirs.blocks[line],
			      "%s: line %zu: tracemalloc: %lu bytes in %lu blocks; Mudlark: %lu in %lu", name, line,
			      theirs.bytes[line], theirs.blocks[line], ours.bytes[line], ours.blocks[line]);
	}
	ck_assert_uint_ge(lines, 60);
	runner_briefs_free(&briefs);
	runner_done(&traced);
	runner_done(&recorded);
}
END_TEST

/* --- ways to start it, and what the snapshot says of them --- */

static const struct {
	const char *argument[3], *environment, *options;
	enum snapshot_objects objects;
} starts[] = {
	{{NULL}, NULL, NULL, OBJECTS_RECORDED},
	{{"-I"}, NULL, NULL, OBJECTS_RECORDED},
	{{"-E"}, NULL, NULL, OBJECTS_RECORDED},
	{{"-S", "-s"}, NULL, "python=objects", OBJECTS_RECORDED},
	{{NULL}, NULL, "python=arenas", OBJECTS_ARENAS},
	{{NULL}, NULL, "python=off", OBJECTS_ARENAS},
	{{"-X", "dev"}, NULL, NULL, OBJECTS_ARENAS},
	{{"-X", "dev"}, NULL, "python=arenas", OBJECTS_ARENAS},
	{{"-X", "tracemalloc"}, NULL, NULL, OBJECTS_RECORDED},
	{{"-X", "tracemalloc"}, NULL, "python=arenas", OBJECTS_ARENAS},
	{{"-X", "tracemalloc"}, "PYTHONMALLOC=debug", NULL, OBJECTS_ARENAS},
	{{NULL}, "PYTHONMALLOC=malloc", NULL, OBJECTS_RECORDED},
	{{NULL}, "PYTHONMALLOC=malloc", "python=arenas", OBJECTS_RECORDED},
	{{"-I"}, "PYTHONMALLOC=malloc", "python=arenas", OBJECTS_ARENAS},
	{{NULL}, "PYTHONMALLOC=debug", NULL, OBJECTS_ARENAS},
	{{NULL}, "PYTHONMALLOC=malloc_debug", NULL, OBJECTS_RECORDED},
	{{NULL}, "PYTHONMALLOC=pymalloc", NULL, OBJECTS_ARENAS},
	{{NULL}, "PYTHONMALLOC=pymalloc_debug", NULL, OBJECTS_ARENAS},
};

/* Blocks that the place allocated: 1000 objects of 133 bytes. */
static uint64_t blocks_of_line(const struct brief *brief, uint64_t line)
{
	uint64_t blocks = 0;
	for (uint64_t id = 1; id <= brief->sites; id++) {
		struct python_frame frame;
		if (python_frames(brief, brief->site[id].stack, &frame, 1) && strcmp(frame.file, "<string>") == 0 &&
		    frame.line == line)
			blocks += brief->site[id].live_blocks;
	}
	return blocks;
}

static void check_start(const struct python_found *python, const char *name, size_t i)
{
	struct command command = {.argv = {python->path}, .preloaded = true, .options = starts[i].options};
	struct outcome outcome;
	struct briefs briefs;
	size_t words = 1;
	for (size_t k = 0; k < 3 && starts[i].argument[k]; k++)
		command.argv[words++] = starts[i].argument[k];
	command.argv[words++] = "-c";
	command.argv[words] = "import ctypes\nx = [bytes(100) for _ in range(1000)]\n"
			      "ctypes.CDLL(None).mudlark_snapshot(b'')";
	command.environment[0] = starts[i].environment;
	runner_run(&command, &outcome);
	ends_well(runner_name(&command), &outcome);
	runner_briefs(outcome.directory, name, &briefs);
	ck_assert_uint_ge(briefs.count, 1);
	const struct brief *brief = &briefs.at[0];
	bool off = starts[i].options && strcmp(starts[i].options, "python=off") == 0;
	ck_assert_msg(brief->python[PYTHON_OBJECTS] == starts[i].objects && brief->python[PYTHON_STACKS] == !off,
		      "%s: %s %s: objects %lu, expected %d; stacks %lu; %s", name, runner_name(&command),
		      starts[i].environment ? starts[i].environment : "", brief->python[PYTHON_OBJECTS],
		      starts[i].objects, brief->python[PYTHON_STACKS], off ? "" : brief->python_text[PYTHON_REASON]);
	uint64_t blocks = blocks_of_line(brief, 2);
	if (starts[i].objects == OBJECTS_RECORDED)
		ck_assert_msg(blocks >= 1000, "%s: %s: %lu blocks of 1000", name, runner_name(&command), blocks);
	else if (!starts[i].argument[1]) /* tracemalloc itself allocates for each */
		ck_assert_msg(blocks < 100, "%s: %s: %lu blocks", name, runner_name(&command), blocks);
	/* At its end the interpreter says what pymalloc has, where that has anything; with tracemalloc on top it does
	 * not. */
	const char *stats = briefs.at[briefs.count - 1].python_text[PYTHON_MALLOC_STATS];
	bool pymalloc = starts[i].objects == OBJECTS_ARENAS && !off;
	bool traced = starts[i].argument[1] && strcmp(starts[i].argument[1], "tracemalloc") == 0;
	ck_assert_msg(traced || pymalloc == (stats && strstr(stats, "# arenas allocated current") != NULL),
		      "%s: %s: %s", name, runner_name(&command), stats ? stats : "no statistics of pymalloc");
	runner_briefs_free(&briefs);
	runner_done(&outcome);
}

START_TEST(each_start)
{
	const char *name;
	const struct python_found *python = python_at(_i, &name);
	if (!runner_expects_snapshots())
		return;
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		check_start(python, name, i);
}
END_TEST

int main(void)
{
	const struct python_found *all;
	int count = (int)pythons_supported(&all);
	Suite *suite = suite_create("python");
	TCase *tests = tcase_create("python");
	tcase_set_timeout(tests, 200);
	for (int i = 0; i < count; i++)
		printf("python 3.%u: %s\n", all[i].minor, all[i].path);
	tcase_add_loop_test(tests, stacks_are_exact, 0, count);
	tcase_add_loop_test(tests, under_stress, 0, count);
	tcase_add_loop_test(tests, equal_to_tracemalloc, 0, count);
	tcase_add_loop_test(tests, each_start, 0, count);
	suite_add_tcase(suite, tests);
	return runner_suite(suite);
}
