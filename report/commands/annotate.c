/*
 * mudlark annotate: a source file with the bytes and blocks of each line.
 *
 * It shows the lines with figures, some lines around each, and the line of a function's definition if it is known. The
 * sum of a function is above its lines. Omitted lines are marked.
 */
#include "report/analysis/annotated.h"
#include "report/analysis/source_text.h"
#include "report/base/output.h"
#include "report/commands/commands.h"
#include "report/snapshot/heading.h"
#include "report/views/reading.h"
#include "report/views/rows.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_ALL_LINES = 1, OPTION_SOURCE_DIR, OPTION_CALLEES, CONTEXT_LINES = 3, TAB_COLUMNS = 8 };

struct annotate_options {
	struct reading reading;
	const char **source_dirs; /* NULL-terminated once anything is in it */
	size_t source_dir_count, source_dir_capacity;
	bool all_lines, callees;
};

/* The parts of one file that are printed. */
struct listing {
	const struct annotate_options *options;
	const struct annotated *annotated;
	const struct source_text *source;
	struct table *table;
};

static int annotate_option(void *context, int id, const char *argument, struct error *error)
{
	struct annotate_options *options = context;
	switch (id) {
	case OPTION_ALL_LINES:
		options->all_lines = true;
		return EXIT_FINE;
	case OPTION_CALLEES:
		options->callees = true;
		return EXIT_FINE;
	case OPTION_SOURCE_DIR:
		if (options->source_dir_count + 2 > options->source_dir_capacity) {
			options->source_dir_capacity = options->source_dir_capacity * 2 + 4;
			options->source_dirs = must_resize(options->source_dirs, options->source_dir_capacity,
							   sizeof *options->source_dirs);
		}
		options->source_dirs[options->source_dir_count++] = argument;
		options->source_dirs[options->source_dir_count] = NULL;
		return EXIT_FINE;
	default:
		return reading_option(&options->reading, id, argument, error);
	}
}

/* --- text ------------------------------------------------------------------------------------------------------ */

static void number_cell(struct table *table, const struct reading *reading, uint64_t value, bool is_size,
			enum style style)
{
	char text[32];
	if (!value)
		table_cell(table, style, "");
	else if (is_size && !reading->exact_bytes)
		table_cell(table, style, format_size(text, value));
	else
		table_cell(table, style, format_count(text, value));
}

/* figures may be NULL: none. */
static void figure_cells(const struct listing *listing, const struct figures *figures, enum style style)
{
	static const struct figures none;
	const struct reading *reading = &listing->options->reading;
	figures = figures ? figures : &none;
	number_cell(listing->table, reading, figures->live_bytes, true, style);
	number_cell(listing->table, reading, figures->live_blocks, false, style);
	number_cell(listing->table, reading, figures->peak_bytes, true, style);
	number_cell(listing->table, reading, figures->alloc_bytes, true, style);
	if (reading->metric == METRIC_ALLOC_BLOCKS || reading->metric == METRIC_TEMPORARY_BLOCKS)
		number_cell(listing->table, reading, metric_value(figures, reading->metric), false, style);
}

/* Tabs are columns in a source. */
static void source_cell(const struct listing *listing, uint32_t number, enum style style)
{
	const char *text = source_text_line(listing->source, number);
	struct buffer spaced = {0};
	for (; text && *text; text++) {
		if (*text == '\t')
			buffer_format(&spaced, "%*s", (int)(TAB_COLUMNS - spaced.length % TAB_COLUMNS), "");
		else
			buffer_byte(&spaced, *text);
	}
	table_cell(listing->table, style, buffer_string(&spaced));
	buffer_free(&spaced);
}

static void line_row(const struct listing *listing, uint32_t number, const struct annotated_line *line)
{
	char text[32];
	snprintf(text, sizeof text, "%" PRIu32, number);
	figure_cells(listing, line ? &line->figures : NULL, STYLE_PLAIN);
	table_cell(listing->table, STYLE_DIM, number ? text : "");
	if (number)
		source_cell(listing, number, line ? STYLE_BOLD : STYLE_PLAIN);
	else
		table_cell(listing->table, STYLE_PLAIN, "(line not known)");
}

static void function_row(const struct listing *listing, const struct annotated_function *function)
{
	struct buffer text = {0};
	buffer_format(&text, "= %s", function->name ? function->name : "(function not known)");
	figure_cells(listing, &function->figures, STYLE_BOLD);
	table_cell(listing->table, STYLE_PLAIN, "");
	table_cell(listing->table, STYLE_BOLD, buffer_string(&text));
	buffer_free(&text);
}

/* By line: 0 left out, 1 shown. Without a source only the lines with figures are. */
static uint8_t *choose_lines(const struct listing *listing, uint32_t last)
{
	const struct annotated *annotated = listing->annotated;
	const struct reading *reading = &listing->options->reading;
	uint8_t *shown = must_allocate((size_t)last + 1, 1);
	uint32_t around = listing->source->path ? CONTEXT_LINES : 0;
	if (listing->options->all_lines && listing->source->path)
		memset(shown + 1, 1, last);
	for (size_t i = 0; i < annotated->line_count; i++) {
		const struct annotated_line *line = &annotated->lines[i];
		uint32_t definition = annotated->functions[line->function].definition;
		if (!metric_value(&line->figures, reading->metric) && !listing->options->all_lines)
			continue;
		for (uint32_t number = line->number > around ? line->number - around : 1;
		     number <= last && number <= line->number + around; number++)
			shown[number] = 1;
		if (listing->source->path && definition && definition < line->number)
			shown[definition] = 1;
	}
	/* A gap of one line takes as much room as its mark. */
	for (uint32_t number = 2; number < last && around; number++)
		if (shown[number - 1] == 1 && shown[number + 1] == 1)
			shown[number] = 1;
	return shown;
}

/* Above which line the sum of a line's function stands. */
static uint32_t sum_place(const struct listing *listing, const struct annotated_line *line, uint32_t previous)
{
	uint32_t definition = listing->annotated->functions[line->function].definition;
	/* A def is itself a line of the code around it. */
	if (definition >= previous && definition && definition <= line->number)
		return definition;
	uint32_t place = line->number > CONTEXT_LINES ? line->number - CONTEXT_LINES : 1;
	return place > previous ? place : previous + 1;
}

/* By line: index + 1 of the function whose sum stands above it. */
static uint32_t *place_sums(const struct listing *listing, const uint8_t *shown, uint32_t last)
{
	const struct annotated *annotated = listing->annotated;
	uint32_t *sums = must_allocate((size_t)last + 1, sizeof *sums), previous = 0;
	bool *placed = must_allocate(annotated->function_count, sizeof *placed);
	for (size_t i = 0; i < annotated->line_count; i++) {
		const struct annotated_line *line = &annotated->lines[i];
		if (!line->number || !shown[line->number])
			continue;
		if (!placed[line->function]) {
			uint32_t place = sum_place(listing, line, previous);
			while (place < line->number && (!shown[place] || sums[place]))
				place++;
			sums[place] = line->function + 1;
			placed[line->function] = true;
		}
		previous = line->number;
	}
	free(placed);
	return sums;
}

static void list_lines(const struct listing *listing, const struct terminal *terminal)
{
	const struct annotated *annotated = listing->annotated;
	uint32_t last = listing->source->line_count;
	size_t next = 0;
	bool left_out = false;
	if (annotated->line_count && annotated->lines[annotated->line_count - 1].number > last)
		last = annotated->lines[annotated->line_count - 1].number;
	if (annotated->line_count && !annotated->lines[0].number)
		line_row(listing, 0, &annotated->lines[next++]);
	uint8_t *shown = choose_lines(listing, last);
	uint32_t *sums = place_sums(listing, shown, last);
	for (uint32_t number = 1; number <= last; number++) {
		bool has_figures = next < annotated->line_count && annotated->lines[next].number == number;
		const struct annotated_line *line = has_figures ? &annotated->lines[next++] : NULL;
		if (!shown[number]) {
			left_out = listing->source->path != NULL;
			continue;
		}
		if (left_out)
			table_continue(listing->table, STYLE_DIM, terminal->unicode ? "\xe2\x8b\xae" : "...");
		left_out = false;
		if (sums[number])
			function_row(listing, &annotated->functions[sums[number] - 1]);
		line_row(listing, number, line);
	}
	free(sums);
	free(shown);
}

static void print_file(const struct listing *listing, const struct figures *all, FILE *stream)
{
	const struct reading *reading = &listing->options->reading;
	struct buffer line = {0};
	char bytes[32], blocks[32];
	uint64_t part, count, whole = metric_value(all, reading->metric);
	text_clean(&line, listing->annotated->file);
	metric_pair(&listing->annotated->total, reading->metric, &part, &count);
	buffer_text(&line, ": ");
	if (metric_has_bytes(reading->metric))
		buffer_format(&line, "%s bytes in ", format_count(bytes, part));
	buffer_format(&line, "%s blocks", format_count(blocks, count));
	if (whole)
		buffer_format(&line, ", %.1f %% of all (%s)",
			      100.0 * (double)metric_value(&listing->annotated->total, reading->metric) / (double)whole,
			      metric_name(reading->metric));
	if (listing->options->callees)
		buffer_text(&line, ", callees included");
	fprintf(stream, "file       %s\n\n", buffer_string(&line));
	buffer_free(&line);
}

static void annotate_text(struct listing listing, const struct figures *all, FILE *stream)
{
	const struct reading *reading = &listing.options->reading;
	struct terminal terminal = terminal_of(stream, reading->color, reading->width);
	struct table_column columns[7] = {
		{"Live", true, false}, {"Blocks", true, false}, {"Peak", true, true}, {"Allocated", true, true}};
	unsigned count = 4;
	if (reading->metric == METRIC_ALLOC_BLOCKS)
		columns[count++] = (struct table_column){"Allocations", true, false};
	if (reading->metric == METRIC_TEMPORARY_BLOCKS)
		columns[count++] = (struct table_column){"Temporary", true, false};
	columns[count++] = (struct table_column){"Line", true, false};
	columns[count++] = (struct table_column){"Source", false, false};
	struct table table = {.columns = columns, .column_count = count};
	listing.table = &table;
	list_lines(&listing, &terminal);
	heading_print(reading->snapshots[0], stream, &terminal);
	print_file(&listing, all, stream);
	table_print(&table, stream, &terminal);
	table_free(&table);
}

/* --- JSON ------------------------------------------------------------------------------------------------------ */

static void functions_json(const struct annotated *annotated, struct json *json)
{
	json_put_array(json, "functions", false);
	for (size_t i = 0; i < annotated->function_count; i++) {
		const struct annotated_function *function = &annotated->functions[i];
		json_put_object(json, NULL, false);
		json_put_text(json, "function", function->name);
		if (function->definition)
			json_put_number(json, "definition", function->definition);
		else
			json_put_null(json, "definition");
		json_put_number(json, "first_line", function->first);
		json_put_number(json, "last_line", function->last);
		figures_json(&function->figures, json);
		json_end_object(json);
	}
	json_end_array(json);
}

static void line_json(const struct listing *listing, uint32_t number, const struct annotated_line *line,
		      struct json *json)
{
	static const struct figures none;
	json_put_object(json, NULL, false);
	if (number)
		json_put_number(json, "line", number);
	else
		json_put_null(json, "line");
	json_put_text(json, "function", line ? listing->annotated->functions[line->function].name : NULL);
	json_put_text(json, "text", source_text_line(listing->source, number));
	figures_json(line ? &line->figures : &none, json);
	json_end_object(json);
}

static void lines_json(const struct listing *listing, struct json *json)
{
	const struct annotated *annotated = listing->annotated;
	uint32_t number = 1;
	json_put_array(json, "lines", false);
	for (size_t i = 0; i < annotated->line_count; i++) {
		const struct annotated_line *line = &annotated->lines[i];
		for (; listing->options->all_lines && number < line->number; number++)
			line_json(listing, number, NULL, json);
		line_json(listing, line->number, line, json);
		number = line->number + 1;
	}
	for (; listing->options->all_lines && number <= listing->source->line_count; number++)
		line_json(listing, number, NULL, json);
	json_end_array(json);
}

static void annotate_json(const struct listing *listing, bool newer, FILE *stream)
{
	const struct reading *reading = &listing->options->reading;
	struct json json = {.stream = stream};
	json_put_object(&json, NULL, false);
	json_put_text(&json, "schema", "mudlark.annotate/1");
	heading_json(reading->snapshots[0], &json);
	json_put_text(&json, "metric", metric_name(reading->metric));
	json_put_boolean(&json, "callees", listing->options->callees);
	json_put_text(&json, "file", listing->annotated->file);
	json_put_text(&json, "source", listing->source->path);
	json_put_boolean(&json, "source_newer", newer);
	json_put_object(&json, "selected", true);
	figures_json(&listing->annotated->total, &json);
	json_end_object(&json);
	functions_json(listing->annotated, &json);
	lines_json(listing, &json);
	symbol_notes_json(reading->names, &json);
	json_end_object(&json);
	json_finish(&json);
}

/* --- the command ----------------------------------------------------------------------------------------------- */

static void say_what_is_odd(const struct listing *listing, bool newer)
{
	const struct annotated *annotated = listing->annotated;
	const struct reading *reading = &listing->options->reading;
	if (!listing->source->path)
		notice("the source %s was not found: lines are shown by number only (--source-dir, --sysroot)",
		       annotated->file);
	if (newer)
		notice("%s changed after the program started: its lines may have moved", listing->source->path);
	if (!metric_value(&annotated->total, reading->metric))
		notice("nothing of metric %s belongs to %s: --metric alloc-bytes shows what it allocated, --callees "
		       "what its calls allocated",
		       metric_name(reading->metric), annotated->file);
}

static int annotate(struct annotate_options *options, const char *path, const char *wanted, struct error *error)
{
	struct reading *reading = &options->reading;
	struct annotated annotated;
	struct aggregate aggregate;
	struct source_text source;
	struct output output;
	if (reading_load(reading, &path, 1, error) != EXIT_FINE)
		return error->code;
	aggregate_build(&aggregate, reading->names, &reading->group);
	rank_rows(&aggregate, 0, reading->metric, 0);
	names_resolve_all(reading->names);
	aggregate_name_stacks(&aggregate, reading->names, &reading->group, aggregate.row_count);
	int status = annotated_choose(&annotated, reading->names, &aggregate, reading->metric, wanted, error);
	if (status == EXIT_FINE && output_open(&output, NULL, OUTPUT_BY_UMASK, error)) {
		const struct snapshot *snapshot = reading->snapshots[0];
		const struct source_places places = {options->source_dirs, reading->sysroot,
						     snapshot->texts[META_DIRECTORY].data};
		struct listing listing = {.options = options, .annotated = &annotated, .source = &source};
		source_text_read(&source, annotated.file, &places);
		annotated_collect(&annotated, reading->names, &aggregate, &reading->group, options->callees);
		uint64_t start_ns = snapshot->numbers[META_START_TIME_NS];
		bool newer = source.path && start_ns && source.mtime_ns > start_ns;
		say_what_is_odd(&listing, newer);
		if (reading->json)
			annotate_json(&listing, newer, output.stream);
		else
			annotate_text(listing, &aggregate.totals[0], output.stream);
		source_text_free(&source);
		status = output_close(&output, error);
	}
	annotated_free(&annotated);
	aggregate_free(&aggregate);
	return status == EXIT_FINE ? status : error->code;
}

static int run_annotate(const struct command *command, int argc, char **argv, struct error *error)
{
	struct annotate_options options = {0};
	int first;
	reading_init(&options.reading);
	int status = options_parse(command, argc, argv, annotate_option, &options, &first, error);
	if (status == EXIT_FINE && (argc == first || argc - first > 2))
		status = options_operands(command, "name a snapshot, and at most one source file", error);
	if (status == EXIT_FINE)
		status = annotate(&options, argv[first], argc - first == 2 ? argv[first + 1] : NULL, error);
	reading_free(&options.reading);
	free(options.source_dirs);
	return status;
}

static const struct option_spec options_table[] = {
	METRIC_OPTION,
	{OPTION_CALLEES, 'c', "callees", NULL, ARGUMENT_NONE, NULL,
	 "also count, for each line, what the functions that it called allocated"},
	{OPTION_ALL_LINES, 'a', "all-lines", NULL, ARGUMENT_NONE, NULL, "show the whole file"},
	{OPTION_SOURCE_DIR, 'S', "source-dir", "DIR", ARGUMENT_DIRECTORY, NULL,
	 "look for sources in DIR, by as much of their recorded path as exists there; repeatable"},
	FILTER_OPTIONS,
	SKIP_OPTIONS,
	{READING_ALL_FRAMES, 0, "all-frames", NULL, ARGUMENT_NONE, NULL,
	 "assign each block to its innermost frame, even inside libc, wrappers of malloc and CPython"},
	{READING_JSON, 'j', "json", NULL, ARGUMENT_NONE, NULL, "print JSON (schema mudlark.annotate/1)"},
	OUTPUT_OPTIONS,
	SYMBOL_OPTIONS,
	{0},
};

const struct command annotate_command = {
	.name = "annotate",
	.operands = "SNAPSHOT [FILE]",
	.summary = "show a source file with the bytes of each line, in Python and in C",
	.description = "Prints the lines of a source file that have allocated, each with what is live, the blocks, its "
		       "part of "
		       "the peak and all that it allocated, and the sum of each function. FILE is a path as the "
		       "snapshot has it, "
		       "its end, its base name or a glob; without it, the file with the most live bytes (or of another "
		       "--metric).",
	.epilogue = "Exit status: 0; 2 wrong usage, or FILE matches no file or several; 3 the snapshot cannot be "
		    "read.\n",
	.options = options_table,
	.operand_kind = ARGUMENT_FILE,
	.run = run_annotate,
};
