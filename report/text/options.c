/*
 * The parser and --help. getopt_long does the work; its messages are replaced by ours, which name the next step.
 */
#include "report/text/options.h"

#include "report/base/buffer.h"
#include "report/base/memory.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_LONG = 0x1000, HELP_COLUMN = 28, HELP_WIDTH = 96 };

static size_t count_options(const struct option_spec *options)
{
	size_t count = 0;
	while (options && options[count].id)
		count++;
	return count;
}

int options_choice(const char *choices, const char *value)
{
	size_t length = strlen(value);
	for (int position = 0; *choices; position++) {
		size_t size = strcspn(choices, "|");
		if (size == length && !strncmp(choices, value, size))
			return position;
		choices += size + (choices[size] == '|');
	}
	return -1;
}

bool options_number(const char *name, const char *value, unsigned long least, unsigned long most, unsigned long *out,
		    struct error *error)
{
	char *end;
	errno = 0;
	*out = strtoul(value, &end, 10);
	if (value[0] >= '0' && value[0] <= '9' && !*end && !errno && *out >= least && *out <= most)
		return true;
	error_set(error, EXIT_USAGE, NULL, "--%s requires an integer from %lu to %lu, got '%s'", name, least, most,
		  value);
	return false;
}

static int hint_help(const struct command *command, struct error *error)
{
	error_hint(error, "'mudlark %s --help' lists the options", command->name);
	return EXIT_USAGE;
}

int options_operands(const struct command *command, const char *what, struct error *error)
{
	error_set(error, EXIT_USAGE, NULL, "%s: %s", command->name, what);
	error_hint(error, "usage: mudlark %s [options] %s", command->name, command->operands);
	return EXIT_USAGE;
}

/* Reports getopt_long()'s complaint in our own words. */
static int refuse(const struct command *command, int result, char **argv, const struct option *longs,
		  struct error *error)
{
	const char *given = optind > 0 && argv[optind - 1] ? argv[optind - 1] : "";
	if (result == ':') {
		if (optopt >= FIRST_LONG)
			for (; longs->name; longs++)
				if (longs->val == optopt)
					given = longs->name;
		if (optopt >= FIRST_LONG)
			error_set(error, EXIT_USAGE, NULL, "%s: option --%s requires an argument", command->name,
				  given);
		else
			error_set(error, EXIT_USAGE, NULL, "%s: option -%c requires an argument", command->name,
				  optopt);
	} else if (optopt >= FIRST_LONG || (optopt == 0 && strchr(given, '=') && strncmp(given, "--", 2) == 0)) {
		/* A known option that takes no argument has optopt set to its value. */
		bool surplus = optopt >= FIRST_LONG;
		error_set(error, EXIT_USAGE, NULL,
			  surplus ? "%s: option %s takes no argument" : "%s: unknown option %s", command->name, given);
	} else if (optopt) {
		error_set(error, EXIT_USAGE, NULL, "%s: unknown option -%c", command->name, optopt);
	} else {
		error_set(error, EXIT_USAGE, NULL, "%s: unknown or ambiguous option %s", command->name, given);
	}
	return hint_help(command, error);
}

int options_parse(const struct command *command, int argc, char **argv, option_handler *handler, void *context,
		  int *first_operand, struct error *error)
{
	size_t count = count_options(command->options);
	struct option *longs = must_allocate(count + 2, sizeof *longs);
	struct buffer letters = {0};
	buffer_text(&letters, command->stops_at_operand ? "+:h" : ":h");
	for (size_t i = 0; i < count; i++) {
		const struct option_spec *spec = &command->options[i];
		longs[i] = (struct option){spec->name, spec->argument ? required_argument : no_argument, NULL,
					   FIRST_LONG + (int)i};
		if (spec->letter) {
			buffer_byte(&letters, spec->letter);
			if (spec->argument)
				buffer_byte(&letters, ':');
		}
	}
	longs[count] = (struct option){"help", no_argument, NULL, 'h'};

	int status = EXIT_FINE, result;
	optind = 0;
	opterr = 0;
	while (status == EXIT_FINE && (result = getopt_long(argc, argv, buffer_string(&letters), longs, NULL)) != -1) {
		const struct option_spec *spec = NULL;
		if (result == 'h') {
			options_help(command, stdout);
			status = OPTIONS_HELP_SHOWN;
			break;
		}
		if (result == '?' || result == ':') {
			status = refuse(command, result, argv, longs, error);
			break;
		}
		for (size_t i = 0; i < count && !spec; i++)
			if (result == FIRST_LONG + (int)i ||
			    (result < FIRST_LONG && result == command->options[i].letter))
				spec = &command->options[i];
		assert(spec); /* getopt knows the table's options only */
		if (spec->kind == ARGUMENT_CHOICE && options_choice(spec->choices, optarg) < 0) {
			error_set(error, EXIT_USAGE, NULL, "%s: --%s must be one of %s, got '%s'", command->name,
				  spec->name, spec->choices, optarg);
			status = hint_help(command, error);
		} else {
			status = handler(context, spec->id, optarg, error);
		}
	}
	*first_operand = optind;
	buffer_free(&letters);
	free(longs);
	return status;
}

/* --- help ------------------------------------------------------------------------------------------------------ */

/* Prints words in lines up to HELP_WIDTH; each line after the first starts at the indent. */
static void wrap(FILE *stream, const char *text, int indent)
{
	int column = indent;
	bool spaced = false;
	for (const char *word = text; *word;) {
		int length = (int)strcspn(word, " \n");
		if (spaced && column + 1 + length > HELP_WIDTH) {
			fprintf(stream, "\n%*s", indent, "");
			column = indent;
		} else if (spaced) {
			fputc(' ', stream);
			column++;
		}
		fwrite(word, 1, (size_t)length, stream);
		column += length;
		word += length;
		spaced = *word == ' ';
		if (*word)
			word++;
	}
	fputc('\n', stream);
}

static void help_option(FILE *stream, char letter, const char *name, const char *argument, const char *help)
{
	char left[128];
	int used = snprintf(left, sizeof left, "  %c%c%c --%s%s%s", letter ? '-' : ' ', letter ? letter : ' ',
			    letter ? ',' : ' ', name, argument ? " " : "", argument ? argument : "");
	fputs(left, stream);
	if (used + 2 > HELP_COLUMN)
		fprintf(stream, "\n%*s", HELP_COLUMN, "");
	else
		fprintf(stream, "%*s", HELP_COLUMN - used, "");
	wrap(stream, help, HELP_COLUMN);
}

void options_help(const struct command *command, FILE *stream)
{
	fprintf(stream, "usage: mudlark %s [options] %s\n\n", command->name, command->operands);
	wrap(stream, command->description, 0);
	fputs("\nOptions:\n", stream);
	for (const struct option_spec *spec = command->options; spec && spec->id; spec++)
		help_option(stream, spec->letter, spec->name, spec->argument, spec->help);
	help_option(stream, 'h', "help", NULL, "show this help");
	if (command->epilogue)
		fprintf(stream, "\n%s", command->epilogue);
}
