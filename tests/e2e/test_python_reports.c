/*
 * What the reports say of Python programs, on every interpreter that is here: the bytes and blocks of each line as
 * Python's own tracemalloc counts them, the source with its figures, processes added up, and what doctor knows.
 */
#include "tests/e2e/lib/python_shell.h"
#include "tests/e2e/lib/pythons.h"
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

START_TEST(lines_hold_what_tracemalloc_says)
{
	const char *python = python_at(_i);
	expect(python, "$M run -q -o t.%%n.mud -- \"$P\" -B %s", PYTHON_PROGRAM("lines_kept.py"));
	expect(python, "\"$P\" -B %s theirs.json", PYTHON_PROGRAM("lines_kept.py"));
	expect(python, "$M show --json --by line --lang python --top 0 t.1.mud >ours.json");
	expect(python, "\"$P\" %s theirs.json ours.json", PYTHON_PROGRAM("compare_lines.py"));
	printf("%s: %s", python, python_shell_output());
}
END_TEST

START_TEST(sources_and_processes)
{
	const char *python = python_at(_i);
	expect(python, "$M run -q -o w.%%p.%%n.mud -- \"$P\" -B %s", PYTHON_PROGRAM("workers.py"));
	expect(python, "$M show --by process w.*.mud");
	expect_in(python, "3 processes, a snapshot of each");
	expect(python, "$M annotate --metric alloc-bytes \"$(ls w.*.mud | head -n 1)\" workers.py");
	expect_in(python, "= keep_some");
	expect_in(python, "kept.append([str(i) * 20 for i in range(count)])");
}
END_TEST

START_TEST(doctor_knows_the_interpreter)
{
	const char *python = python_at(_i);
	expect(python, "$M doctor \"$P\"");
	expect_in(python, "objects recorded, and stacks have Python lines");
}
END_TEST

int main(void)
{
	const struct python_found *all;
	int count = (int)pythons_supported(&all);
	Suite *suite = suite_create("python_reports");
	TCase *cases = tcase_create("all");
	tcase_add_checked_fixture(cases, python_shell_setup, python_shell_teardown);
	if (runner_expects_snapshots()) {
		tcase_add_loop_test(cases, lines_hold_what_tracemalloc_says, 0, count);
		tcase_add_loop_test(cases, sources_and_processes, 0, count);
		tcase_add_loop_test(cases, doctor_knows_the_interpreter, 0, count);
	}
	tcase_set_timeout(cases, 120);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
