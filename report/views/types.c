/*
 * See types.h.
 */
#include "report/views/types.h"

#include "report/analysis/causes.h"
#include "report/base/intern.h"
#include "report/base/output.h"
#include "report/snapshot/heading.h"
#include "report/snapshot/shares.h"
#include "report/views/rows.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* NUMBERS_WIDTH: columns that the numbers take at most. */
enum { OLD = 0, LINES_SHOWN = 3, NUMBERS_WIDTH = LEAST_WIDTH };

struct type_figures {
	uint64_t objects, bytes, tracked, garbage;
};

/* Objects of a type from one line: row of the aggregate + 1, 0: not known. */
struct type_line {
	uint32_t row, line;
	struct type_figures figures[NAMES_MOST_SNAPSHOTS];
};

struct type_row {
	const char *name;
	struct type_figures figures[NAMES_MOST_SNAPSHOTS];
	uint32_t first_line, line_count;
};

struct types {
	const struct reading *reading;
	struct aggregate lines;
	struct type_row *rows;
	uint32_t row_count;
	struct type_line *type_lines; /* by row, the largest first */
	uint32_t line_count;
	struct type_figures totals[NAMES_MOST_SNAPSHOTS];
	bool changes;
	uint32_t newest;
};

int types_need_census(const struct snapshot *snapshot, const char *path, struct error *error)
{
	if (snapshot->census.taken)
		return EXIT_FINE;
	if (snapshot->census.asked)
		return error_set(error, EXIT_USAGE, "take another one: mudlark snap --census PID",
				 "%s has no object types: %s", path,
				 snapshot->census.why_not[0] ? snapshot->census.why_not : "it gives no reason");
	return error_set(error, EXIT_USAGE, "take one with mudlark snap --census PID, or run the program with --census",
			 "%s has no object types: it was written without a census of objects", path);
}

/* --- rows ------------------------------------------------------------------------------------------------------ */

static void add(struct type_figures *to, uint64_t objects, uint64_t bytes)
{
	to->objects += objects;
	to->bytes += bytes;
}

/* Rows by name; row_of[side][type] is filled. */
static void build_rows(struct types *types, uint32_t *row_of[NAMES_MOST_SNAPSHOTS])
{
	struct intern names = {0};
	const struct reading *reading = types->reading;
	uint32_t most = 0;
	for (uint32_t side = 0; side < reading->snapshot_count; side++)
		most += reading->snapshots[side]->census.type_count;
	types->rows = must_allocate((size_t)most + 1, sizeof *types->rows);
	for (uint32_t side = 0; side < reading->snapshot_count; side++) {
		const struct census_data *census = &reading->snapshots[side]->census;
		row_of[side] = must_allocate((size_t)census->type_count + 1, sizeof *row_of[side]);
		for (uint32_t id = 1; id <= census->type_count; id++) {
			const struct snapshot_type *type = &census->types[id];
			uint32_t row = intern_text(&names, type->name[0] ? type->name : "(other types)") - 1;
			struct type_figures *figures = &types->rows[row].figures[side];
			types->rows[row].name = type->name[0] ? type->name : "(other types)";
			row_of[side][id] = row;
			add(figures, type->objects, type->bytes);
			figures->tracked += type->tracked;
			figures->garbage += type->garbage;
			add(&types->totals[side], type->objects, type->bytes);
		}
	}
	types->row_count = names.count;
	intern_free(&names);
}

static int by_row_and_line(const void *a, const void *b)
{
	const struct type_line *left = a, *right = b;
	if (left->row != right->row)
		return left->row < right->row ? -1 : 1;
	return left->line < right->line ? -1 : left->line > right->line;
}

static void join_lines(struct types *types)
{
	uint32_t kept = 0;
	if (types->line_count)
		qsort(types->type_lines, types->line_count, sizeof *types->type_lines, by_row_and_line);
	for (uint32_t i = 0; i < types->line_count; i++) {
		struct type_line *line = &types->type_lines[i];
		struct type_line *last = kept ? &types->type_lines[kept - 1] : NULL;
		if (!last || by_row_and_line(last, line) != 0) {
			types->type_lines[kept++] = *line;
			continue;
		}
		for (uint32_t side = 0; side < NAMES_MOST_SNAPSHOTS; side++)
			add(&last->figures[side], line->figures[side].objects, line->figures[side].bytes);
	}
	types->line_count = kept;
	for (uint32_t i = 0; i < kept; i++) {
		struct type_row *row = &types->rows[types->type_lines[i].row];
		if (!row->line_count++)
			row->first_line = i;
	}
}

static void build_lines(struct types *types, uint32_t *const row_of[NAMES_MOST_SNAPSHOTS])
{
	const struct reading *reading = types->reading;
	size_t most = 0;
	for (uint32_t side = 0; side < reading->snapshot_count; side++)
		most += reading->snapshots[side]->census.type_site_count;
	types->type_lines = must_allocate(most + 1, sizeof *types->type_lines);
	for (uint32_t side = 0; side < reading->snapshot_count; side++) {
		const struct census_data *census = &reading->snapshots[side]->census;
		for (uint32_t i = 0; i < census->type_site_count; i++) {
			const struct snapshot_type_site *site = &census->type_sites[i];
			struct type_line *line = &types->type_lines[types->line_count++];
			*line = (struct type_line){.row = row_of[side][site->type]};
			line->line = types->lines.row_of_site[side][site->site];
			add(&line->figures[side], site->objects, site->bytes);
		}
	}
	join_lines(types);
}

/* --- order ----------------------------------------------------------------------------------------------------- */

/* The value that ranks rows: bytes or objects; for two snapshots the absolute change. */
static uint64_t weight(const struct types *types, const struct type_figures *figures)
{
	bool bytes = metric_is_bytes(types->reading->metric);
	const struct type_figures *now = &figures[types->newest], *old = &figures[OLD];
	uint64_t value = bytes ? now->bytes : now->objects, before = bytes ? old->bytes : old->objects;
	if (!types->changes)
		return value;
	return value > before ? value - before : before - value;
}

static const struct types *ordering; /* qsort has no place for it; the command has one thread */

static int order(const struct type_figures *left, const struct type_figures *right)
{
	uint64_t a = weight(ordering, left), b = weight(ordering, right);
	if (a == b) {
		a = left[ordering->newest].objects;
		b = right[ordering->newest].objects;
	}
	return a > b ? -1 : a < b;
}

static int row_order(const void *a, const void *b)
{
	return order(((const struct type_row *)a)->figures, ((const struct type_row *)b)->figures);
}

static int line_order(const void *a, const void *b)
{
	return order(((const struct type_line *)a)->figures, ((const struct type_line *)b)->figures);
}

static bool has_changed(const struct type_row *row)
{
	return row->figures[0].objects != row->figures[1].objects || row->figures[0].bytes != row->figures[1].bytes;
}

static void rank(struct types *types)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < types->row_count; i++)
		if (types->changes ? has_changed(&types->rows[i]) : types->rows[i].figures[0].objects != 0)
			types->rows[kept++] = types->rows[i];
	types->row_count = kept;
	ordering = types;
	if (kept)
		qsort(types->rows, kept, sizeof *types->rows, row_order);
	for (uint32_t i = 0; i < kept; i++)
		if (types->rows[i].line_count)
			qsort(&types->type_lines[types->rows[i].first_line], types->rows[i].line_count,
			      sizeof *types->type_lines, line_order);
}

static uint32_t rows_shown(const struct types *types)
{
	return types->reading->top && types->reading->top < types->row_count ? (uint32_t)types->reading->top
									     : types->row_count;
}

/* --- text ------------------------------------------------------------------------------------------------------ */

static void print_three(FILE *stream, const char *what, const uint64_t *gc, unsigned key)
{
	char text[32];
	fprintf(stream, "%s", what);
	for (unsigned generation = 0; generation < 3; generation++)
		fprintf(stream, "%s%s", generation ? "/" : " ", format_count(text, gc[key + 2 * generation]));
}

static void print_biggest(const struct snapshot *snapshot, FILE *stream)
{
	enum { BIGGEST_SHOWN = 3 };
	const struct census_data *census = &snapshot->census;
	char size[32], count[32];
	for (uint32_t i = 0; i < census->big_count && i < BIGGEST_SHOWN; i++) {
		const struct snapshot_big *big = &census->biggest[i];
		struct buffer name = {0};
		text_clean(&name, census->types[big->type].name);
		fprintf(stream, "%s%s of %s, %s", i ? "; " : "largest    ", buffer_string(&name),
			format_size(size, big->bytes), big->references ? "" : "immortal");
		if (big->references)
			fprintf(stream, "%s reference%s", format_count(count, big->references),
				big->references == 1 ? "" : "s");
		buffer_free(&name);
	}
	if (census->big_count)
		fputc('\n', stream);
}

void collector_print(const struct snapshot *snapshot, FILE *stream)
{
	const uint64_t *gc = snapshot->census.gc;
	char count[32], size[32], other[32];
	fprintf(stream, "objects    %s in %s, %s tracked by the collector", format_count(count, gc[GC_OBJECTS]),
		format_size(size, gc[GC_OBJECT_BYTES]), format_count(other, gc[GC_TRACKED]));
	if (gc[GC_FROZEN])
		fprintf(stream, ", %s frozen", format_count(count, gc[GC_FROZEN]));
	fprintf(stream, "; %s interned strings in %s", format_count(count, gc[GC_INTERNED]),
		format_size(size, gc[GC_INTERNED_BYTES]));
	if (gc[GC_IMMORTAL])
		fprintf(stream, "; %s immortal in %s", format_count(count, gc[GC_IMMORTAL]),
			format_size(size, gc[GC_IMMORTAL_BYTES]));
	fprintf(stream, "\ncollector  %s;", gc[GC_ENABLED] ? "on" : "off");
	print_three(stream, " count", gc, GC_COUNT);
	print_three(stream, " of", gc, GC_THRESHOLD);
	print_three(stream, "; collections", gc, GC_COLLECTIONS);
	print_three(stream, ", collected", gc, GC_COLLECTED);
	print_three(stream, ", uncollectable", gc, GC_UNCOLLECTABLE);
	fprintf(stream, "; %s object%s in cycles that wait for it", format_count(count, gc[GC_UNREACHABLE]),
		gc[GC_UNREACHABLE] == 1 ? "" : "s");
	if (gc[GC_GARBAGE])
		fprintf(stream, "; %s in gc.garbage", format_count(count, gc[GC_GARBAGE]));
	fputc('\n', stream);
	print_biggest(snapshot, stream);
	if (snapshot->numbers[META_GIL_NS])
		fprintf(stream, "GIL        held for %.1f ms to count them%s\n",
			(double)snapshot->numbers[META_GIL_NS] / 1e6,
			snapshot->numbers[META_FORKED] ? ", in a copy of the process" : "");
}

static void put_line_text(struct buffer *text, const struct types *types, const struct type_line *line)
{
	uint32_t location = line->line ? types->lines.rows[line->line - 1].location : 0;
	if (location)
		location_text(text, &types->reading->names->locations[location - 1]);
	else
		buffer_text(text, "(allocation not recorded)");
}

static void add_numbers(struct table *table, const struct types *types,
			const struct type_figures figures[NAMES_MOST_SNAPSHOTS])
{
	char text[32];
	const struct type_figures *now = &figures[types->newest], *old = &figures[OLD];
	bool exact = types->reading->exact_bytes;
	table_cell(table, STYLE_PLAIN, exact ? format_count(text, now->bytes) : format_size(text, now->bytes));
	if (types->changes) {
		int64_t change = figure_change(old->bytes, now->bytes);
		enum style style = change > 0 ? STYLE_GROWN : change < 0 ? STYLE_SHRUNK : STYLE_PLAIN;
		table_cell(table, style, exact ? format_count_change(text, change) : format_size_change(text, change));
	}
	table_cell(table, STYLE_PLAIN, format_count(text, now->objects));
	if (types->changes) {
		int64_t change = figure_change(old->objects, now->objects);
		enum style style = change > 0 ? STYLE_GROWN : change < 0 ? STYLE_SHRUNK : STYLE_PLAIN;
		table_cell(table, style, format_count_change(text, change));
	}
}

/* A sentence over as many lines as it needs: cut in its middle, it would say nothing. */
static void add_wrapped(struct table *table, const char *text, unsigned width)
{
	static const char indent[] = "  ";
	while (*text) {
		size_t end = text_line(text, width - (unsigned)strlen(indent));
		struct buffer line = {0};
		buffer_format(&line, "%s%.*s", indent, (int)end, text);
		table_continue(table, STYLE_PLAIN, buffer_string(&line));
		buffer_free(&line);
		text += end;
		text += strspn(text, " ");
	}
}

/* width: of the last column. */
static void add_row_lines(struct table *table, const struct types *types, const struct type_row *row, unsigned width)
{
	uint32_t shown = 0;
	char objects[32];
	for (uint32_t i = 0; i < row->line_count && shown < LINES_SHOWN; i++) {
		const struct type_line *line = &types->type_lines[row->first_line + i];
		int64_t change = figure_change(line->figures[OLD].objects, line->figures[types->newest].objects);
		if (!line->line || (types->changes ? !change : !weight(types, line->figures)))
			continue;
		struct buffer text = {0};
		buffer_format(&text, "  %s from ",
			      types->changes ? format_count_change(objects, change)
					     : format_count(objects, line->figures[types->newest].objects));
		put_line_text(&text, types, line);
		table_continue(table, STYLE_DIM, buffer_string(&text));
		buffer_free(&text);
		shown++;
	}
	bool grown = row->figures[types->newest].objects > row->figures[OLD].objects;
	if (!types->changes || !grown)
		return;
	struct buffer why = {0};
	buffer_text(&why, "why: ");
	if (cause_text(&why, types->reading->snapshots[types->newest], row->name, types->reading->snapshots[OLD]))
		add_wrapped(table, buffer_string(&why), width);
	buffer_free(&why);
}

static void write_text(const struct types *types, FILE *stream)
{
	const struct reading *reading = types->reading;
	struct terminal terminal = terminal_of(stream, reading->color, reading->width);
	struct table_column columns[5];
	unsigned count = 0;
	columns[count++] = (struct table_column){"Bytes", true, false};
	if (types->changes)
		columns[count++] = (struct table_column){"Change", true, false};
	columns[count++] = (struct table_column){"Objects", true, false};
	if (types->changes)
		columns[count++] = (struct table_column){"Change", true, false};
	columns[count++] = (struct table_column){"Object type", false, false};
	struct table table = {.columns = columns, .column_count = count};
	uint32_t shown = rows_shown(types);
	struct type_figures others[NAMES_MOST_SNAPSHOTS] = {{0}};
	for (uint32_t i = 0; i < types->row_count; i++) {
		const struct type_row *row = &types->rows[i];
		if (i >= shown) {
			for (uint32_t side = 0; side < NAMES_MOST_SNAPSHOTS; side++)
				add(&others[side], row->figures[side].objects, row->figures[side].bytes);
			continue;
		}
		add_numbers(&table, types, row->figures);
		table_cell(&table, STYLE_BOLD, row->name);
		add_row_lines(&table, types, row,
			      terminal.width > 2 * NUMBERS_WIDTH ? terminal.width - NUMBERS_WIDTH : NUMBERS_WIDTH);
	}
	if (shown < types->row_count) {
		char other[64];
		add_numbers(&table, types, others);
		snprintf(other, sizeof other, "other: %" PRIu32 " more type%s", types->row_count - shown,
			 types->row_count - shown == 1 ? "" : "s");
		table_cell(&table, STYLE_PLAIN, other);
	}
	add_numbers(&table, types, types->totals);
	table_cell(&table, STYLE_BOLD, types->changes ? "total, unchanged types included" : "total");
	heading_print(reading->snapshots[types->newest], stream, &terminal);
	collector_print(reading->snapshots[types->newest], stream);
	fputc('\n', stream);
	if (types->changes && !types->row_count)
		fputs("nothing changed\n", stream);
	else
		table_print(&table, stream, &terminal);
	table_free(&table);
}

/* --- JSON ------------------------------------------------------------------------------------------------------ */

static void numbers_json(const struct types *types, const struct type_figures figures[NAMES_MOST_SNAPSHOTS],
			 struct json *json)
{
	const struct type_figures *now = &figures[types->newest];
	json_put_number(json, "live_bytes", now->bytes);
	json_put_number(json, "live_blocks", now->objects);
	if (!types->changes)
		return;
	json_put_signed(json, "live_bytes_diff", figure_change(figures[OLD].bytes, now->bytes));
	json_put_signed(json, "live_blocks_diff", figure_change(figures[OLD].objects, now->objects));
}

static void row_lines_json(const struct types *types, const struct type_row *row, struct json *json)
{
	json_put_array(json, "lines", false);
	for (uint32_t i = 0; i < row->line_count && i < LINES_SHOWN; i++) {
		const struct type_line *line = &types->type_lines[row->first_line + i];
		struct buffer text = {0};
		put_line_text(&text, types, line);
		json_put_object(json, NULL, true);
		numbers_json(types, line->figures, json);
		json_put_text(json, "location", line->line ? buffer_string(&text) : NULL);
		json_end_object(json);
		buffer_free(&text);
	}
	json_end_array(json);
}

/* The parts of the type's holders: of what is new since the older snapshot, or of all. */
static void holders_json(const struct types *types, const struct type_row *row, struct json *json)
{
	const struct snapshot *newest = types->reading->snapshots[types->newest];
	const struct snapshot *before = types->changes ? types->reading->snapshots[OLD] : NULL;
	struct shares shares;
	uint32_t id = newest->census.type_count;
	while (id && strcmp(newest->census.types[id].name, row->name) != 0)
		id--;
	if (!id || !shares_of(&shares, newest, id, before))
		return;
	json_put_array(json, "holders", false);
	for (uint32_t i = 0; i < shares.count; i++) {
		struct buffer holder = {0};
		holder_text(&holder, newest, shares.at[i].path);
		json_put_object(json, NULL, true);
		json_put_text(json, "holder", buffer_string(&holder));
		json_put_text(json, "cause", cause_name(cause_of(newest, shares.at[i].path)));
		json_put_number(json, "objects", shares.at[i].objects);
		json_put_number(json, "of_objects", shares.all);
		json_put_number(json, "bytes", shares.at[i].path->bytes);
		json_put_boolean(json, "new", shares.newer);
		json_end_object(json);
		buffer_free(&holder);
	}
	json_end_array(json);
}

void collector_json(const struct snapshot *snapshot, struct json *json)
{
	static const struct {
		const char *name;
		unsigned key;
	} numbers[] = {
		{"garbage", GC_GARBAGE},     {"tracked", GC_TRACKED},
		{"frozen", GC_FROZEN},       {"unreachable", GC_UNREACHABLE},
		{"objects", GC_OBJECTS},     {"object_bytes", GC_OBJECT_BYTES},
		{"interned", GC_INTERNED},   {"interned_bytes", GC_INTERNED_BYTES},
		{"immortal", GC_IMMORTAL},   {"immortal_bytes", GC_IMMORTAL_BYTES},
		{"unreached", GC_UNREACHED},
	};
	static const struct {
		const char *name;
		unsigned key;
	} rows[] = {
		{"count", GC_COUNT},         {"threshold", GC_THRESHOLD},         {"collections", GC_COLLECTIONS},
		{"collected", GC_COLLECTED}, {"uncollectable", GC_UNCOLLECTABLE},
	};
	const uint64_t *gc = snapshot->census.gc;
	json_put_object(json, "collector", false);
	json_put_boolean(json, "enabled", gc[GC_ENABLED] != 0);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		json_put_array(json, rows[i].name, true);
		for (unsigned generation = 0; generation < 3; generation++)
			json_put_number(json, NULL, gc[rows[i].key + 2 * generation]);
		json_end_array(json);
	}
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		json_put_number(json, numbers[i].name, gc[numbers[i].key]);
	json_put_number(json, "gil_ns", snapshot->numbers[META_GIL_NS]);
	json_put_array(json, "biggest", false);
	for (uint32_t i = 0; i < snapshot->census.big_count; i++) {
		const struct snapshot_big *big = &snapshot->census.biggest[i];
		json_put_object(json, NULL, true);
		json_put_text(json, "type", snapshot->census.types[big->type].name);
		json_put_number(json, "bytes", big->bytes);
		if (big->references)
			json_put_number(json, "references", big->references);
		else
			json_put_null(json, "references");
		json_end_object(json);
	}
	json_end_array(json);
	json_end_object(json);
}

static void write_json(const struct types *types, FILE *stream)
{
	struct json json = {.stream = stream};
	const struct reading *reading = types->reading;
	const struct snapshot *newest = reading->snapshots[types->newest];
	json_put_object(&json, NULL, false);
	json_put_text(&json, "schema", types->changes ? "mudlark.diff/1" : "mudlark.show/1");
	heading_json(newest, &json);
	json_put_text(&json, "by", "type");
	json_put_text(&json, "metric", metric_name(reading->metric));
	collector_json(newest, &json);
	json_put_object(&json, "selected", true);
	numbers_json(types, types->totals, &json);
	json_end_object(&json);
	json_put_number(&json, "row_count", types->row_count);
	json_put_array(&json, "rows", false);
	uint32_t shown = rows_shown(types);
	for (uint32_t i = 0; i < shown; i++) {
		const struct type_row *row = &types->rows[i];
		json_put_object(&json, NULL, false);
		json_put_text(&json, "type", row->name);
		numbers_json(types, row->figures, &json);
		json_put_number(&json, "tracked", row->figures[types->newest].tracked);
		json_put_number(&json, "garbage", row->figures[types->newest].garbage);
		struct buffer why = {0};
		if (cause_text(&why, newest, row->name, types->changes ? reading->snapshots[OLD] : NULL))
			json_put_text(&json, "why", buffer_string(&why));
		buffer_free(&why);
		holders_json(types, row, &json);
		row_lines_json(types, row, &json);
		json_end_object(&json);
	}
	json_end_array(&json);
	json_end_object(&json);
	json_finish(&json);
}

/* --------------------------------------------------------------------------------------------------------------- */

static void types_free(struct types *types)
{
	aggregate_free(&types->lines);
	free(types->rows);
	free(types->type_lines);
}

int types_present(struct reading *reading, const char *const *paths, uint32_t count, bool changes, struct error *error)
{
	struct output output;
	struct types types = {.reading = reading, .changes = changes, .newest = count - 1};
	uint32_t *row_of[NAMES_MOST_SNAPSHOTS] = {NULL};
	if (reading_load(reading, paths, count, error) != EXIT_FINE)
		return error->code;
	for (uint32_t side = 0; side < count; side++)
		if (types_need_census(reading->snapshots[side], paths[side], error) != EXIT_FINE)
			return error->code;
	if (!output_open(&output, NULL, OUTPUT_BY_UMASK, error))
		return error->code;
	struct aggregate_options by_line = reading->group;
	by_line.by = BY_LINE;
	by_line.keep_sites = true;
	aggregate_build(&types.lines, reading->names, &by_line);
	build_rows(&types, row_of);
	build_lines(&types, row_of);
	rank(&types);
	if (reading->json)
		write_json(&types, output.stream);
	else
		write_text(&types, output.stream);
	for (uint32_t side = 0; side < count; side++)
		free(row_of[side]);
	types_free(&types);
	return output_close(&output, error);
}
