/*
 * mudlark export: rows for other programs.
 *
 * folded: one line a stack, "outermost;...;innermost N", as flame graph tools read it. With BASE, N is the change
 * from BASE to the snapshot and may be negative; tools that cannot draw that are served by --filter and two exports.
 * json: what `mudlark show --json` prints, with all rows.
 */
#include "report/base/escape.h"
#include "report/base/pair_table.h"
#include "report/commands/commands.h"
#include "report/snapshot/heading.h"
#include "report/views/present.h"
#include "report/views/rows.h"
#include "report/views/show.h"

#include <inttypes.h>
#include <stdlib.h>

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

/*
 * Rows are stacks of addresses; a line is a stack of names, and equal lines are one. A few hundred kilobytes of a trie
 * spell out gigabytes of lines, so none is kept: a line is a node in a trie of names, and written name by name.
 */
struct folding {
	struct intern names;
	uint32_t *name_of;       /* by location; 0: not asked for yet */
	struct pair_table nodes; /* of the caller's node (0: none) and a name */
	int64_t *values;         /* by node - 1 */
	size_t capacity;
	uint32_t *stack; /* names of one row, innermost first */
	size_t stack_capacity;
};

static void frame_name(struct buffer *out, const struct location *location)
{
	if (location->function) {
		escape_folded(out, location->function);
		return;
	}
	buffer_byte(out, '[');
	escape_folded(out, location->module_name[0] ? location->module_name : "unknown");
	buffer_format(out, "+0x%" PRIx64 "]", location->address);
}

static uint32_t fold_name(struct folding *folding, const struct names *names, const struct location *location)
{
	uint32_t *name = &folding->name_of[location - names->locations];
	if (!*name) {
		struct buffer text = {0};
		frame_name(&text, location);
		*name = intern_text(&folding->names, buffer_string(&text));
		buffer_free(&text);
	}
	return *name;
}

/* The node of one more name. */
static uint32_t fold_inwards(struct folding *folding, uint32_t node, uint32_t name)
{
	uint32_t known = folding->nodes.count, inner = pair_number(&folding->nodes, node, name);
	if (inner > known) {
		must_grow(folding->values, known, folding->capacity);
		folding->values[inner - 1] = 0;
	}
	return inner;
}

/* The node of a whole row. */
static uint32_t fold_row(struct folding *folding, const struct reading *reading, const struct row *row)
{
	size_t count = 0;
	struct stack_walk walk = {0};
	const struct location *location;
	while ((location = stack_next(&walk, reading->names, row, &reading->group))) {
		must_grow(folding->stack, count, folding->stack_capacity);
		folding->stack[count++] = fold_name(folding, reading->names, location);
	}
	uint32_t node = 0;
	if (row->cut)
		node = fold_inwards(folding, node, intern_text(&folding->names, "[outer frames not recorded]"));
	if (!count)
		node = fold_inwards(folding, node, intern_text(&folding->names, "[no stack recorded]"));
	while (count)
		node = fold_inwards(folding, node, folding->stack[--count]);
	return node;
}

static void write_line(struct folding *folding, uint32_t node, FILE *stream)
{
	size_t count = 0;
	int64_t value = folding->values[node - 1];
	if (!value)
		return; /* nothing changed, or it was written for another row */
	folding->values[node - 1] = 0;
	for (; node; node = (uint32_t)folding->nodes.pairs[node - 1].first) {
		must_grow(folding->stack, count, folding->stack_capacity);
		folding->stack[count++] = (uint32_t)folding->nodes.pairs[node - 1].second;
	}
	while (count) {
		fputs(intern_get(&folding->names, folding->stack[--count]), stream);
		if (count)
			fputc(';', stream);
	}
	fprintf(stream, " %" PRId64 "\n", value);
}

static void write_folded(const struct reading *reading, const struct aggregate *aggregate, FILE *stream)
{
	const struct names *names = reading->names;
	struct folding folding = {.name_of = must_allocate(names->location_count + 1, sizeof *folding.name_of)};
	uint32_t *nodes = must_allocate(aggregate->row_count + 1, sizeof *nodes);
	bool compare = reading->snapshot_count == 2;
	for (size_t i = 0; i < aggregate->row_count; i++) {
		const struct row *row = &aggregate->rows[i];
		uint64_t value = metric_value(&row->figures[compare ? 1 : 0], reading->metric);
		uint64_t base = compare ? metric_value(&row->figures[0], reading->metric) : 0;
		nodes[i] = fold_row(&folding, reading, row);
		int64_t *sum = &folding.values[nodes[i] - 1];
		*sum = figure_change(base, (uint64_t)*sum + value);
	}
	for (size_t i = 0; i < aggregate->row_count && !ferror(stream); i++)
		write_line(&folding, nodes[i], stream);
	free(nodes);
	free(folding.stack);
	free(folding.name_of);
	free(folding.values);
	pair_table_free(&folding.nodes);
	intern_free(&folding.names);
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
		status = options_operands(command, "choose a format: --format " FORMAT_CHOICES, error);
	else if (status == EXIT_FINE && (argc == first || argc - first > 2))
		status = options_operands(command, "name a snapshot, and at most one more as the base", error);
	else if (status == EXIT_FINE && options.format == FORMAT_JSON && argc - first == 2)
		status = error_set(error, EXIT_USAGE, "'mudlark diff --json --top 0 BASE SNAPSHOT' prints a difference",
				   "export: format json takes no BASE");
	else if (status == EXIT_FINE && options.format == FORMAT_FOLDED && options.grouped)
		status = error_set(error, EXIT_USAGE, "use --format json with --by",
				   "export: format folded is always by stack");
	else if (status == EXIT_FINE && options.format == FORMAT_FOLDED && options.reading.frames != FRAMES_AUTO)
		status = error_set(error, EXIT_USAGE, "use --format json with --frames",
				   "export: format folded has its frames in its lines");
	if (status == EXIT_FINE)
		status = reading_check_frames(&options.reading, command->name, error);
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
	 "json only, what a row represents: stack (the default), line, function, file, module, type, thread or "
	 "process"},
	FILTER_OPTIONS,
	SKIP_OPTIONS,
	FRAMES_OPTION,
	{READING_ALL_FRAMES, 0, "all-frames", NULL, ARGUMENT_NONE, NULL,
	 "json only, with --by: assign each row to its innermost frame, whatever that is"},
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
	.epilogue = "Exit status: 0; 2 wrong usage; 3 a snapshot cannot be read or FILE cannot be written.\n",
	.options = options_table,
	.operand_kind = ARGUMENT_FILE,
	.run = run_export,
};
