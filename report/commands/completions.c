/*
 * Shell completions from the tables of commands and options. They are complete: nothing in them is typed by hand, and
 * choices, files and directories complete as the parser accepts them.
 */
#include "report/base/memory.h"
#include "report/text/options.h"

#include <stdlib.h>
#include <string.h>

typedef void completion_writer(const struct command *const *commands, FILE *stream);

/* "a|b" with spaces for bars, as all three shells want lists. The caller frees. */
static char *choice_words(const char *choices)
{
	char *words = must_copy(choices);
	for (char *bar = words; (bar = strchr(bar, '|'));)
		*bar = ' ';
	return words;
}

/* --- bash ------------------------------------------------------------------------------------------------------ */

static void bash_value(FILE *stream, enum argument_kind kind, const char *choices)
{
	if (kind == ARGUMENT_CHOICE && choices) {
		char *words = choice_words(choices);
		fprintf(stream, "COMPREPLY=($(compgen -W '%s' -- \"$cur\"))", words);
		free(words);
	} else if (kind == ARGUMENT_FILE) {
		fputs("compopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\"))", stream);
	} else if (kind == ARGUMENT_DIRECTORY) {
		fputs("compopt -o filenames; COMPREPLY=($(compgen -d -- \"$cur\"))", stream);
	} else if (kind == ARGUMENT_COMMAND) {
		fputs("COMPREPLY=($(compgen -c -f -- \"$cur\"))", stream);
	} else if (kind == ARGUMENT_PID) {
		fputs("COMPREPLY=($(compgen -W \"$(cd /proc && echo [0-9]*)\" -- \"$cur\"))", stream);
	} else {
		fputs("COMPREPLY=()", stream);
	}
}

static void bash_command(const struct command *command, FILE *stream)
{
	fprintf(stream, "\t%s)\n\t\tcase $prev in\n", command->name);
	for (const struct option_spec *spec = command->options; spec->id; spec++) {
		if (!spec->argument)
			continue;
		if (spec->letter)
			fprintf(stream, "\t\t-%c|--%s) ", spec->letter, spec->name);
		else
			fprintf(stream, "\t\t--%s) ", spec->name);
		bash_value(stream, spec->kind, spec->choices);
		fputs("; return ;;\n", stream);
	}
	fputs("\t\tesac\n\t\tif [[ $cur == -* ]]; then\n\t\t\tCOMPREPLY=($(compgen -W '", stream);
	for (const struct option_spec *spec = command->options; spec->id; spec++)
		fprintf(stream, "--%s ", spec->name);
	fputs("--help' -- \"$cur\"))\n\t\telse\n\t\t\t", stream);
	bash_value(stream, command->operand_kind, NULL);
	fputs("\n\t\tfi ;;\n", stream);
}

static void write_bash(const struct command *const *commands, FILE *stream)
{
	fputs("# bash completion for mudlark, made by 'mudlark completions bash'\n_mudlark()\n{\n"
	      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n\tCOMPREPLY=()\n"
	      "\tif ((COMP_CWORD == 1)); then\n\t\tCOMPREPLY=($(compgen -W '",
	      stream);
	for (const struct command *const *command = commands; *command; command++)
		if (!(*command)->hidden)
			fprintf(stream, "%s ", (*command)->name);
	fputs("--help --version' -- \"$cur\"))\n\t\treturn\n\tfi\n", stream);
	/* Behind the command that run starts, that command's own completion is called. */
	fputs("\tcase ${COMP_WORDS[1]} in\n", stream);
	for (const struct command *const *command = commands; *command; command++)
		if (!(*command)->hidden && strcmp((*command)->name, "help") != 0)
			bash_command(*command, stream);
	fputs("\thelp)\n\t\tCOMPREPLY=($(compgen -W '", stream);
	for (const struct command *const *command = commands; *command; command++)
		if (!(*command)->hidden)
			fprintf(stream, "%s ", (*command)->name);
	fputs("' -- \"$cur\")) ;;\n\tesac\n}\ncomplete -F _mudlark mudlark\n", stream);
}

/* --- zsh and fish quote help in single quotes ------------------------------------------------------------------ */

/* The first line or sentence part of a help text, quoted for the inside of '...'. */
static void quoted(FILE *stream, const char *text, const char *escaped, const char *quote)
{
	for (; *text && *text != '\n'; text++) {
		if (*text == '\'')
			fputs(quote, stream);
		else if (strchr(escaped, *text))
			fprintf(stream, "\\%c", *text);
		else
			fputc(*text, stream);
	}
}

static void zsh_action(FILE *stream, enum argument_kind kind, const char *choices)
{
	if (kind == ARGUMENT_CHOICE && choices) {
		char *words = choice_words(choices);
		fprintf(stream, "(%s)", words);
		free(words);
	} else if (kind == ARGUMENT_FILE) {
		fputs("_files", stream);
	} else if (kind == ARGUMENT_DIRECTORY) {
		fputs("_files -/", stream);
	} else if (kind == ARGUMENT_PID) {
		fputs("_pids", stream);
	} else {
		fputc(' ', stream);
	}
}

static void zsh_command(const struct command *command, FILE *stream)
{
	fprintf(stream, "\t%s)\n\t\t_arguments -s%s \\\n", command->name, command->stops_at_operand ? " -A '-*'" : "");
	for (const struct option_spec *spec = command->options; spec->id; spec++) {
		for (int form = spec->letter ? 0 : 1; form < 2; form++) {
			fputs("\t\t\t'*", stream);
			if (form)
				fprintf(stream, "--%s%s", spec->name, spec->argument ? "=" : "");
			else
				fprintf(stream, "-%c%s", spec->letter, spec->argument ? "+" : "");
			fputc('[', stream);
			quoted(stream, spec->help, "[]:\\", "'\\''");
			fputc(']', stream);
			if (spec->argument) {
				fprintf(stream, ":%s:", spec->name);
				zsh_action(stream, spec->kind, spec->choices);
			}
			fputs("' \\\n", stream);
		}
	}
	fputs("\t\t\t'--help[show the options]' \\\n\t\t\t", stream);
	if (command->operand_kind == ARGUMENT_COMMAND) {
		fputs("'(-):command:_command_names -e' '*::arguments:_normal'", stream);
	} else {
		fputs("'*:operand:", stream);
		zsh_action(stream, command->operand_kind, NULL);
		fputc('\'', stream);
	}
	fputs(" ;;\n", stream);
}

static void write_zsh(const struct command *const *commands, FILE *stream)
{
	fputs("#compdef mudlark\n# zsh completion for mudlark, made by 'mudlark completions zsh'\n"
	      "local -a mudlark_commands\nmudlark_commands=(\n",
	      stream);
	for (const struct command *const *command = commands; *command; command++)
		if (!(*command)->hidden) {
			fprintf(stream, "\t'%s:", (*command)->name);
			quoted(stream, (*command)->summary, ":\\", "'\\''");
			fputs("'\n", stream);
		}
	fputs(")\nif (( CURRENT == 2 )); then\n\t_describe command mudlark_commands\n"
	      "\t_arguments '--help[show the commands]' '--version[show the version]'\n\treturn\nfi\n"
	      "shift words\n(( CURRENT-- ))\ncase $words[1] in\n",
	      stream);
	for (const struct command *const *command = commands; *command; command++)
		if (!(*command)->hidden && strcmp((*command)->name, "help") != 0)
			zsh_command(*command, stream);
	fputs("\thelp)\n\t\t_describe command mudlark_commands ;;\nesac\n", stream);
}

static void fish_command(const struct command *command, FILE *stream)
{
	for (const struct option_spec *spec = command->options; spec->id; spec++) {
		fprintf(stream, "complete -c mudlark -n '__fish_seen_subcommand_from %s' -l %s", command->name,
			spec->name);
		if (spec->letter)
			fprintf(stream, " -s %c", spec->letter);
		if (spec->kind == ARGUMENT_CHOICE) {
			char *words = choice_words(spec->choices);
			fprintf(stream, " -x -a '%s'", words);
			free(words);
		} else if (spec->kind == ARGUMENT_FILE) {
			fputs(" -r -F", stream);
		} else if (spec->kind == ARGUMENT_DIRECTORY) {
			fputs(" -x -a '(__fish_complete_directories)'", stream);
		} else if (spec->argument) {
			fputs(" -x", stream);
		}
		fputs(" -d '", stream);
		quoted(stream, spec->help, "\\", "\\'");
		fputs("'\n", stream);
	}
	fprintf(stream, "complete -c mudlark -n '__fish_seen_subcommand_from %s' -l help -s h -d 'show the options'\n",
		command->name);
	if (command->operand_kind == ARGUMENT_FILE)
		fprintf(stream, "complete -c mudlark -n '__fish_seen_subcommand_from %s' -F\n", command->name);
	else if (command->operand_kind == ARGUMENT_PID)
		fprintf(stream,
			"complete -c mudlark -n '__fish_seen_subcommand_from %s' -x -a '(__fish_complete_pids)'\n",
			command->name);
	else if (command->operand_kind == ARGUMENT_COMMAND)
		fprintf(stream,
			"complete -c mudlark -n '__fish_seen_subcommand_from %s' -x -a "
			"'(__fish_complete_subcommand)'\n",
			command->name);
}

static void write_fish(const struct command *const *commands, FILE *stream)
{
	fputs("# fish completion for mudlark, made by 'mudlark completions fish'\ncomplete -c mudlark -f\n"
	      "complete -c mudlark -n __fish_use_subcommand -l help -d 'show the commands'\n"
	      "complete -c mudlark -n __fish_use_subcommand -l version -d 'show the version'\n",
	      stream);
	for (const struct command *const *command = commands; *command; command++)
		if (!(*command)->hidden) {
			fprintf(stream, "complete -c mudlark -n __fish_use_subcommand -a %s -d '", (*command)->name);
			quoted(stream, (*command)->summary, "\\", "\\'");
			fputs("'\n", stream);
			if ((*command)->options)
				fish_command(*command, stream);
		}
}

bool options_completions(const char *shell, const struct command *const *commands, FILE *stream)
{
	static const struct {
		const char *shell;
		completion_writer *write;
	} writers[] = {{"bash", write_bash}, {"zsh", write_zsh}, {"fish", write_fish}};
	for (size_t i = 0; i < sizeof writers / sizeof *writers; i++)
		if (!strcmp(shell, writers[i].shell)) {
			writers[i].write(commands, stream);
			return true;
		}
	return false;
}
