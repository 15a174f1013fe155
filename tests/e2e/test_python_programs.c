/*
 * Python programs as people have them: numpy's arrays and pandas' frames by the Python line that asked for them, to
 * the byte; a parent with its multiprocessing workers, and reports over the snapshots of them all.
 */
#include "tests/e2e/lib/python_shell.h"
#include "tests/e2e/lib/pythons.h"
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* Whether the interpreter has the package; says so when it has not. */
static bool has_package(const char *python, const char *package)
{
	bool has = python_shell(python, "\"$P\" -c 'import %s'", package) == 0;
	if (!has)
		runner_skip("%s: %s is not installed", python, package);
	return has;
}

/* Records the program and keeps what is said of all its stacks in rows.json. */
static void record(const char *python, const char *program)
{
	expect(python, "$M run -q -o one.mud -- \"$P\" -B %s", program);
	expect(python, "$M show --json --by stack --frames rows --top 0 one.mud 2>notes >rows.json || cat notes");
}

#define expect_rows(python, program, function)                                                                         \
	expect(python, "\"$P\" %s rows.json %s %s", PYTHON_PROGRAM("rows_of.py"), program, function)

/* An array's numbers are one block of exactly their size, at the line that made the array. */
START_TEST(numpys_arrays)
{
	static const char program[] = PYTHON_PROGRAM("numpy_arrays.py");
	const char *python = python_at(_i);
	if (!has_package(python, "numpy"))
		return;
	record(python, program);
	expect_rows(python, program, "one_of_zeros");
	expect_in(python, "1048576 bytes in 1 blocks, 1048576 allocated: kept.append(numpy.zeros(131072))");
	expect_rows(python, program, "many_of_ones");
	expect_in(python, "400000 bytes in 100 blocks, 400000 allocated: kept.append(numpy.ones((10, 50)))");
	expect_rows(python, program, "copied");
	expect_in(python, "40000 bytes in 1 blocks, 40000 allocated: kept.append(whole[::3].copy())");
	expect_in(python, "0 bytes in 0 blocks, 120000 allocated: whole = numpy.arange(30000, dtype=numpy.int32)");
	expect_rows(python, program, "grown");
	expect_in(python, "70000 bytes in 1 blocks, 70000 allocated: array.resize(70000, refcheck=False)");
}
END_TEST

/* Both columns are copied into the frame far below the line that asks for it; what they were copied from is gone. */
START_TEST(pandas_frames)
{
	static const char program[] = PYTHON_PROGRAM("pandas_frames.py");
	const char *python = python_at(_i);
	if (!has_package(python, "pandas"))
		return;
	record(python, program);
	expect_rows(python, program, "build_frame");
	expect_in(python, "800000 bytes in 2 blocks, 800000 allocated: return pandas.DataFrame({");
	expect_in(python, "0 bytes in 0 blocks, 400000 allocated: return pandas.DataFrame({");
	expect_rows(python, program, "squares");
	expect_in(python, "400000 bytes in 1 blocks, 400000 allocated: return frame[\"number\"] * frame[\"number\"]");
	expect(python, "$M annotate --callees --bytes one.mud pandas_frames.py 2>notes || cat notes");
	expect_in(python, "= build_frame");
}
END_TEST

enum { FORK, SPAWN, FORKSERVER };

/*
 * How workers are started, and the records of the three processes, together and each: a forked worker has its parent's
 * as well. A server's workers are forked from the server, which has none.
 */
static const struct {
	const char *way, *total, *smaller, *larger;
} ways[] = {
	[FORK] = {"fork", "\n 1,300,000 1,300 ", "\n 430,000 430 ", "\n 470,000 470 "},
	[SPAWN] = {"spawn", "\n 500,000 500 ", "\n 30,000 30 ", "\n 70,000 70 "},
	[FORKSERVER] = {"forkserver", "\n 500,000 500 ", "\n 30,000 30 ", "\n 70,000 70 "},
};

START_TEST(parent_and_workers)
{
	static const char report[] =
		"$M show --by %s --bytes --filter make_record w.*.mud 2>notes >report || cat notes;"
		" sed 's/^ */ /' report | tr -s ' '";
	/* Two ways on every interpreter; after these, the third on the first. */
	const struct python_found *all;
	int count = (int)pythons_supported(&all), way = _i < 2 * count ? _i % 2 : FORKSERVER;
	const char *python = python_at(_i < 2 * count ? _i / 2 : 0);
	expect(python, "$M run -q -o w.%%p.mud -- \"$P\" -B %s %s", PYTHON_PROGRAM("multiprocessing_workers.py"),
	       ways[way].way);
	expect(python, report, "line");
	expect_in(python, ways[way].total);
	expect_in(python, "_workers.py:10 (make_record)"); /* a long path is cut in front */
	expect(python, report, "process");
	expect_in(python, ways[way].total);
	expect_in(python, "\n 400,000 400 ");
	expect_in(python, ways[way].smaller);
	expect_in(python, ways[way].larger);
}
END_TEST

int main(void)
{
	const struct python_found *all;
	int count = (int)pythons_supported(&all);
	Suite *suite = suite_create("python programs");
	TCase *cases = tcase_create("all");
	tcase_add_checked_fixture(cases, python_shell_setup, python_shell_teardown);
	tcase_set_timeout(cases, 200);
	if (runner_expects_snapshots()) {
		tcase_add_loop_test(cases, numpys_arrays, 0, count);
		tcase_add_loop_test(cases, pandas_frames, 0, count);
		tcase_add_loop_test(cases, parent_and_workers, 0, count ? 2 * count + 1 : 0);
	}
	suite_add_tcase(suite, cases);
	return runner_suite(suite);
}
