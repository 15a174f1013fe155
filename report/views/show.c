/*
 * mudlark show: what is live in one snapshot.
 */
#include "report/views/show.h"

#include "report/snapshot/heading.h"
#include "report/views/misuse.h"
#include "report/views/present.h"
#include "report/views/rows.h"
#include "report/views/tracemalloc.h"

#include <assert.h>

void show_json(const struct reading *reading, const struct aggregate *aggregate, FILE *stream)
{
	struct json json = {.stream = stream};
	size_t count = rows_to_print(aggregate, reading->top);
	json_put_object(&json, NULL, false);
	bool has_table = reading_has_frame_table(reading, count);
	struct frame_table table = {0};
	json_put_text(&json, "schema", has_table ? "mudlark.show/2" : "mudlark.show/1");
	heading_json(reading->snapshots[0], &json);
	snapshots_json(reading->snapshots[0], &json);
	json_put_text(&json, "by", grouping_name(reading->group.by));
	json_put_text(&json, "metric", metric_name(reading->metric));
	json_put_object(&json, "selected", true);
	figures_json(&aggregate->totals[0], &json);
	json_end_object(&json);
	json_put_number(&json, "row_count", aggregate->row_count);
	json_put_array(&json, "rows", false);
	for (size_t i = 0; i < count; i++) {
		const struct row *row = &aggregate->rows[i];
		json_put_object(&json, NULL, false);
		figures_json(&row->figures[0], &json);
		row_json(reading->names, row, &reading->group, has_table ? &table : NULL, &json);
		json_end_object(&json);
	}
	json_end_array(&json);
	if (has_table)
		frame_table_json(reading->names, &table, &json);
	struct figures others[NAMES_MOST_SNAPSHOTS];
	sum_others(aggregate, count, others);
	json_put_object(&json, "other", true);
	json_put_number(&json, "rows", aggregate->row_count - count);
	figures_json(&others[0], &json);
	json_end_object(&json);
	json_put_object(&json, "left_out", true);
	json_put_number(&json, "stacks", aggregate->stacks_left_out[0]);
	figures_json(&aggregate->left_out[0], &json);
	json_end_object(&json);
	misuse_json(reading, &json);
	symbol_notes_json(reading->names, &json);
	json_end_object(&json);
	json_finish(&json);
}

/* all: what the share is of; NULL: it has none. */
static void add_figures(struct table *table, const struct reading *reading, const struct figures *figures,
			const struct figures *all, bool unicode)
{
	assert(figures); /* only `all` may be NULL */
	char size[64], count[64], share[32];
	uint64_t bytes, blocks, total = all ? metric_value(all, reading->metric) : 0;
	metric_pair(figures, reading->metric, &bytes, &blocks);
	char *(*format)(char *, uint64_t) = reading->exact_bytes ? format_count : format_size;
	format(size, bytes);
	format_count(count, blocks);
	if (figures->estimated) {
		uint64_t value = metric_value(figures, reading->metric);
		struct interval interval = interval_of(value, metric_spread(&figures->spreads, reading->metric));
		uint64_t margin = interval_margin((double)value, interval);
		if (metric_is_bytes(reading->metric))
			append_margin(size, sizeof size, margin, format, unicode);
		else
			append_margin(count, sizeof count, margin, format_count, unicode);
	}
	if (metric_has_bytes(reading->metric))
		table_cell(table, STYLE_PLAIN, size);
	table_cell(table, STYLE_PLAIN, count);
	double part = total ? 100.0 * (double)metric_value(figures, reading->metric) / (double)total : 0;
	snprintf(share, sizeof share, "%.1f%%", part);
	table_cell(table, STYLE_PLAIN, all ? share : "");
}

static void show_text(const struct reading *reading, const struct aggregate *aggregate, FILE *stream)
{
	struct terminal terminal = terminal_of(stream, reading->color, reading->width);
	static const char *const where[] = {
		"Where it was allocated", "Line", "Function", "File", "Module", "Object type", "Thread", "Process"};
	struct table_column columns[4];
	unsigned column_count = 0;
	if (metric_has_bytes(reading->metric))
		columns[column_count++] = (struct table_column){metric_title(reading->metric), true, false};
	columns[column_count++] = (struct table_column){"Blocks", true, false};
	columns[column_count++] = (struct table_column){"Share", true, true};
	columns[column_count++] = (struct table_column){where[reading->group.by], false, false};

	struct table table = {.columns = columns, .column_count = column_count};
	/* Rows without live blocks are of no use to people; JSON has them. */
	size_t useful = rows_with_figures(aggregate, 0, reading->metric);
	size_t count = rows_to_print(aggregate, reading->top);
	if (count > useful)
		count = useful;
	for (size_t i = 0; i < count; i++) {
		const struct row *row = &aggregate->rows[i];
		struct buffer text = {0};
		add_figures(&table, reading, &row->figures[0], &aggregate->totals[0], terminal.unicode);
		row_text(&text, reading->names, row, reading->group.by);
		table_cell(&table, STYLE_BOLD, buffer_string(&text));
		buffer_free(&text);
		if (reading->group.by == BY_STACK)
			row_callers(&table, reading->names, row, &reading->group, &terminal);
	}
	char number[32];
	struct buffer text = {0};
	if (count < useful) {
		struct figures others[NAMES_MOST_SNAPSHOTS];
		sum_others(aggregate, count, others);
		add_figures(&table, reading, &others[0], &aggregate->totals[0], terminal.unicode);
		buffer_format(&text, "other: %s more row%s", format_count(number, useful - count),
			      useful - count == 1 ? "" : "s");
		table_cell(&table, STYLE_PLAIN, buffer_string(&text));
	}
	add_figures(&table, reading, &aggregate->totals[0], &aggregate->totals[0], terminal.unicode);
	table_cell(&table, STYLE_BOLD, is_filtered(&reading->filter) ? "total of what the filters keep" : "total");
	if (is_filtered(&reading->filter)) {
		add_figures(&table, reading, &aggregate->left_out[0], NULL, terminal.unicode);
		left_out_row(&table, aggregate->stacks_left_out[0]);
	}
	heading_print(reading->snapshots[0], stream, &terminal);
	misuse_print(reading, stream, &terminal);
	fputc('\n', stream);
	table_print(&table, stream, &terminal);
	table_free(&table);
	buffer_free(&text);
}

static int run_show(const struct command *command, int argc, char **argv, struct error *error)
{
	static const struct table_command table = {.write_text = show_text,
						   .write_json = show_json,
						   .write_tracemalloc = tracemalloc_show,
						   .count = 1,
						   .merges = true,
						   .wanted = "name a snapshot"};
	return table_command_run(&table, command, argc, argv, error);
}

static const struct option_spec options[] = {TABLE_OPTIONS, {0}};

const struct command show_command = {
	.name = "show",
	.operands = "SNAPSHOT...",
	.summary = "show what is live in a snapshot, by stack, line, function, file, module, thread or process",
	.description =
		"Shows what is live in a snapshot, the largest first. A row belongs to the innermost frame that is "
		"not the C or C++ runtime, a wrapper of malloc or the interpreter (mudlark-owner(7)); its sums are "
		"exact. '-' reads standard input. Several snapshots are added up, as of a parent and its workers: of "
		"each process the "
		"newest one.",
	.epilogue = "Exit status: 0; 2 wrong usage; 3 the snapshot cannot be read.\n"
		    "See also: mudlark diff, mudlark export\n",
	.options = options,
	.operand_kind = ARGUMENT_FILE,
	.run = run_show,
};
