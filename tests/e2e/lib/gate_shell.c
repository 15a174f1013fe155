/* See gate_shell.h. */
#include "tests/e2e/lib/gate_shell.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int gate_shell(const char *directory, const char *script, struct outcome *outcome)
{
	char build[PATH_MAX], path_variable[2 * PATH_MAX], library_variable[PATH_MAX + 32];
	snprintf(build, sizeof build, "%s", runner_preload());
	snprintf(library_variable, sizeof library_variable, "MUDLARK_LIBRARY=%s", build);
	*strrchr(build, '/') = '\0';
	snprintf(path_variable, sizeof path_variable, "PATH=%s:%s", build, getenv("PATH"));
	struct command command = {.argv = {"sh", "-c", script},
				  .directory = directory,
				  .environment = {path_variable, library_variable, "H=" HOSTS_DIRECTORY,
						  "R=" SOURCE_DIRECTORY,
						  "MUDLARK_INCLUDE=" SOURCE_DIRECTORY "/preload/interface"},
				  .timeout_s = 60};
	runner_run(&command, outcome);
	return outcome->status;
}

void gate_expect(int status, const char *script, const char *says)
{
	struct outcome outcome;
	gate_shell(NULL, script, &outcome);
	ck_assert_msg(outcome.status == status, "%s: %d, not %d:\n%s\n%s", script, outcome.status, status, outcome.out,
		      outcome.err);
	ck_assert_msg(!says || strstr(outcome.out, says) || strstr(outcome.err, says), "%s does not say '%s':\n%s\n%s",
		      script, says, outcome.out, outcome.err);
	runner_done(&outcome);
}
