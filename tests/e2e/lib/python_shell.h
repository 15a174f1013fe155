/*
 * Shell lines in a test's own directory, with $M for the mudlark command and $P for the interpreter that the test is
 * about; what a line prints is kept for the next expectation.
 */
#ifndef TESTS_E2E_PYTHON_SHELL_H
#define TESTS_E2E_PYTHON_SHELL_H

#include <check.h>
#include <string.h>

#include "tests/e2e/lib/pythons.h"

/* The directory, made and removed by a checked fixture. */
void python_shell_setup(void);
void python_shell_teardown(void);

/* The status as of system(3); without a limit of its own: the test case's holds. */
int python_shell(const char *python, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What the last line printed, on stdout and stderr; one static buffer. */
const char *python_shell_output(void);

#define expect(python, ...)                                                                                            \
	ck_assert_msg(python_shell(python, __VA_ARGS__) == 0, "%s: %s", python, python_shell_output())
#define expect_in(python, words)                                                                                       \
	ck_assert_msg(strstr(python_shell_output(), words), "%s: '%s' is not in: %s", python, words,                   \
		      python_shell_output())

/* The interpreter of a loop test's number, of those whose frames are recorded. */
const char *python_at(int number);

#endif
