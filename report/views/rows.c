/*
 * See rows.h.
 */
#include "report/views/rows.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void file_text(struct buffer *out, const struct location *location)
{
	buffer_text(out, location->file);
	if (location->line)
		buffer_format(out, ":%" PRIu32, location->line);
}

static const char *module_name(const struct location *location)
{
	return location->module_name[0] ? location->module_name : "unknown module";
}

/* "app+0x1159": as addr2line -e wants it. */
static void address_text(struct buffer *out, const struct location *location)
{
	buffer_format(out, "%s+0x%" PRIx64, module_name(location), location->address);
}

void location_text(struct buffer *out, const struct location *location)
{
	if (location->function)
		buffer_text(out, location->function);
	else if (location->python)
		buffer_text(out, "(no name)");
	else
		address_text(out, location);
	if (location->file) {
		buffer_text(out, " (");
		file_text(out, location);
		buffer_byte(out, ')');
	} else if (location->function || location->python) {
		buffer_format(out, " (%s)", module_name(location));
	}
}

static void thread_text(struct buffer *out, const struct snapshot *snapshot, uint32_t id)
{
	if (!id) {
		buffer_text(out, "(thread not known)");
		return;
	}
	const struct snapshot_thread *thread = &snapshot->threads[id];
	buffer_text(out, thread->name[0] ? thread->name : "(no name)");
	if (thread->label[0])
		buffer_format(out, " [%s]", thread->label);
	buffer_format(out, ", tid %" PRIu64, thread->tid);
	if (thread->threads > 1)
		buffer_format(out, " and %" PRIu64 " earlier", thread->threads - 1);
	if (!(thread->flags & THREAD_ALIVE))
		buffer_text(out, ", ended");
}

static const struct snapshot *part_of(const struct snapshot *snapshot, uint32_t part)
{
	return snapshot->parts ? snapshot->parts[part] : snapshot;
}

static void process_text(struct buffer *out, const struct snapshot *snapshot)
{
	buffer_format(out, "%s, pid %" PRIu64 ", %s", snapshot->texts[META_PROGRAM].data, snapshot->numbers[META_PID],
		      snapshot->file_name);
}

/* Its path, behind the name that it was run by where that is another one. */
static void module_text(struct buffer *out, const struct location *location)
{
	const char *path = location->module_path, *slash = strrchr(path, '/');
	bool renamed = path[0] && strcmp(slash ? slash + 1 : path, location->module_name) != 0;
	if (renamed)
		buffer_format(out, "%s (%s)", location->module_name, path);
	else
		buffer_text(out, path[0] ? path : "(unknown module)");
}

static void plain_row_text(struct buffer *out, const struct names *names, const struct row *row, enum grouping by)
{
	if (by == BY_THREAD) {
		thread_text(out, names->snapshots[row->side], row->thread);
		return;
	}
	if (by == BY_PROCESS) {
		process_text(out, part_of(names->snapshots[row->side], row->part));
		return;
	}
	if (!row->location) {
		buffer_text(out, row->recorded ? "(no frames of this language)" : "(no stack recorded)");
		return;
	}
	const struct location *location = &names->locations[row->location - 1];
	if (by == BY_MODULE) {
		module_text(out, location);
	} else if (by == BY_FILE) {
		if (location->file)
			buffer_text(out, location->file);
		else
			buffer_format(out, "(no source file) in %s", module_name(location));
	} else if (by == BY_LINE && location->file && (location->line || location->python)) {
		file_text(out, location);
		if (location->function)
			buffer_format(out, " (%s)", location->function);
	} else if (row->unnamed) {
		buffer_format(out, "(no name) in %s", module_name(location));
	} else if (by == BY_FUNCTION && location->function) {
		bool in_file = location->python && location->file;
		buffer_format(out, "%s (%s)", location->function, in_file ? location->file : module_name(location));
	} else {
		location_text(out, location);
	}
}

/* So that the row can be found in a report of the same program without debug information. */
static void frame_text(struct buffer *out, const struct names *names, const struct location *location)
{
	const struct location *frame = location_frame(names, location);
	if (frame != location && frame->function_id != location->function_id)
		buffer_format(out, ", inlined into %s", frame->function);
}

void row_text(struct buffer *out, const struct names *names, const struct row *row, enum grouping by)
{
	plain_row_text(out, names, row, by);
	/* A line may have been inlined into many. */
	if (row->location && by == BY_STACK)
		frame_text(out, names, &names->locations[row->location - 1]);
	if (row->shows_module && row->location)
		buffer_format(out, " in %s", names->locations[row->location - 1].module_path);
}

void rows_tell_apart(const struct names *names, struct row *const *rows, size_t count, enum grouping by)
{
	struct intern texts = {0};
	uint32_t *numbers = must_allocate(count, sizeof *numbers), *modules = must_allocate(count, sizeof *modules);
	bool *differ = must_allocate(count, sizeof *differ);
	for (size_t i = 0; i < count; i++) {
		struct buffer text = {0};
		uint32_t known = texts.count;
		if (!rows[i]->location || by == BY_THREAD || by == BY_PROCESS)
			continue;
		plain_row_text(&text, names, rows[i], by);
		numbers[i] = intern_text(&texts, buffer_string(&text));
		buffer_free(&text);
		uint32_t module = names->locations[rows[i]->location - 1].module_id;
		if (numbers[i] > known)
			modules[numbers[i] - 1] = module;
		differ[numbers[i] - 1] |= modules[numbers[i] - 1] != module;
	}
	for (size_t i = 0; i < count; i++)
		rows[i]->shows_module = numbers[i] && differ[numbers[i] - 1];
	free(differ);
	free(modules);
	free(numbers);
	intern_free(&texts);
}

void aggregate_tell_apart(const struct names *names, struct aggregate *aggregate, size_t count, enum grouping by)
{
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
	struct row **rows = must_allocate(count, sizeof *rows);
	for (size_t i = 0; i < count; i++)
		rows[i] = &aggregate->rows[i];
	rows_tell_apart(names, rows, count, by);
	free(rows);
}

void row_callers(struct table *table, const struct names *names, const struct row *row,
		 const struct aggregate_options *options, const struct terminal *terminal)
{
	const char *arrow = terminal->unicode ? "\xe2\x86\x90 " : "< ";
	struct stack_walk walk = {0};
	const struct location *location;
	size_t printed = 0, left_out = 0;
	/* The headline is left out once: a recursive function comes again. */
	bool headline_due = true;
	enum frame_role role = row->location ? names->locations[row->location - 1].role : ROLE_OWNER;
	while ((location = stack_next(&walk, names, row, options))) {
		if (headline_due && row->location && location == &names->locations[row->location - 1]) {
			headline_due = false;
			continue;
		}
		/* Python code of the standard library is shown: it says in what the owner was called, and by whom. */
		bool passed_over = location->role > role && !location->python;
		if (passed_over && !options->all_frames)
			continue;
		if (printed == FRAMES_SHOWN && !options->all_frames) {
			left_out++;
			continue;
		}
		struct buffer line = {0};
		buffer_text(&line, headline_due ? "  at " : "  ");
		if (!headline_due)
			buffer_text(&line, arrow);
		location_text(&line, location);
		table_continue(table, STYLE_DIM, buffer_string(&line));
		buffer_free(&line);
		printed++;
	}
	if (left_out || row->cut) {
		struct buffer line = {0};
		if (left_out)
			buffer_format(&line, "  %s%zu more frame%s (--all-frames)", arrow, left_out,
				      left_out == 1 ? "" : "s");
		if (row->cut)
			buffer_format(&line, "%s%s", left_out ? ", " : "  ",
				      "outer frames were not recorded (--depth)");
		table_continue(table, STYLE_DIM, buffer_string(&line));
		buffer_free(&line);
	}
}

void left_out_row(struct table *table, uint32_t stacks)
{
	char number[32];
	struct buffer text = {0};
	buffer_format(&text, "left out by the filters: %s stack%s", format_count(number, stacks),
		      stacks == 1 ? "" : "s");
	table_cell(table, STYLE_PLAIN, buffer_string(&text));
	buffer_free(&text);
}

/* --- JSON ------------------------------------------------------------------------------------------------------ */

static void interval_json(const char *name, struct interval interval, bool is_change, struct json *json)
{
	json_put_array(json, name, true);
	for (int i = 0; i < 2; i++) {
		double end = i ? ceil(interval.high) : floor(interval.low);
		/* A hostile file may ask for more than there are numbers. */
		end = fmin(fmax(end, is_change ? -1e18 : 0), 1e18);
		json_put_signed(json, NULL, (int64_t)end);
	}
	json_end_array(json);
}

static void estimates_json(const struct figures *figures, struct json *json)
{
	const struct spreads *spreads = &figures->spreads;
	json_put_object(json, "samples", true);
	json_put_number(json, "live", spreads->live_blocks.samples);
	json_put_number(json, "alloc", spreads->alloc_blocks.samples);
	json_put_number(json, "peak", spreads->peak_blocks.samples);
	json_put_number(json, "temporary", spreads->temporary_blocks.samples);
	json_end_object(json);
	json_put_object(json, "interval", false);
	interval_json("live_bytes", interval_of(figures->live_bytes, &spreads->live_bytes), false, json);
	interval_json("live_blocks", interval_of(figures->live_blocks, &spreads->live_blocks), false, json);
	interval_json("alloc_bytes", interval_of(figures->alloc_bytes, &spreads->alloc_bytes), false, json);
	interval_json("alloc_blocks", interval_of(figures->alloc_blocks, &spreads->alloc_blocks), false, json);
	interval_json("peak_bytes", interval_of(figures->peak_bytes, &spreads->peak_bytes), false, json);
	interval_json("peak_blocks", interval_of(figures->peak_blocks, &spreads->peak_blocks), false, json);
	interval_json("temporary_blocks", interval_of(figures->temporary_blocks, &spreads->temporary_blocks), false,
		      json);
	json_end_object(json);
}

void change_spreads(const struct figures *old_figures, const struct figures *new_figures, struct spreads *change)
{
	spreads_of_change(&old_figures->spreads, &new_figures->spreads, new_figures->continued, change);
}

static void change_intervals_json(const struct figures *old_figures, const struct figures *new_figures,
				  struct json *json)
{
	struct spreads change;
	change_spreads(old_figures, new_figures, &change);
	const struct {
		const char *name;
		uint64_t before, after;
		const struct spread *spread;
	} figures[] = {
		{"live_bytes", old_figures->live_bytes, new_figures->live_bytes, &change.live_bytes},
		{"live_blocks", old_figures->live_blocks, new_figures->live_blocks, &change.live_blocks},
		{"alloc_bytes", old_figures->alloc_bytes, new_figures->alloc_bytes, &change.alloc_bytes},
		{"alloc_blocks", old_figures->alloc_blocks, new_figures->alloc_blocks, &change.alloc_blocks},
		{"peak_bytes", old_figures->peak_bytes, new_figures->peak_bytes, &change.peak_bytes},
		{"peak_blocks", old_figures->peak_blocks, new_figures->peak_blocks, &change.peak_blocks},
		{"temporary_blocks", old_figures->temporary_blocks, new_figures->temporary_blocks,
		 &change.temporary_blocks},
	};
	json_put_object(json, "interval_diff", false);
	for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
		interval_json(figures[i].name,
			      interval_of_change(figure_change(figures[i].before, figures[i].after), figures[i].spread),
			      true, json);
	json_end_object(json);
}

void figures_json(const struct figures *figures, struct json *json)
{
	json_put_number(json, "live_bytes", figures->live_bytes);
	json_put_number(json, "live_blocks", figures->live_blocks);
	json_put_number(json, "alloc_bytes", figures->alloc_bytes);
	json_put_number(json, "alloc_blocks", figures->alloc_blocks);
	json_put_number(json, "peak_bytes", figures->peak_bytes);
	json_put_number(json, "peak_blocks", figures->peak_blocks);
	json_put_number(json, "temporary_blocks", figures->temporary_blocks);
	if (figures->estimated)
		estimates_json(figures, json);
}

void changes_json(const struct figures *old_figures, const struct figures *new_figures, struct json *json)
{
	json_put_signed(json, "live_bytes_diff", figure_change(old_figures->live_bytes, new_figures->live_bytes));
	json_put_signed(json, "live_blocks_diff", figure_change(old_figures->live_blocks, new_figures->live_blocks));
	json_put_signed(json, "alloc_bytes_diff", figure_change(old_figures->alloc_bytes, new_figures->alloc_bytes));
	json_put_signed(json, "alloc_blocks_diff", figure_change(old_figures->alloc_blocks, new_figures->alloc_blocks));
	json_put_signed(json, "peak_bytes_diff", figure_change(old_figures->peak_bytes, new_figures->peak_bytes));
	json_put_signed(json, "peak_blocks_diff", figure_change(old_figures->peak_blocks, new_figures->peak_blocks));
	json_put_signed(json, "temporary_blocks_diff",
			figure_change(old_figures->temporary_blocks, new_figures->temporary_blocks));
	if (old_figures->estimated || new_figures->estimated)
		change_intervals_json(old_figures, new_figures, json);
}

/* unnamed: nothing but its address tells it from others. What the grouping has merged is null: a file's row has no
 * function, a module's has no file. */
static void frame_json(const struct location *location, enum grouping by, bool unnamed, struct json *json)
{
	bool has_function = by != BY_FILE && by != BY_MODULE, has_file = by != BY_MODULE;
	bool has_line = by == BY_STACK || by == BY_LINE;
	char address[32];
	json_put_object(json, NULL, true);
	json_put_text(json, "function", has_function ? location->function : NULL);
	json_put_text(json, "file", has_file ? location->file : NULL);
	if (has_line && location->line)
		json_put_number(json, "line", location->line);
	else
		json_put_null(json, "line");
	json_put_text(json, "module", location->module_path[0] ? location->module_path : NULL);
	json_put_text(json, "language", location->python ? "python" : "native");
	json_put_boolean(json, "inlined", by == BY_STACK && location->inlined);
	if (by == BY_STACK) {
		json_put_text(json, "linkage_name", location->linkage_name);
		snprintf(address, sizeof address, "0x%" PRIx64, location->address);
		json_put_text(json, "address", location->python ? NULL : address);
	} else if (unnamed) {
		snprintf(address, sizeof address, "0x%" PRIx64, location->address);
		json_put_text(json, "address", address);
	}
	json_end_object(json);
}

static void thread_json(const struct snapshot_thread *thread, struct json *json)
{
	json_put_object(json, "thread", true);
	json_put_number(json, "tid", thread->tid);
	json_put_text(json, "name", thread->name);
	json_put_text(json, "label", thread->label[0] ? thread->label : NULL);
	json_put_boolean(json, "alive", thread->flags & THREAD_ALIVE);
	json_end_object(json);
}

/* A frame's number in the table. */
static uint32_t frame_number(const struct names *names, const struct location *location, struct frame_table *table)
{
	if (!table->numbers)
		table->numbers = must_allocate(names->location_count, sizeof *table->numbers);
	uint32_t at = (uint32_t)(location - names->locations);
	if (!table->numbers[at]) {
		must_grow(table->locations, table->count, table->capacity);
		table->locations[table->count++] = at;
		table->numbers[at] = (uint32_t)table->count;
	}
	return table->numbers[at] - 1;
}

void frame_table_json(const struct names *names, struct frame_table *table, struct json *json)
{
	json_put_array(json, "frames", false);
	for (size_t i = 0; i < table->count; i++)
		frame_json(&names->locations[table->locations[i]], BY_STACK, false, json);
	json_end_array(json);
	free(table->numbers);
	free(table->locations);
	*table = (struct frame_table){0};
}

void row_json(const struct names *names, const struct row *row, const struct aggregate_options *options,
	      struct frame_table *table, struct json *json)
{
	if (options->by == BY_THREAD) {
		if (row->thread)
			thread_json(&names->snapshots[row->side]->threads[row->thread], json);
		else
			json_put_null(json, "thread");
	}
	if (options->by == BY_PROCESS) {
		const struct snapshot *part = part_of(names->snapshots[row->side], row->part);
		json_put_object(json, "process", true);
		json_put_number(json, "pid", part->numbers[META_PID]);
		json_put_text(json, "program", part->texts[META_PROGRAM].data);
		json_put_text(json, "snapshot", part->file_name);
		json_end_object(json);
	}
	json_put_array(json, "frames", table != NULL);
	if (options->by == BY_STACK) {
		struct stack_walk walk = {0};
		const struct location *location;
		while ((location = stack_next(&walk, names, row, options)))
			if (table)
				json_put_number(json, NULL, frame_number(names, location, table));
			else
				frame_json(location, options->by, false, json);
	} else if (row->location) {
		const struct location *location = &names->locations[row->location - 1];
		bool unnamed = !location->python && !location->function && !row->unnamed &&
			       (options->by == BY_LINE || options->by == BY_FUNCTION);
		frame_json(location, options->by, unnamed, json);
	}
	json_end_array(json);
	if (options->by == BY_STACK)
		json_put_boolean(json, "cut", row->cut);
}

void symbol_notes_json(const struct names *names, struct json *json)
{
	/* Two snapshots of a program without debug information say so once. */
	struct intern said = {0};
	json_put_array(json, "symbol_notes", false);
	for (uint32_t side = 0; side < names->snapshot_count; side++)
		for (uint32_t id = 1; id <= names->snapshots[side]->module_count; id++) {
			uint32_t known = said.count;
			const char *note = names_note(names, side, id);
			if (intern_text(&said, note) > known)
				json_put_text(json, NULL, note);
		}
	json_end_array(json);
	intern_free(&said);
}
