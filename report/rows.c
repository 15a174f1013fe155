/*
 * See rows.h.
 */
#include "report/rows.h"

#include <inttypes.h>
#include <math.h>
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

void location_text(struct buffer *out, const struct location *location)
{
	if (location->function)
		buffer_text(out, location->function);
	else if (location->python)
		buffer_text(out, "(no name)");
	else
		buffer_format(out, "0x%" PRIx64, location->address);
	if (location->file) {
		buffer_text(out, " (");
		file_text(out, location);
		buffer_byte(out, ')');
	} else if (location->function) {
		buffer_format(out, " (%s)", module_name(location));
	} else {
		buffer_format(out, " in %s", module_name(location));
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

void row_text(struct buffer *out, const struct names *names, const struct row *row, enum grouping by)
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
		buffer_text(out, location->module_path[0] ? location->module_path : "(unknown module)");
	} else if (by == BY_FILE) {
		if (location->file)
			buffer_text(out, location->file);
		else
			buffer_format(out, "(no source file) in %s", module_name(location));
	} else if (by == BY_LINE && location->file && (location->line || location->python)) {
		file_text(out, location);
		if (location->function)
			buffer_format(out, " (%s)", location->function);
	} else if ((by == BY_LINE || by == BY_FUNCTION) && !location->function) {
		buffer_format(out, "(no name) in %s", module_name(location));
	} else if (by == BY_FUNCTION) {
		bool in_file = location->python && location->file;
		buffer_format(out, "%s (%s)", location->function, in_file ? location->file : module_name(location));
	} else {
		location_text(out, location);
	}
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
	while ((location = stack_next(&walk, names, row, options))) {
		if (headline_due && row->location && location == &names->locations[row->location - 1]) {
			headline_due = false;
			continue;
		}
		if (location->runtime && !options->all_frames)
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

/* What the grouping has merged is null: a file's row has no function, a module's has no file. */
static void frame_json(const struct location *location, enum grouping by, struct json *json)
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

void row_json(const struct names *names, const struct row *row, const struct aggregate_options *options,
	      struct json *json)
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
	json_put_array(json, "frames", false);
	if (options->by == BY_STACK) {
		struct stack_walk walk = {0};
		const struct location *location;
		while ((location = stack_next(&walk, names, row, options)))
			frame_json(location, options->by, json);
	} else if (row->location) {
		frame_json(&names->locations[row->location - 1], options->by, json);
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
