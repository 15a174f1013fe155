/*
 * One table per command. It drives the parser, --help and the shell completions, so that these cannot disagree.
 */
#ifndef MUDLARK_OPTIONS_H
#define MUDLARK_OPTIONS_H

#include "report/base/error.h"

#include <stddef.h>
#include <stdio.h>

enum argument_kind {
	ARGUMENT_WORD, /* nothing to complete */
	ARGUMENT_FILE,
	ARGUMENT_DIRECTORY,
	ARGUMENT_CHOICE,  /* one of `choices` */
	ARGUMENT_COMMAND, /* operands only: a program and its arguments */
	ARGUMENT_PID,
	ARGUMENT_NONE,
};

/* Ends with an all-zero entry. */
struct option_spec {
	int id;      /* given to the handler; not 0 */
	char letter; /* 0: long only */
	const char *name;
	const char *argument; /* as shown in --help; NULL: takes none */
	enum argument_kind kind;
	const char *choices; /* "a|b|c"; checked by the parser */
	const char *help;
};

struct command {
	const char *name;
	const char *operands; /* as shown in --help */
	const char *summary;  /* one line */
	const char *description;
	const char *epilogue; /* examples, exit status; NULL: none */
	const struct option_spec *options;
	enum argument_kind operand_kind;
	bool stops_at_operand; /* what follows the first operand belongs to it (run, doctor) */
	bool hidden;
	/* argv[0] is the command's name. Returns the exit status; a filled error is printed by main. */
	int (*run)(const struct command *command, int argc, char **argv, struct error *error);
};

/* argument is NULL for options without one. Returns EXIT_FINE or fills error. */
typedef int option_handler(void *context, int id, const char *argument, struct error *error);

enum { OPTIONS_HELP_SHOWN = -1 };

/*
 * Parses argv[1..]; afterwards the operands are argv[*first_operand..argc-1] (options and operands may be mixed unless
 * stops_at_operand). Returns EXIT_FINE, EXIT_USAGE with error filled, what the handler returned, or
 * OPTIONS_HELP_SHOWN after --help was printed on stdout. Calls the handler in the order of the arguments.
 */
int options_parse(const struct command *command, int argc, char **argv, option_handler *handler, void *context,
		  int *first_operand, struct error *error);

/* Position of value in "a|b|c", or -1. */
int options_choice(const char *choices, const char *value);
/* A whole number in least..most; fills error (EXIT_USAGE) and returns false otherwise. */
bool options_number(const char *name, const char *value, unsigned long least, unsigned long most, unsigned long *out,
		    struct error *error);

/* Fills error: too many or too few operands. Returns EXIT_USAGE. */
int options_operands(const struct command *command, const char *what, struct error *error);

void options_help(const struct command *command, FILE *stream);

/* shell: "bash", "zsh" or "fish"; commands ends with NULL. Returns false for another shell. */
bool options_completions(const char *shell, const struct command *const *commands, FILE *stream);

#endif
