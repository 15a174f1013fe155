/*
 * The interpreters that the tests run, in one place: Debian's python3, what MUDLARK_TEST_PYTHONS names (a list with
 * colons), pyenv's (PYENV_ROOT, ~/.pyenv), and python3.N in PATH. Each once, whatever leads to it.
 */
#ifndef TESTS_E2E_PYTHONS_H
#define TESTS_E2E_PYTHONS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* A Python program of the tests. */
#define PYTHON_PROGRAM(name) SOURCE_DIRECTORY "/tests/e2e/python/" name

enum { PYTHONS_MAX = 24, PYTHON_OLDEST_MINOR = 8, PYTHON_NEWEST_MINOR = 14 };

struct python_found {
	char path[PATH_MAX];
	char library[PATH_MAX]; /* libpython; empty: it is not there */
	char include[PATH_MAX]; /* its headers, where they would be */
	char prefix[PATH_MAX];  /* for PYTHONHOME */
	unsigned minor;         /* of 3.x */
	bool is_debug;          /* a debug build */
	bool is_free_threaded;  /* a build without the GIL */
	bool has_tests;         /* CPython's own suites are installed */
	bool has_greenlet, has_numpy;
};

/* CPython of any version from 3.8 on. The first call asks each of them; none: the count is 0. */
size_t pythons_all(const struct python_found **found);
/* Those whose frames are to be recorded: known versions, built as they usually are. */
size_t pythons_supported(const struct python_found **found);

#endif
