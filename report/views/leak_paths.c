/* Rows by what they retain, and paths; leak_paths.h. */
#include "report/views/leak_paths.h"

#include "report/snapshot/heading.h"
#include "report/views/present.h"
#include "report/views/rows.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct retained_rows {
	struct reading *reading;
	struct aggregate aggregate;
	uint32_t *path;    /* by the innermost frame of a row: number + 1 of its shortest path; 0: none */
	size_t first, end; /* rows to be printed */
	bool paths;
};

/* --- rows ------------------------------------------------------------------------------------------------------ */

/* The snapshot as if what is reached were all that there is: live for the blocks, allocated for what they retain. */
static void show_reached(struct snapshot *snapshot)
{
	snapshot_forget_figures(snapshot);
	for (uint32_t i = 0; i < snapshot->leak_count; i++) {
		const struct snapshot_leak *leak = &snapshot->leaks[i];
		if (leak->kind == LEAK_DEFINITE || leak->kind == LEAK_INDIRECT)
			continue;
		snapshot->sites[leak->site].live_blocks += leak->blocks;
		snapshot->sites[leak->site].live_bytes += leak->bytes;
	}
	for (uint32_t i = 0; i < snapshot->retained.sum_count; i++) {
		const struct retained_sum *sum = &snapshot->retained.sums[i];
		snapshot->sites[sum->site].alloc_blocks += sum->blocks;
		snapshot->sites[sum->site].alloc_bytes += sum->bytes;
	}
}

/* A row's innermost frame tells it from the others. Before rows are ranked: they move. */
static void find_paths(struct retained_rows *rows)
{
	const struct snapshot *snapshot = rows->reading->snapshots[0];
	const struct retained_data *data = &snapshot->retained;
	const uint32_t *row_of_site = rows->aggregate.row_of_site[0];
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
	rows->path = must_allocate((size_t)snapshot->frame_count + 1, sizeof *rows->path);
	for (uint32_t i = 0; row_of_site && i < data->path_count; i++) {
		uint32_t row = row_of_site[data->paths[i].site];
		uint32_t *best = row ? &rows->path[rows->aggregate.rows[row - 1].frame] : NULL;
		if (best && (!*best || data->paths[i].step_count < data->paths[*best - 1].step_count))
			*best = i + 1;
	}
}

/* NULL: there is none. */
static const struct retained_path *path_of(const struct retained_rows *rows, const struct row *row)
{
	uint32_t number = rows->path[row->frame];
	return number ? &rows->reading->snapshots[0]->retained.paths[number - 1] : NULL;
}

static void build_rows(struct retained_rows *rows)
{
	struct reading *reading = rows->reading;
	struct aggregate *aggregate = &rows->aggregate;
	show_reached(reading->snapshots[0]);
	reading->group.keep_sites = true;
	aggregate_build(aggregate, reading->names, &reading->group);
	find_paths(rows);
	rank_rows(aggregate, 0, METRIC_ALLOC_BYTES, reading->top);
	size_t count = rows_to_print(aggregate, reading->top);
	while (count && !aggregate->rows[count - 1].figures[0].alloc_blocks)
		count--;
	rows->end = count;
	aggregate_name_stacks(aggregate, reading->names, &reading->group, count);
}

/* --- roots ----------------------------------------------------------------------------------------------------- */

/* The place of a root, in the program's own names. */
struct root_place {
	const char *kind;   /* in JSON */
	const char *name;   /* of a variable, a register; NULL: not known */
	const char *module; /* NULL: none */
	uint64_t offset;
	const struct location *call; /* whose frame of the stack, or register, it is; NULL: not known */
};

static uint32_t module_at(const struct snapshot *snapshot, uint64_t address)
{
	for (uint32_t id = 1; id <= snapshot->module_count; id++) {
		const struct snapshot_module *module = &snapshot->modules[id];
		for (size_t i = 0; !(module->flags & MODULE_UNLOADED) && i < module->segment_count; i++)
			if (address - module->bias - module->segments[i].vaddr < module->segments[i].memsz)
				return id;
	}
	return 0;
}

static const char *thread_name(const struct snapshot *snapshot, uint32_t tid)
{
	for (uint32_t id = 1; id <= snapshot->thread_count; id++)
		if (snapshot->threads[id].tid == tid && snapshot->threads[id].flags & THREAD_ALIVE)
			return snapshot->threads[id].name;
	return NULL;
}

/* As the kernel's struct sigcontext has them. */
static const char *register_name(uint64_t number)
{
	static const char *const names[] = {"r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15",
					    "rdi", "rsi", "rbp", "rbx", "rdx", "rax", "rcx", "rsp"};
	return number < sizeof names / sizeof *names ? names[number] : "a vector register";
}

static void find_memory(const struct retained_rows *rows, uint64_t address, struct root_place *place)
{
	struct reading *reading = rows->reading;
	uint32_t module = module_at(reading->snapshots[0], address);
	place->kind = "memory";
	place->offset = address;
	if (!module)
		return;
	const struct snapshot_module *home = &reading->snapshots[0]->modules[module];
	place->module = names_module_name(reading->snapshots[0], module);
	place->offset = address - home->bias;
	place->name = names_variable(reading->names, 0, module, place->offset, &place->offset);
	place->kind = place->name ? "variable" : "module";
}

/* The call itself: what is inlined into it has no frame of its own. */
static const struct location *find_call(const struct retained_rows *rows, uint32_t frame)
{
	struct names *names = rows->reading->names;
	uint32_t number = names->frame_addresses[0][frame];
	if (!number)
		return NULL;
	names_resolve(names, number);
	const struct address *address = &names->addresses[number];
	return address->location_count ? &names->locations[address->first_location + address->location_count - 1]
				       : NULL;
}

static void find_thread_local(const struct retained_rows *rows, const struct retained_path *path,
			      struct root_place *place)
{
	struct reading *reading = rows->reading;
	place->kind = "thread-local";
	if (!path->module)
		return;
	place->module = names_module_name(reading->snapshots[0], path->module);
	place->offset = path->module_offset;
	place->name = names_thread_variable(reading->names, 0, path->module, path->module_offset, &place->offset);
}

static struct root_place find_root(const struct retained_rows *rows, const struct retained_path *path)
{
	struct root_place place = {.kind = "unknown", .offset = path->place};
	if (path->root == ROOT_MEMORY)
		find_memory(rows, path->place, &place);
	else if (path->root == ROOT_STACK)
		place = (struct root_place){
			.kind = "stack", .offset = path->place, .call = find_call(rows, path->frame)};
	else if (path->root == ROOT_REGISTER)
		place = (struct root_place){
			.kind = "register", .name = register_name(path->place), .call = find_call(rows, path->frame)};
	else if (path->root == ROOT_THREAD)
		find_thread_local(rows, path, &place);
	else if (path->root == ROOT_ITSELF)
		place.kind = "in use";
	return place;
}

static void thread_text(struct buffer *out, const struct snapshot *snapshot, uint32_t tid)
{
	const char *name = thread_name(snapshot, tid);
	buffer_format(out, "thread %" PRIu32, tid);
	if (name && name[0])
		buffer_format(out, " (%s)", name);
}

static void variable_text(struct buffer *out, const struct root_place *place)
{
	buffer_text(out, place->name);
	if (place->offset)
		buffer_format(out, "+%" PRIu64, place->offset);
	buffer_format(out, " in %s", place->module);
}

static void root_text(struct buffer *out, const struct retained_rows *rows, const struct retained_path *path)
{
	const struct snapshot *snapshot = rows->reading->snapshots[0];
	struct root_place place = find_root(rows, path);
	if (path->root == ROOT_MEMORY && place.name) {
		buffer_text(out, "global variable ");
		variable_text(out, &place);
	} else if (path->root == ROOT_MEMORY && place.module) {
		buffer_format(out, "data of %s at 0x%" PRIx64, place.module, place.offset);
	} else if (path->root == ROOT_MEMORY) {
		buffer_format(out, "a mapping of the program, at 0x%" PRIx64, place.offset);
	} else if (path->root == ROOT_STACK && place.call) {
		thread_text(out, snapshot, path->thread);
		buffer_text(out, ": stack frame of ");
		location_text(out, place.call);
	} else if (path->root == ROOT_STACK) {
		thread_text(out, snapshot, path->thread);
		buffer_format(out, ": stack, %" PRIu64 " bytes above its lowest", place.offset);
	} else if (path->root == ROOT_REGISTER) {
		thread_text(out, snapshot, path->thread);
		buffer_format(out, ": register %s", place.name);
		if (place.call) {
			buffer_text(out, " of ");
			location_text(out, place.call);
		}
	} else if (path->root == ROOT_THREAD && place.module) {
		thread_text(out, snapshot, path->thread);
		if (place.name) {
			buffer_text(out, ": thread-local variable ");
			variable_text(out, &place);
		} else {
			buffer_format(out, ": thread-local data of %s at 0x%" PRIx64, place.module, place.offset);
		}
	} else if (path->root == ROOT_THREAD) {
		thread_text(out, snapshot, path->thread);
		buffer_text(out, place.offset > ROOT_THREAD_POINTER ? ": a thread-local variable"
								    : ": what libc keeps of it");
	} else if (path->root == ROOT_ITSELF) {
		buffer_text(out, "a block that counts as in use: the loader's, ignored, or not recorded");
	} else {
		buffer_text(out, "a root of an unknown kind: use a newer mudlark");
	}
}

/* --- text ------------------------------------------------------------------------------------------------------ */

static char *size_text(const struct reading *reading, char text[32], uint64_t bytes)
{
	if (!reading->exact_bytes)
		return format_size(text, bytes);
	snprintf(text, 32, "%" PRIu64 " bytes", bytes);
	return text;
}

static void print_line(struct buffer *line)
{
	struct buffer clean = {0};
	text_clean(&clean, buffer_string(line));
	puts(buffer_string(&clean));
	buffer_free(&clean);
	buffer_free(line);
}

static void print_step(const struct retained_rows *rows, const struct retained_path *path, uint32_t number)
{
	const struct retained_step *steps = rows->reading->snapshots[0]->retained.steps + path->first_step;
	bool last = number == path->step_count;
	char text[32];
	struct buffer line = {0};
	if (number && number == path->near_root && path->left_out) {
		buffer_format(&line, "      ... %s blocks more ...", format_count(text, path->left_out));
		print_line(&line);
	}
	buffer_text(&line, "    ");
	if (number)
		buffer_format(&line, "+%" PRIu64 " ", steps[number - 1].offset);
	buffer_format(&line, "-> %s", size_text(rows->reading, text, last ? path->bytes : steps[number].bytes));
	if (!last && steps[number].times > 1)
		buffer_format(&line, ", %s blocks in a row", format_count(text, steps[number].times));
	buffer_text(&line, last ? ", this stack's block" : ": ");
	if (!last && steps[number].site) {
		struct row row = row_of_site(rows->reading->names, 0, steps[number].site, &rows->reading->group);
		row_text(&line, rows->reading->names, &row, BY_STACK);
	} else if (!last) {
		buffer_text(&line, "(not recorded)");
	}
	print_line(&line);
}

static void print_path(const struct retained_rows *rows, size_t number)
{
	const struct reading *reading = rows->reading;
	const struct row *row = &rows->aggregate.rows[number];
	const struct figures *figures = &row->figures[0];
	const struct retained_path *path = path_of(rows, row);
	char own[32], all[32], count[32];
	struct buffer line = {0};
	buffer_format(&line, "%zu  ", number + 1);
	row_text(&line, reading->names, row, BY_STACK);
	putchar('\n');
	print_line(&line);
	printf("  %s of its own, %s retained in %s block%s\n", size_text(reading, own, figures->live_bytes),
	       size_text(reading, all, figures->alloc_bytes), format_count(count, figures->alloc_blocks),
	       figures->alloc_blocks == 1 ? "" : "s");
	if (!path) {
		puts("  the path to it is too long to show");
		return;
	}
	buffer_text(&line, "  ");
	root_text(&line, rows, path);
	print_line(&line);
	for (uint32_t i = 0; i <= path->step_count; i++)
		print_step(rows, path, i);
}

static void print_table(const struct retained_rows *rows, const struct terminal *terminal)
{
	static const struct table_column columns[] = {
		{"#", true, false},       {"Retained", true, false}, {"Blocks", true, true},
		{"Its own", true, false}, {"Blocks", true, true},    {"Where it was allocated", false, false},
	};
	const struct reading *reading = rows->reading;
	struct table table = {.columns = columns, .column_count = sizeof columns / sizeof *columns};
	char *(*format)(char *, uint64_t) = reading->exact_bytes ? format_count : format_size;
	for (size_t i = rows->first; i < rows->end; i++) {
		const struct row *row = &rows->aggregate.rows[i];
		struct buffer text = {0};
		char number[32];
		table_cell(&table, STYLE_PLAIN, format_count(number, i + 1));
		table_cell(&table, STYLE_BOLD, format(number, row->figures[0].alloc_bytes));
		table_cell(&table, STYLE_PLAIN, format_count(number, row->figures[0].alloc_blocks));
		table_cell(&table, STYLE_PLAIN, format(number, row->figures[0].live_bytes));
		table_cell(&table, STYLE_PLAIN, format_count(number, row->figures[0].live_blocks));
		row_text(&text, reading->names, row, BY_STACK);
		table_cell(&table, STYLE_BOLD, buffer_string(&text));
		buffer_free(&text);
		row_callers(&table, reading->names, row, &reading->group, terminal);
	}
	putchar('\n');
	table_print(&table, stdout, terminal);
	table_free(&table);
}

static void rows_text(const struct retained_rows *rows)
{
	struct terminal terminal = terminal_of(stdout, rows->reading->color, rows->reading->width);
	heading_print(rows->reading->snapshots[0], stdout, &terminal);
	if (rows->paths)
		for (size_t i = rows->first; i < rows->end; i++)
			print_path(rows, i);
	else if (rows->first < rows->end)
		print_table(rows, &terminal);
}

/* --- JSON ------------------------------------------------------------------------------------------------------ */

static void root_json(const struct retained_rows *rows, const struct retained_path *path, struct json *json)
{
	struct root_place place = find_root(rows, path);
	json_put_object(json, "root", true);
	json_put_text(json, "kind", place.kind);
	json_put_text(json, "name", place.name);
	json_put_text(json, "module", place.module);
	json_put_number(json, "offset", place.offset);
	json_put_number(json, "thread", path->thread);
	json_put_text(json, "function", place.call ? place.call->function : NULL);
	json_put_text(json, "file", place.call ? place.call->file : NULL);
	if (place.call && place.call->line)
		json_put_number(json, "line", place.call->line);
	else
		json_put_null(json, "line");
	json_end_object(json);
}

static void path_json(const struct retained_rows *rows, const struct row *row, struct json *json)
{
	const struct retained_path *path = path_of(rows, row);
	if (!path) {
		json_put_null(json, "path");
		return;
	}
	json_put_object(json, "path", false);
	root_json(rows, path, json);
	json_put_array(json, "steps", false);
	for (uint32_t i = 0; i < path->step_count; i++) {
		const struct retained_step *step = &rows->reading->snapshots[0]->retained.steps[path->first_step + i];
		struct row site = row_of_site(rows->reading->names, 0, step->site, &rows->reading->group);
		json_put_object(json, NULL, false);
		json_put_number(json, "bytes", step->bytes);
		json_put_number(json, "offset", step->offset);
		json_put_number(json, "blocks", step->times);
		row_json(rows->reading->names, &site, &rows->reading->group, NULL, json);
		json_end_object(json);
	}
	json_end_array(json);
	json_put_number(json, "bytes", path->bytes);
	json_put_number(json, "left_out", path->left_out);
	json_put_number(json, "left_out_after", path->near_root);
	json_end_object(json);
}

static void rows_json(const struct retained_rows *rows)
{
	struct json json = {.stream = stdout};
	const struct reading *reading = rows->reading;
	json_put_object(&json, NULL, false);
	json_put_text(&json, "schema", "mudlark.leaks/1");
	heading_json(reading->snapshots[0], &json);
	json_put_boolean(&json, "complete", reading->snapshots[0]->numbers[META_LEAKS_INCOMPLETE] == 0);
	json_put_array(&json, "retained", false);
	for (size_t i = rows->first; i < rows->end; i++) {
		const struct row *row = &rows->aggregate.rows[i];
		json_put_object(&json, NULL, false);
		json_put_number(&json, "number", i + 1);
		json_put_number(&json, "retained_bytes", row->figures[0].alloc_bytes);
		json_put_number(&json, "retained_blocks", row->figures[0].alloc_blocks);
		json_put_number(&json, "bytes", row->figures[0].live_bytes);
		json_put_number(&json, "blocks", row->figures[0].live_blocks);
		if (rows->paths)
			path_json(rows, row, &json);
		row_json(reading->names, row, &reading->group, NULL, &json);
		json_end_object(&json);
	}
	json_end_array(&json);
	symbol_notes_json(reading->names, &json);
	json_end_object(&json);
	json_finish(&json);
}

/* --- the command's part ---------------------------------------------------------------------------------------- */

/* The number of a row, or a pattern for the filter. */
static unsigned long choose(struct reading *reading, const char *path)
{
	size_t digits = strspn(path, "0123456789");
	if (digits && digits < 10 && !path[digits])
		return strtoul(path, NULL, 10);
	filter_want(&reading->filter, path);
	return 0;
}

int leak_paths_print(struct reading *reading, const char *path, struct error *error)
{
	struct retained_rows rows = {.reading = reading, .paths = path != NULL};
	if (!reading->snapshots[0]->numbers[META_RETAINED])
		return error_set(error, EXIT_INPUT,
				 "write one with 'mudlark run --retained COMMAND' or 'mudlark snap --retained PID'",
				 "%s: the search did not find out why blocks are reachable",
				 reading->snapshots[0]->file_name);
	unsigned long number = path ? choose(reading, path) : 0;
	if (number > reading->top && reading->top)
		reading->top = number;
	build_rows(&rows);
	int status = EXIT_FINE;
	if (number > rows.end || (path && rows.end == 0))
		status = error_set(error, EXIT_INPUT, "'mudlark leaks --retained' lists them with their numbers",
				   "no reachable block has a stack '%s'", path);
	if (number) {
		rows.first = number - 1;
		rows.end = number;
	}
	if (status == EXIT_FINE && reading->json)
		rows_json(&rows);
	else if (status == EXIT_FINE)
		rows_text(&rows);
	free(rows.path);
	aggregate_free(&rows.aggregate);
	return status;
}
