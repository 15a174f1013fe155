/*
 * Lines of the shell with mudlark in PATH, as a CI job has them: $H is the directory of the hosts, $R that of the
 * sources.
 */
#ifndef TESTS_E2E_GATE_SHELL_H
#define TESTS_E2E_GATE_SHELL_H

#include "tests/e2e/lib/runner.h"

/* Runs it in the directory; NULL: a fresh one. The exit status; runner_done() is the caller's. */
int gate_shell(const char *directory, const char *script, struct outcome *outcome);
/* Fails unless it ends with the status and prints `says` (NULL: anything) on stdout or stderr. */
void gate_expect(int status, const char *script, const char *says);

#endif
