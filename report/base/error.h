/*
 * An error: what failed, why, and what to do next.
 *
 * Functions that can fail take a `struct error *`, fill it and return its code (or false / NULL, as their comment
 * states). Only main.c prints. So the same function serves the command, the tests and the fuzzer.
 */
#ifndef MUDLARK_ERROR_H
#define MUDLARK_ERROR_H

#include <limits.h>
#include <stdbool.h>

/* The exit codes of every command but `run`, which passes its child's on. */
enum exit_code {
	EXIT_FINE = 0,
	EXIT_JUDGED = 1,     /* asked to judge, and the answer is no (doctor) */
	EXIT_USAGE = 2,      /* the command line, or a target that cannot be profiled */
	EXIT_INPUT = 3,      /* something could not be read, written or reached */
	EXIT_INCOMPLETE = 4, /* incomplete data where completeness was asked for */
	EXIT_NOT_EXECUTABLE = 126,
	EXIT_NOT_FOUND = 127,
};

struct error {
	int code;                   /* enum exit_code; 0: nothing happened */
	char message[4 * PATH_MAX]; /* paths, and what is the matter with them */
	char hint[PATH_MAX];        /* empty: none */
};

/* Fills error and returns code. hint may be NULL. A message that does not fit ends with "...". */
int error_set(struct error *error, int code, const char *hint, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Replaces the hint. */
void error_hint(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints "mudlark: message" and "hint: ..." on stderr. Control characters are shown as '?'. */
void error_print(const struct error *error);

/* One line on stderr that is not an error: "mudlark: ...". Control characters are shown as '?'. */
void notice(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
