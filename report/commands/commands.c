/*
 * The table of commands, and `mudlark help`, `mudlark completions`, which are about the table itself.
 */
#include "report/commands/commands.h"

#include "report/base/buffer.h"

#include <string.h>

const struct command *const mudlark_commands[] = {
	&run_command,    &snap_command,   &show_command, &diff_command,        &leaks_command,
	&refs_command,   &growth_command, &gate_command, &annotate_command,    &symbolize_command,
	&export_command, &doctor_command, &help_command, &completions_command, NULL,
};

const struct command *find_command(const char *name)
{
	for (const struct command *const *command = mudlark_commands; *command; command++)
		if (!strcmp((*command)->name, name))
			return *command;
	return NULL;
}

void commands_help(FILE *stream)
{
	fputs("usage: mudlark COMMAND [options] ...\n\n"
	      "Mudlark records every allocation of a program with its stack, writes snapshots of what is live, and\n"
	      "compares them.\n\n"
	      "Commands:\n",
	      stream);
	for (const struct command *const *command = mudlark_commands; *command; command++)
		if (!(*command)->hidden)
			fprintf(stream, "  %-10s  %s\n", (*command)->name, (*command)->summary);
	fputs("\n  mudlark COMMAND --help   the command's options\n"
	      "  mudlark --version        the version of the program and of the snapshots it reads\n\n"
	      "First steps:\n"
	      "  mudlark run ./server                       profile it; snapshots are written when it ends\n"
	      "  mudlark run --every 60 ./server            ... and every minute\n"
	      "  mudlark diff mudlark.server.*.1.mud mudlark.server.*.9.mud\n",
	      stream);
}

int unknown_command(const char *name, struct error *error)
{
	struct buffer list = {0};
	for (const struct command *const *command = mudlark_commands; *command; command++)
		if (!(*command)->hidden)
			buffer_format(&list, "%s%s", list.length ? ", " : "", (*command)->name);
	error_set(error, EXIT_USAGE, NULL,
		  name[0] == '-' ? "there is no option %s before a command" : "there is no command '%s'", name);
	error_hint(error, "the commands are %s; 'mudlark --help' describes them", buffer_string(&list));
	buffer_free(&list);
	return EXIT_USAGE;
}

static int no_options(void *context, int id, const char *argument, struct error *error)
{
	(void)context, (void)id, (void)argument, (void)error;
	return EXIT_FINE;
}

static int run_help(const struct command *command, int argc, char **argv, struct error *error)
{
	int first;
	int status = options_parse(command, argc, argv, no_options, NULL, &first, error);
	if (status != EXIT_FINE)
		return status;
	if (first == argc) {
		commands_help(stdout);
		return EXIT_FINE;
	}
	const struct command *about = find_command(argv[first]);
	if (!about)
		return unknown_command(argv[first], error);
	options_help(about, stdout);
	return EXIT_FINE;
}

static const struct option_spec none[] = {{0}};

const struct command help_command = {
	.name = "help",
	.operands = "[COMMAND]",
	.summary = "show a command's options",
	.description = "Shows the options of a command, or all commands.",
	.options = none,
	.operand_kind = ARGUMENT_NONE,
	.run = run_help,
};

static int run_completions(const struct command *command, int argc, char **argv, struct error *error)
{
	int first;
	int status = options_parse(command, argc, argv, no_options, NULL, &first, error);
	if (status != EXIT_FINE)
		return status;
	if (first + 1 != argc || !options_completions(argv[first], mudlark_commands, stdout))
		return options_operands(command, "name one shell: bash, zsh or fish", error);
	return EXIT_FINE;
}

const struct command completions_command = {
	.name = "completions",
	.operands = "bash|zsh|fish",
	.summary = "print shell completions",
	.description = "Prints the completions of mudlark's commands and options for a shell.",
	.options = none,
	.operand_kind = ARGUMENT_NONE,
	.hidden = true,
	.run = run_completions,
};
