/*
 * The commands, one per file, and the options that all commands which read snapshots share.
 */
#ifndef MUDLARK_COMMANDS_H
#define MUDLARK_COMMANDS_H

#include "report/analysis/aggregate.h"
#include "report/text/options.h"
#include "report/text/table.h"

extern const struct command run_command, snap_command, show_command, diff_command, leaks_command, refs_command,
	growth_command, gate_command, symbolize_command, export_command, annotate_command, doctor_command, help_command,
	completions_command;

/* In the order of `mudlark --help`; ends with NULL. */
extern const struct command *const mudlark_commands[];

/* NULL when there is none of this name. */
const struct command *find_command(const char *name);
/* The overview that `mudlark --help` and `mudlark help` print. */
void commands_help(FILE *stream);
/* Fills error: there is no such command, these are there. Returns EXIT_USAGE. */
int unknown_command(const char *name, struct error *error);

#endif
