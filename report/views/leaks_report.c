/*
 * The result of a leak search as text and as JSON; leaks_report.h.
 */
#include "report/views/leaks_report.h"

#include "report/snapshot/heading.h"
#include "report/views/present.h"
#include "report/views/rows.h"

#include <inttypes.h>

static const char *const kind_names[LEAK_KINDS] = {
	[LEAK_REACHABLE] = "reachable", [LEAK_STACK_ONLY] = "stack-only", [LEAK_POSSIBLE] = "possible",
	[LEAK_DEFINITE] = "definite",   [LEAK_INDIRECT] = "indirect",
};

const int leak_kinds_worst_first[LEAK_KINDS_PRINTED] = {LEAK_DEFINITE, LEAK_INDIRECT, LEAK_POSSIBLE, LEAK_STACK_ONLY,
							LEAK_REACHABLE};

/* --- JSON ------------------------------------------------------------------------------------------------------ */

static const char *const incomplete_words[] = {
	"threads could not be stopped",
	"the mappings or the threads of the process could not be read",
	"there was no memory for the search",
	"Mudlark's own memory could not be distinguished from the program's",
	"the program's blocks were not recorded",
	"memory marked MADV_DONTFORK was not read (--snapshot inline reads it)",
};

static void incomplete_json(uint64_t incomplete, struct json *json)
{
	json_put_array(json, "incomplete", false);
	for (size_t i = 0; i < sizeof incomplete_words / sizeof *incomplete_words; i++)
		if (incomplete >> i & 1)
			json_put_text(json, NULL, incomplete_words[i]);
	json_end_array(json);
}

static void sums_json(const struct snapshot *snapshot, const struct leak_sums *sums, struct json *json)
{
	json_put_object(json, "leaks", false);
	for (int i = 0; i < LEAK_KINDS_PRINTED; i++) {
		int kind = leak_kinds_worst_first[i];
		json_put_object(json, kind_names[kind], true);
		json_put_number(json, "bytes", sums->bytes[kind]);
		json_put_number(json, "blocks", sums->blocks[kind]);
		json_end_object(json);
	}
	json_put_object(json, "unrecorded", true);
	json_put_number(json, "bytes", snapshot->totals[TOTAL_UNRECORDED_BYTES]);
	json_put_number(json, "blocks", snapshot->totals[TOTAL_UNRECORDED_BLOCKS]);
	json_end_object(json);
	json_end_object(json);
	json_put_number(json, "scanned_bytes", snapshot->totals[TOTAL_SCANNED_BYTES]);
	json_put_number(json, "scan_ns", snapshot->totals[TOTAL_SCAN_NS]);
	json_put_number(json, "stopped_ns", snapshot->numbers[META_STOPPED_NS]);
}

static void suppressed_json(const struct leaks_report *report, struct json *json)
{
	json_put_object(json, "suppressed", false);
	json_put_number(json, "bytes", report->hidden.bytes);
	json_put_number(json, "blocks", report->hidden.blocks);
	json_put_number(json, "indirect_bytes", report->hidden.indirect_bytes);
	json_put_number(json, "indirect_blocks", report->hidden.indirect_blocks);
	json_put_array(json, "rules", false);
	for (size_t i = 0; i < report->suppressions->count; i++) {
		const struct suppression *rule = &report->suppressions->rules[i];
		if (!rule->stacks)
			continue;
		json_put_object(json, NULL, true);
		json_put_text(json, "name", rule->name);
		json_put_text(json, "file", rule->file);
		json_put_number(json, "line", rule->line);
		json_put_number(json, "bytes", rule->bytes);
		json_put_number(json, "blocks", rule->blocks);
		json_end_object(json);
	}
	json_end_array(json);
	json_end_object(json);
}

void leaks_json(const struct leaks_report *report)
{
	const struct reading *reading = report->reading;
	struct json json = {.stream = stdout};
	const struct snapshot *snapshot = reading->snapshots[0];
	json_put_object(&json, NULL, false);
	json_put_text(&json, "schema", "mudlark.leaks/1");
	heading_json(snapshot, &json);
	json_put_boolean(&json, "complete", snapshot->numbers[META_LEAKS_INCOMPLETE] == 0);
	incomplete_json(snapshot->numbers[META_LEAKS_INCOMPLETE], &json);
	sums_json(snapshot, &report->sums, &json);
	suppressed_json(report, &json);
	json_put_array(&json, "rows", false);
	for (size_t i = 0; i < report->kind_count; i++) {
		const struct aggregate *aggregate = &report->kinds[i].aggregate;
		for (size_t j = 0; j < rows_to_print(aggregate, reading->top); j++) {
			const struct figures *figures = &aggregate->rows[j].figures[0];
			json_put_object(&json, NULL, false);
			json_put_text(&json, "kind", kind_names[report->kinds[i].kind]);
			json_put_number(&json, "bytes", figures->live_bytes);
			json_put_number(&json, "blocks", figures->live_blocks);
			json_put_number(&json, "indirect_bytes", figures->alloc_bytes);
			json_put_number(&json, "indirect_blocks", figures->alloc_blocks);
			row_json(reading->names, &aggregate->rows[j], &reading->group, NULL, &json);
			json_end_object(&json);
		}
	}
	json_end_array(&json);
	symbol_notes_json(reading->names, &json);
	json_end_object(&json);
	json_finish(&json);
}

/* --- text ------------------------------------------------------------------------------------------------------ */

static void add_row(struct table *table, const struct reading *reading, int kind, const struct figures *figures)
{
	char text[32];
	char *(*format)(char *, uint64_t) = reading->exact_bytes ? format_count : format_size;
	table_cell(table, STYLE_PLAIN, kind_names[kind]);
	table_cell(table, STYLE_PLAIN, format(text, figures->live_bytes));
	table_cell(table, STYLE_PLAIN, format_count(text, figures->live_blocks));
	table_cell(table, STYLE_PLAIN, figures->alloc_blocks ? format(text, figures->alloc_bytes) : "");
}

static void add_kind(struct table *table, const struct reading *reading, const struct kind_rows *rows,
		     const struct terminal *terminal)
{
	const struct aggregate *aggregate = &rows->aggregate;
	size_t count = rows_to_print(aggregate, reading->top);
	for (size_t i = 0; i < count; i++) {
		const struct row *row = &aggregate->rows[i];
		struct buffer text = {0};
		add_row(table, reading, rows->kind, &row->figures[0]);
		row_text(&text, reading->names, row, BY_STACK);
		table_cell(table, STYLE_BOLD, buffer_string(&text));
		buffer_free(&text);
		row_callers(table, reading->names, row, &reading->group, terminal);
	}
	if (count < aggregate->row_count) {
		char number[32];
		struct buffer text = {0};
		struct figures others[NAMES_MOST_SNAPSHOTS];
		sum_others(aggregate, count, others);
		add_row(table, reading, rows->kind, &others[0]);
		buffer_format(&text, "other: %s more (--top)", format_count(number, aggregate->row_count - count));
		table_cell(table, STYLE_PLAIN, buffer_string(&text));
		buffer_free(&text);
	}
	if (is_filtered(&reading->filter) && aggregate->stacks_left_out[0]) {
		add_row(table, reading, rows->kind, &aggregate->left_out[0]);
		left_out_row(table, aggregate->stacks_left_out[0]);
	}
}

static void print_suppressed(const struct leaks_report *report)
{
	const struct hidden_leaks *hidden = &report->hidden;
	char bytes[32], blocks[32];
	if (!hidden->blocks)
		return;
	printf("suppressed  %s bytes in %s blocks", format_count(bytes, hidden->bytes),
	       format_count(blocks, hidden->blocks));
	if (hidden->indirect_blocks)
		printf(", and %s bytes in %s blocks that leaked with them", format_count(bytes, hidden->indirect_bytes),
		       format_count(blocks, hidden->indirect_blocks));
	putchar('\n');
	for (size_t i = 0; i < report->suppressions->count; i++) {
		const struct suppression *rule = &report->suppressions->rules[i];
		struct buffer source = {0}, clean = {0};
		if (!rule->stacks)
			continue;
		suppression_source(rule, &source);
		text_clean(&clean, buffer_string(&source));
		printf("            %s bytes in %s blocks by %s\n", format_count(bytes, rule->bytes),
		       format_count(blocks, rule->blocks), buffer_string(&clean));
		buffer_free(&source);
		buffer_free(&clean);
	}
}

static void print_sums(const struct snapshot *snapshot, const struct leak_sums *sums)
{
	static const char *const words[LEAK_KINDS] = {
		[LEAK_DEFINITE] = "nothing points to them",
		[LEAK_INDIRECT] = "only leaked blocks point to them",
		[LEAK_POSSIBLE] = "only pointers into their middle, or with a tag",
		[LEAK_STACK_ONLY] = "only a stack points to them",
		[LEAK_REACHABLE] = "in use",
	};
	char bytes[32], blocks[32];
	for (int i = 0; i < LEAK_KINDS_PRINTED; i++) {
		int kind = leak_kinds_worst_first[i];
		printf("%-11s %s bytes in %s blocks: %s\n", kind_names[kind], format_count(bytes, sums->bytes[kind]),
		       format_count(blocks, sums->blocks[kind]), words[kind]);
	}
	if (snapshot->totals[TOTAL_UNRECORDED_BLOCKS])
		printf("unrecorded  %s bytes in %s more blocks leaked, which were not sampled\n",
		       format_count(bytes, snapshot->totals[TOTAL_UNRECORDED_BYTES]),
		       format_count(blocks, snapshot->totals[TOTAL_UNRECORDED_BLOCKS]));
	for (size_t i = 0; i < sizeof incomplete_words / sizeof *incomplete_words; i++)
		if (snapshot->numbers[META_LEAKS_INCOMPLETE] >> i & 1)
			printf("not certain: %s\n", incomplete_words[i]);
}

void leaks_text(const struct leaks_report *report)
{
	const struct reading *reading = report->reading;
	static const struct table_column columns[] = {
		{"Kind", false, false},
		{"Size", true, false},
		{"Blocks", true, false},
		{"With it", true, true},
		{"Where it was allocated", false, false},
	};
	struct terminal terminal = terminal_of(stdout, reading->color, reading->width);
	struct table table = {.columns = columns, .column_count = sizeof columns / sizeof *columns};
	heading_print(reading->snapshots[0], stdout, &terminal);
	print_sums(reading->snapshots[0], &report->sums);
	print_suppressed(report);
	for (size_t i = 0; i < report->kind_count; i++)
		add_kind(&table, reading, &report->kinds[i], &terminal);
	if (table.cell_count) {
		putchar('\n');
		table_print(&table, stdout, &terminal);
	}
	table_free(&table);
}
