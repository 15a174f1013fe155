/*
 * mudlark: finds the command, runs it, prints its error, and exits with its status.
 */
#include "report/base/output.h"
#include "report/commands/commands.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static int finish_output(int status, struct error *error)
{
	int number = output_flush(stdout);
	if (number && number != EPIPE && !error->code)
		return error_set(error, EXIT_INPUT, NULL, "standard output: cannot write it: %s", strerror(number));
	return status;
}

int main(int argc, char **argv)
{
	struct error error = {0};
	int status;
	setlocale(LC_CTYPE, "");
	if (argc < 2) {
		commands_help(stderr);
		return EXIT_USAGE;
	}
	const struct command *command = find_command(argv[1]);
	/* Report a closed pipe as EPIPE, except in run: its child must inherit SIGPIPE unchanged. */
	if (command != &run_command)
		signal(SIGPIPE, SIG_IGN);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		commands_help(stdout);
		status = EXIT_FINE;
	} else if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		printf("mudlark %s (snapshot format %d.%d)\n", MUDLARK_VERSION, SNAPSHOT_MAJOR, SNAPSHOT_MINOR);
		status = EXIT_FINE;
	} else if (command) {
		status = command->run(command, argc - 1, argv + 1, &error);
	} else {
		status = unknown_command(argv[1], &error);
	}
	if (status == OPTIONS_HELP_SHOWN)
		status = EXIT_FINE;
	status = finish_output(status, &error);
	if (error.code)
		error_print(&error);
	return status;
}
