/*
 * What the marks of tests/e2e/python/places.py say, against the snapshots of the processes that made them.
 */
#ifndef TESTS_E2E_PYTHON_MARKS_H
#define TESTS_E2E_PYTHON_MARKS_H

#include "tests/e2e/lib/runner.h"

/*
 * Each expect.PID of the directory against that process's last snapshot; returns how many marks there were. Fails the
 * test where the frames of one are others than the interpreter said.
 */
size_t python_marks_check(const char *what, const char *directory, const struct briefs *briefs);

#endif
