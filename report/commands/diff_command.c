/*
 * mudlark diff: what changed between two snapshots, the largest absolute change first.
 *
 * The rows come from one aggregation over both sides (aggregate.h describes how stacks of two runs are matched). A row
 * that exists on only one side is a row like any other: all its figures are 0 on the other side.
 */
#include "report/base/escape.h"
#include "report/commands/commands.h"
#include "report/snapshot/heading.h"
#include "report/snapshot/losses.h"
#include "report/views/present.h"
#include "report/views/rows.h"
#include "report/views/tracemalloc.h"

#include <string.h>

enum { OLD = 0, NEW = 1 };

/* "new": nothing of it was there before; "gone": nothing of it is left. */
static const char *row_status(const struct row *row, enum metric metric)
{
	uint64_t old_bytes, old_blocks, new_bytes, new_blocks;
	metric_pair(&row->figures[OLD], metric, &old_bytes, &old_blocks);
	metric_pair(&row->figures[NEW], metric, &new_bytes, &new_blocks);
	if (!old_bytes && !old_blocks)
		return "new";
	return !new_bytes && !new_blocks ? "gone" : "changed";
}

static bool is_same_program(const struct snapshot *left, const struct snapshot *right)
{
	return !strcmp(left->texts[META_PROGRAM].data, right->texts[META_PROGRAM].data);
}

static bool is_same_snapshot(const struct snapshot *left, const struct snapshot *right)
{
	return same_process(left, right) && left->numbers[META_EPOCH] == right->numbers[META_EPOCH] &&
	       left->numbers[META_ELAPSED_NS] == right->numbers[META_ELAPSED_NS];
}

/* --- JSON ------------------------------------------------------------------------------------------------------ */

static void diff_json(const struct reading *reading, const struct aggregate *aggregate, FILE *stream)
{
	struct json json = {.stream = stream};
	const struct snapshot *old_snapshot = reading->snapshots[OLD], *new_snapshot = reading->snapshots[NEW];
	size_t count = rows_to_print(aggregate, reading->top);
	json_put_object(&json, NULL, false);
	bool has_table = reading_has_frame_table(reading, count);
	struct frame_table table = {0};
	json_put_text(&json, "schema", has_table ? "mudlark.diff/2" : "mudlark.diff/1");
	heading_json(new_snapshot, &json);
	json_put_object(&json, "old", false);
	heading_json(old_snapshot, &json);
	json_end_object(&json);
	bool one = same_process(old_snapshot, new_snapshot);
	json_put_boolean(&json, "same_process", one);
	json_put_boolean(&json, "same_program", is_same_program(old_snapshot, new_snapshot));
	json_put_boolean(&json, "same_snapshot", is_same_snapshot(old_snapshot, new_snapshot));
	if (one)
		json_put_signed(
			&json, "between_ns",
			figure_change(old_snapshot->numbers[META_ELAPSED_NS], new_snapshot->numbers[META_ELAPSED_NS]));
	else
		json_put_null(&json, "between_ns");
	json_put_text(&json, "by", grouping_name(reading->group.by));
	json_put_text(&json, "metric", metric_name(reading->metric));
	json_put_object(&json, "selected", true);
	figures_json(&aggregate->totals[NEW], &json);
	changes_json(&aggregate->totals[OLD], &aggregate->totals[NEW], &json);
	json_end_object(&json);
	json_put_number(&json, "row_count", aggregate->row_count);
	json_put_array(&json, "rows", false);
	for (size_t i = 0; i < count; i++) {
		const struct row *row = &aggregate->rows[i];
		json_put_object(&json, NULL, false);
		figures_json(&row->figures[NEW], &json);
		changes_json(&row->figures[OLD], &row->figures[NEW], &json);
		json_put_text(&json, "status", row_status(row, reading->metric));
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
	figures_json(&others[NEW], &json);
	changes_json(&others[OLD], &others[NEW], &json);
	json_end_object(&json);
	json_put_object(&json, "left_out", true);
	json_put_number(&json, "stacks", aggregate->stacks_left_out[NEW]);
	figures_json(&aggregate->left_out[NEW], &json);
	changes_json(&aggregate->left_out[OLD], &aggregate->left_out[NEW], &json);
	json_end_object(&json);
	symbol_notes_json(reading->names, &json);
	json_end_object(&json);
	json_finish(&json);
}

/* --- text ------------------------------------------------------------------------------------------------------ */

static void print_side(const char *which, const struct snapshot *snapshot, FILE *stream)
{
	char when[64], bytes[32], blocks[32];
	struct buffer line = {0};
	text_clean(&line, snapshot->file_name);
	fprintf(stream, "%s  %s: %s, live %s bytes in %s blocks", which, buffer_string(&line),
		format_time(when, snapshot->numbers[META_TIME_NS]),
		format_count(bytes, snapshot->totals[TOTAL_LIVE_BYTES]),
		format_count(blocks, snapshot->totals[TOTAL_LIVE_BLOCKS]));
	if (snapshot->recorded_sites)
		fprintf(stream, ", estimated from samples about every %s",
			format_size(bytes, snapshot->numbers[META_SAMPLE_BYTES]));
	fputc('\n', stream);
	buffer_free(&line);
}

static void print_programs(const struct snapshot *old_snapshot, const struct snapshot *new_snapshot, FILE *stream)
{
	struct buffer line = {0};
	if (is_same_program(old_snapshot, new_snapshot)) {
		fputs("; these are two processes\n", stream);
		return;
	}
	buffer_text(&line, "; these are two programs, ");
	text_clean(&line, old_snapshot->texts[META_PROGRAM].data);
	buffer_text(&line, " and ");
	text_clean(&line, new_snapshot->texts[META_PROGRAM].data);
	fprintf(stream, "%s\nnote:  what two programs do not share is new or gone\n", buffer_string(&line));
	buffer_free(&line);
}

static void print_growth(const struct reading *reading, FILE *stream)
{
	const struct snapshot *old_snapshot = reading->snapshots[OLD], *new_snapshot = reading->snapshots[NEW];
	int64_t bytes = figure_change(old_snapshot->totals[TOTAL_LIVE_BYTES], new_snapshot->totals[TOTAL_LIVE_BYTES]);
	int64_t blocks =
		figure_change(old_snapshot->totals[TOTAL_LIVE_BLOCKS], new_snapshot->totals[TOTAL_LIVE_BLOCKS]);
	char duration[64], bytes_text[32], blocks_text[32], rate_text[32];
	fprintf(stream, "live  %s bytes, %s blocks", format_count_change(bytes_text, bytes),
		format_count_change(blocks_text, blocks));
	int64_t between = figure_change(old_snapshot->numbers[META_ELAPSED_NS], new_snapshot->numbers[META_ELAPSED_NS]);
	if (!same_process(old_snapshot, new_snapshot)) {
		print_programs(old_snapshot, new_snapshot, stream);
	} else if (is_same_snapshot(old_snapshot, new_snapshot)) {
		fputs("\nnote:  OLD and NEW are the same snapshot\n", stream);
	} else if (between > 0) {
		double rate = (double)bytes / ((double)between / 1e9);
		/* Far beyond any real rate, but a hostile file may ask for it, and the conversion must be defined. */
		if (rate > 9e18 || rate < -9e18)
			rate = 0;
		fprintf(stream, " in %s: %s/s\n", format_duration(duration, (uint64_t)between),
			format_size_change(rate_text, (int64_t)rate));
	} else {
		fprintf(stream,
			"\nnote:  OLD was taken after NEW in the same process: swap them to see growth as '+'\n");
	}
}

static enum style change_style(int64_t change)
{
	return change > 0 ? STYLE_GROWN : change < 0 ? STYLE_SHRUNK : STYLE_PLAIN;
}

static void add_changes(struct table *table, const struct reading *reading, const struct figures *figures, bool unicode)
{
	uint64_t old_bytes, old_blocks, new_bytes, new_blocks;
	char text[32];
	metric_pair(&figures[OLD], reading->metric, &old_bytes, &old_blocks);
	metric_pair(&figures[NEW], reading->metric, &new_bytes, &new_blocks);
	int64_t bytes = figure_change(old_bytes, new_bytes), blocks = figure_change(old_blocks, new_blocks);
	bool exact = reading->exact_bytes;
	char *(*format)(char *, uint64_t) = exact ? format_count : format_size;
	char bytes_text[64], blocks_text[64];
	if (exact)
		format_count_change(bytes_text, bytes);
	else
		format_size_change(bytes_text, bytes);
	format_count_change(blocks_text, blocks);
	if (figures[OLD].estimated || figures[NEW].estimated) {
		struct spreads change;
		change_spreads(&figures[OLD], &figures[NEW], &change);
		struct interval interval = interval_of_change(0, metric_spread(&change, reading->metric));
		uint64_t margin = interval_margin(0, interval);
		if (metric_is_bytes(reading->metric))
			append_margin(bytes_text, sizeof bytes_text, margin, format, unicode);
		else
			append_margin(blocks_text, sizeof blocks_text, margin, format_count, unicode);
	}
	if (metric_has_bytes(reading->metric)) {
		table_cell(table, STYLE_PLAIN, format(text, new_bytes));
		table_cell(table, change_style(bytes), bytes_text);
	}
	table_cell(table, STYLE_PLAIN, format_count(text, new_blocks));
	table_cell(table, change_style(blocks), blocks_text);
}

static void diff_text(const struct reading *reading, const struct aggregate *aggregate, FILE *stream)
{
	struct terminal terminal = terminal_of(stream, reading->color, reading->width);
	static const char *const where[] = {
		"Where it was allocated", "Line", "Function", "File", "Module", "Object type", "Thread", "Process"};
	struct table_column columns[5];
	unsigned column_count = 0;
	if (metric_has_bytes(reading->metric)) {
		columns[column_count++] = (struct table_column){metric_title(reading->metric), true, true};
		columns[column_count++] = (struct table_column){"Change", true, false};
	}
	columns[column_count++] = (struct table_column){"Blocks", true, true};
	columns[column_count++] = (struct table_column){"Change", true, metric_has_bytes(reading->metric)};
	columns[column_count++] = (struct table_column){where[reading->group.by], false, false};

	struct table table = {.columns = columns, .column_count = column_count};
	size_t count = rows_to_print(aggregate, reading->top);
	for (size_t i = 0; i < count; i++) {
		const struct row *row = &aggregate->rows[i];
		const char *status = row_status(row, reading->metric);
		struct buffer text = {0};
		add_changes(&table, reading, row->figures, terminal.unicode);
		if (strcmp(status, "changed") != 0)
			buffer_format(&text, "%s: ", status);
		row_text(&text, reading->names, row, reading->group.by);
		table_cell(&table, STYLE_BOLD, buffer_string(&text));
		buffer_free(&text);
		if (reading->group.by == BY_STACK)
			row_callers(&table, reading->names, row, &reading->group, &terminal);
	}
	char number[32];
	struct buffer text = {0};
	if (count < aggregate->row_count) {
		struct figures others[NAMES_MOST_SNAPSHOTS];
		sum_others(aggregate, count, others);
		add_changes(&table, reading, others, terminal.unicode);
		buffer_format(&text, "other: %s more row%s", format_count(number, aggregate->row_count - count),
			      aggregate->row_count - count == 1 ? "" : "s");
		table_cell(&table, STYLE_PLAIN, buffer_string(&text));
	}
	add_changes(&table, reading, aggregate->totals, terminal.unicode);
	table_cell(&table, STYLE_BOLD,
		   is_filtered(&reading->filter) ? "total of what the filters keep, unchanged rows included"
						 : "total, unchanged rows included");
	if (is_filtered(&reading->filter)) {
		add_changes(&table, reading, aggregate->left_out, terminal.unicode);
		left_out_row(&table, aggregate->stacks_left_out[NEW]);
	}

	struct buffer program = {0};
	text_clean(&program, reading->snapshots[NEW]->texts[META_PROGRAM].data);
	fprintf(stream, "%s%s, pid %llu%s\n", style_on(&terminal, STYLE_BOLD), buffer_string(&program),
		(unsigned long long)reading->snapshots[NEW]->numbers[META_PID], style_off(&terminal, STYLE_BOLD));
	buffer_free(&program);
	print_side("old ", reading->snapshots[OLD], stream);
	print_side("new ", reading->snapshots[NEW], stream);
	print_growth(reading, stream);
	python_print(reading->snapshots[NEW], stream);
	losses_print(reading->snapshots[NEW], stream, &terminal);
	fputc('\n', stream);
	if (aggregate->row_count)
		table_print(&table, stream, &terminal);
	else
		fprintf(stream, "nothing changed%s\n",
			is_filtered(&reading->filter) ? " in what the filters keep" : "");
	table_free(&table);
	buffer_free(&text);
}

static int run_diff(const struct command *command, int argc, char **argv, struct error *error)
{
	static const char wanted[] = "name two snapshots, the older one first";
	static const struct table_command table = {.write_text = diff_text,
						   .write_json = diff_json,
						   .write_tracemalloc = tracemalloc_diff,
						   .count = 2,
						   .wanted = wanted,
						   .too_many = wanted};
	return table_command_run(&table, command, argc, argv, error);
}

static const struct option_spec options[] = {TABLE_OPTIONS, {0}};

const struct command diff_command = {
	.name = "diff",
	.operands = "OLD NEW",
	.summary = "show what changed between two snapshots",
	.description = "Compares two snapshots, of one process or of two runs, also of two builds: the largest "
		       "absolute change "
		       "first, with the size, its change, the number of blocks and its change. Rows that did not "
		       "change are left "
		       "out. Stacks are the same when their return addresses are the same places of the same files; in "
		       "a program or "
		       "library that was rebuilt in between, when their functions have the same names.",
	.epilogue = "Exit status: 0, whether something changed or not; 2 wrong usage; 3 a snapshot cannot be read.\n",
	.options = options,
	.operand_kind = ARGUMENT_FILE,
	.run = run_diff,
};
