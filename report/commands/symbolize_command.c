/*
 * mudlark symbolize: the snapshot with the names of its frames in it, readable on any machine.
 *
 * Every other section is copied byte for byte, so a snapshot of a later minor version loses nothing.
 */
#include "report/base/output.h"
#include "report/commands/commands.h"
#include "report/snapshot/write.h"
#include "report/views/reading.h"

#include <stdlib.h>
#include <string.h>

enum { OPTION_OUTPUT = 1 };

struct symbolize_options {
	struct reading reading;
	const char *output;
};

static int symbolize_option(void *context, int id, const char *argument, struct error *error)
{
	struct symbolize_options *options = context;
	if (id == OPTION_OUTPUT) {
		options->output = argument;
		return EXIT_FINE;
	}
	return reading_option(&options->reading, id, argument, error);
}

static int symbolize(struct symbolize_options *options, const char *path, struct error *error)
{
	size_t size;
	unsigned char *bytes = snapshot_file_bytes(path, &size, error);
	if (!bytes)
		return error->code;
	struct reading *reading = &options->reading;
	struct snapshot *snapshot = snapshot_decode(bytes, size, path, 0, error);
	struct output output;
	int status = EXIT_INPUT;
	if (snapshot) {
		reading->snapshots[reading->snapshot_count++] = snapshot;
		reading_open_names(reading);
		struct buffer section = {0}, file = {0};
		names_encode(reading->names, 0, &section);
		snapshot_add_symbols(bytes, size, &section, &file);
		if (output_open(&output, options->output, OUTPUT_PRIVATE, error)) {
			fwrite(file.data, 1, file.length, output.stream);
			status = output_close(&output, error);
		}
		buffer_free(&section);
		buffer_free(&file);
		print_symbol_notes(reading->names, true);
	}
	free(bytes);
	return status;
}

static int run_symbolize(const struct command *command, int argc, char **argv, struct error *error)
{
	struct symbolize_options options = {0};
	int first;
	reading_init(&options.reading);
	int status = options_parse(command, argc, argv, symbolize_option, &options, &first, error);
	if (status == EXIT_FINE && argc - first != 1)
		status = options_operands(command, first == argc ? "name a snapshot" : "name one snapshot only", error);
	if (status == EXIT_FINE && !options.output)
		status = options_operands(command, "name the output file: -o OUT", error);
	if (status == EXIT_FINE)
		status = symbolize(&options, argv[first], error);
	reading_free(&options.reading);
	return status;
}

static const struct option_spec options_table[] = {
	{OPTION_OUTPUT, 'o', "output", "OUT", ARGUMENT_FILE, NULL,
	 "write the snapshot with names to OUT; '-' is standard output; may be the snapshot itself"},
	SYMBOL_OPTIONS,
	{0},
};

const struct command symbolize_command = {
	.name = "symbolize",
	.operands = "SNAPSHOT -o OUT",
	.summary = "add names to a snapshot, so that it can be read on any machine",
	.description =
		"Resolves every frame of a snapshot to functions, files and lines and writes the snapshot with these "
		"names in it. show, diff and export then need neither the programs nor their debug information.",
	.epilogue = "Exit status: 0; 2 wrong usage; 3 the snapshot cannot be read or OUT cannot be written.\n",
	.options = options_table,
	.operand_kind = ARGUMENT_FILE,
	.run = run_symbolize,
};
