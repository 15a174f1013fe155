/*
 * mudlark export: rows for other programs.
 *
 * folded: one line a stack, "outermost;...;innermost N", as flame graph tools read it. With BASE, N is the change
 * from BASE to the snapshot and may be negative; tools that cannot draw that are served by --filter and two exports.
 * json: what `mudlark show --json` prints, with all rows.
 */
#include "report/escape.h"
#include "report/heading.h"
#include "report/present.h"
#include "report/rows.h"
#include "report/show.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_FORMAT = 1, OPTION_OUTPUT, OPTION_BY };
#define FORMAT_CHOICES "folded|json"
enum format { FORMAT_FOLDED, FORMAT_JSON };

struct export_options {
	struct reading reading;
	const char *output;
	int format; /* -1: not given */
	bool grouped;
};

static int export_option(void *context, int id, const char *argument, struct error *error)
{
	struct export_options *options = context;
	switch (id) {
	case OPTION_FORMAT:
		options->format = options_choice(FORMAT_CHOICES, argument);
		return EXIT_FINE;
	case OPTION_OUTPUT:
		options->output = argument;
		return EXIT_FINE;
	default:
		options->grouped |= id == READING_BY;
		return reading_option(&options->reading, id, argument, error);
	}
}

static void fold_name(struct buffer *out, const struct location *location)
{
	if (location->function) {
		escape_folded(out, location->function);
		return;
	}
	buffer_byte(out, '[');
	escape_folded(out, location->module_name[0] ? location->module_name : "unknown");
	buffer_format(out, "+0x%" PRIx64 "]", location->address);
}

static void fold_row(const struct reading *reading, const struct row *row, struct buffer *line)
{
	const struct location **frames = NULL;
	size_t count = 0, capacity = 0;
	struct stack_walk walk = {0};
	const struct location *location;
	while ((location = stack_next(&walk, reading->names, row, &reading->group))) {
		must_grow(frames, count, capacity); /* NOLINT(bugprone-sizeof-expression): an array of pointers */
		frames[count++] = location;
	}
	if (row->cut)
		buffer_text(line, "[outer frames not recorded];");
	if (!count)
		buffer_text(line, "[no stack recorded]");
	for (size_t i = count; i-- > 0;) {
		fold_name(line, frames[i]);
		if (i)
			buffer_byte(line, ';');
	}
	free(frames);
}

static void write_folded(const struct reading *reading, const struct aggregate *aggregate, FILE *stream)
{
	/* Rows are stacks of addresses; a line is a stack of names, and equal lines are one. */
	struct intern lines = {0};
	int64_t *values = NULL;
	size_t capacity = 0;
	bool compare = reading->snapshot_count == 2;
	for (size_t i = 0; i < aggregate->row_count; i++) {
		const struct row *row = &aggregate->rows[i];
		struct buffer line = {0};
		fold_row(reading, row, &line);
		uint32_t known = lines.count, number = intern_bytes(&lines, line.data, line.length);
		buffer_free(&line);
		if (number > known) {
			must_grow(values, known, capacity);
			values[number - 1] = 0;
		}
		assert(values); /* the first number is 1, more than none known */
		uint64_t value = metric_value(&row->figures[compare ? 1 : 0], reading->metric);
		uint64_t base = compare ? metric_value(&row->figures[0], reading->metric) : 0;
		values[number - 1] = figure_change(base, (uint64_t)values[number - 1] + value);
	}
	for (uint32_t number = 1; number <= lines.count; number++)
		if (values[number - 1]) {
			fputs(intern_get(&lines, number), stream);
			fprintf(stream, " %" PRId64 "\n", values[number - 1]);
		}
	intern_free(&lines);
	free(values);
}

static int export_snapshot(struct export_options *options, char **paths, uint32_t count, struct error *error)
{
	struct reading *reading = &options->reading;
	/* Side 0 is the base, as in diff. */
	const char *const both[2] = {count == 2 ? paths[1] : paths[0], paths[0]};
	const struct presentation presentation = {
		.write = options->format == FORMAT_JSON ? show_json : write_folded,
		.output = options->output,
		.notes = true,
		.all_notes = true,
	};
	return present(reading, both, count, &presentation, error);
}

static int run_export(const struct command *command, int argc, char **argv, struct error *error)
{
	struct export_options options = {.format = -1};
	int first;
	reading_init(&options.reading);
	options.reading.top = 0;
	int status = options_parse(command, argc, argv, export_option, &options, &first, error);
	if (status == EXIT_FINE && options.format < 0)
		status = options_operands(command, "say which format: --format " FORMAT_CHOICES, error);
	else if (status == EXIT_FINE && (argc == first || argc - first > 2))
		status = options_operands(command, "name a snapshot, and at most one more as the base", error);
	else if (status == EXIT_FINE && options.format == FORMAT_JSON && argc - first == 2)
		status = error_set(error, EXIT_USAGE, "'mudlark diff --json --top 0 BASE SNAPSHOT' prints a difference",
				   "export: format json takes no BASE");
	else if (status == EXIT_FINE && options.format == FORMAT_FOLDED && options.grouped)
		status = error_set(error, EXIT_USAGE, "use --format json with --by",
				   "export: format folded is always by stack");
	if (status == EXIT_FINE)
		status = export_snapshot(&options, argv + first, (uint32_t)(argc - first), error);
	reading_free(&options.reading);
	return status;
}

static const struct option_spec options_table[] = {
	{OPTION_FORMAT, 'F', "format", "FORMAT", ARGUMENT_CHOICE, FORMAT_CHOICES,
	 "folded: one line a stack, for flame graphs; json: all rows of `mudlark show --json`"},
	{OPTION_OUTPUT, 'o', "output", "FILE", ARGUMENT_FILE, NULL,
	 "write to FILE, which appears whole or not at all (default '-', standard output)"},
	METRIC_OPTION,
	{READING_BY, 'b', "by", "GROUP", ARGUMENT_CHOICE, GROUPING_CHOICES,
	 "json only, what a row is: stack (the default), line, function, file, module, type, thread or process"},
	FILTER_OPTIONS,
	SKIP_OPTIONS,
	{READING_ALL_FRAMES, 0, "all-frames", NULL, ARGUMENT_NONE, NULL,
	 "json only, with --by: let a row belong to the innermost frame, whatever it is"},
	SYMBOL_OPTIONS,
	{0},
};

const struct command export_command = {
	.name = "export",
	.operands = "--format FORMAT SNAPSHOT [BASE]",
	.summary = "write a snapshot for other programs: folded stacks or JSON",
	.description = "Writes all rows of a snapshot in another format. With BASE, format folded gives the change "
		       "from BASE to "
		       "the snapshot: numbers may be negative, and stacks that did not change are left out. In names "
		       "';' becomes "
		       "':' and a line break a space.",
	.epilogue = "Exit status: 0; 2 wrong usage; 3 a snapshot cannot be read or FILE not be written.\n",
	.options = options_table,
	.operand_kind = ARGUMENT_FILE,
	.run = run_export,
};
