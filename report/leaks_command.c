/*
 * mudlark leaks: what a search for leaks found, by stack.
 *
 * A row is a stack and a kind. Its figures are put in the places of those that the tables know, so that grouping,
 * filters, names and ranking are show's: live for the blocks themselves, allocated for what is lost with them.
 */
#include "report/heading.h"
#include "report/leak_paths.h"
#include "report/present.h"
#include "report/rows.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define KIND_CHOICES "reachable|stack-only|possible|definite|indirect|all"
#define STYLE_CHOICES "table|lsan"

enum { LEAK_KINDS = LEAK_INDIRECT + 1, OPTION_KIND = 1, OPTION_STYLE, OPTION_JUDGE, OPTION_RETAINED, OPTION_PATH };

static const char *const kind_names[LEAK_KINDS] = {
	[LEAK_REACHABLE] = "reachable", [LEAK_STACK_ONLY] = "stack-only", [LEAK_POSSIBLE] = "possible",
	[LEAK_DEFINITE] = "definite",   [LEAK_INDIRECT] = "indirect",
};

/* In the order in which they are printed. */
static const int kinds_worst_first[] = {LEAK_DEFINITE, LEAK_INDIRECT, LEAK_POSSIBLE, LEAK_STACK_ONLY, LEAK_REACHABLE};
enum { KINDS_PRINTED = sizeof kinds_worst_first / sizeof *kinds_worst_first };

struct leaks_options {
	struct reading reading;
	unsigned kinds; /* bit per enum snapshot_leak_kind; 0: nothing was said */
	bool lsan, judge, retained;
	const char *path; /* --path; NULL: not given */
};

struct leak_sums {
	uint64_t blocks[LEAK_KINDS], bytes[LEAK_KINDS];
};

/* The rows of one kind, ranked and named. */
struct kind_rows {
	struct aggregate aggregate;
	int kind;
};

static int leaks_option(void *context, int id, const char *argument, struct error *error)
{
	struct leaks_options *options = context;
	int choice;
	switch (id) {
	case OPTION_KIND:
		choice = options_choice(KIND_CHOICES, argument);
		options->kinds |= choice == LEAK_INDIRECT ? ~0u : 1u << (choice + 1);
		return EXIT_FINE;
	case OPTION_STYLE:
		options->lsan = options_choice(STYLE_CHOICES, argument) == 1;
		return EXIT_FINE;
	case OPTION_JUDGE:
		options->judge = true;
		return EXIT_FINE;
	case OPTION_RETAINED:
		options->retained = true;
		return EXIT_FINE;
	case OPTION_PATH:
		options->path = argument;
		return EXIT_FINE;
	default:
		return reading_option(&options->reading, id, argument, error);
	}
}

/* --- figures --------------------------------------------------------------------------------------------------- */

static struct leak_sums sum_leaks(const struct snapshot *snapshot)
{
	struct leak_sums sums = {0};
	for (uint32_t i = 0; i < snapshot->leak_count; i++) {
		const struct snapshot_leak *leak = &snapshot->leaks[i];
		if (leak->kind >= LEAK_KINDS)
			continue;
		sums.blocks[leak->kind] += leak->blocks;
		sums.bytes[leak->kind] += leak->bytes;
	}
	return sums;
}

/* The snapshot as if what is of this kind were all that there is. */
static void show_kind(struct snapshot *snapshot, int kind)
{
	snapshot_forget_figures(snapshot);
	for (uint32_t i = 0; i < snapshot->leak_count; i++) {
		const struct snapshot_leak *leak = &snapshot->leaks[i];
		struct snapshot_site *site = &snapshot->sites[leak->site];
		if (leak->kind != (uint32_t)kind)
			continue;
		site->live_blocks += leak->blocks;
		site->live_bytes += leak->bytes;
		site->alloc_blocks += leak->indirect_blocks;
		site->alloc_bytes += leak->indirect_bytes;
	}
}

static void build_kind(struct reading *reading, struct kind_rows *rows, int kind)
{
	rows->kind = kind;
	show_kind(reading->snapshots[0], kind);
	aggregate_build(&rows->aggregate, reading->names, &reading->group);
	rank_rows(&rows->aggregate, 0, METRIC_LIVE_BYTES, reading->top);
	aggregate_name_stacks(&rows->aggregate, reading->names, &reading->group,
			      rows_to_print(&rows->aggregate, reading->top));
}

/* --- JSON ------------------------------------------------------------------------------------------------------ */

static const char *const incomplete_words[] = {
	"threads could not be stopped",
	"the mappings or the threads of the process could not be read",
	"there was no memory for the search",
	"Mudlark's own memory could not be told from the program's",
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
	for (int i = 0; i < KINDS_PRINTED; i++) {
		int kind = kinds_worst_first[i];
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

static void leaks_json(const struct reading *reading, const struct kind_rows *kinds, size_t kind_count,
		       const struct leak_sums *sums)
{
	struct json json = {.stream = stdout};
	const struct snapshot *snapshot = reading->snapshots[0];
	json_put_object(&json, NULL, false);
	json_put_text(&json, "schema", "mudlark.leaks/1");
	heading_json(snapshot, &json);
	json_put_boolean(&json, "complete", snapshot->numbers[META_LEAKS_INCOMPLETE] == 0);
	incomplete_json(snapshot->numbers[META_LEAKS_INCOMPLETE], &json);
	sums_json(snapshot, sums, &json);
	json_put_array(&json, "rows", false);
	for (size_t i = 0; i < kind_count; i++) {
		const struct aggregate *aggregate = &kinds[i].aggregate;
		for (size_t j = 0; j < rows_to_print(aggregate, reading->top); j++) {
			const struct figures *figures = &aggregate->rows[j].figures[0];
			json_put_object(&json, NULL, false);
			json_put_text(&json, "kind", kind_names[kinds[i].kind]);
			json_put_number(&json, "bytes", figures->live_bytes);
			json_put_number(&json, "blocks", figures->live_blocks);
			json_put_number(&json, "indirect_bytes", figures->alloc_bytes);
			json_put_number(&json, "indirect_blocks", figures->alloc_blocks);
			row_json(reading->names, &aggregate->rows[j], &reading->group, &json);
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

static void print_sums(const struct snapshot *snapshot, const struct leak_sums *sums)
{
	static const char *const words[LEAK_KINDS] = {
		[LEAK_DEFINITE] = "nothing points to them",
		[LEAK_INDIRECT] = "only what is lost points to them",
		[LEAK_POSSIBLE] = "only pointers into their middle, or with a tag",
		[LEAK_STACK_ONLY] = "only a stack points to them",
		[LEAK_REACHABLE] = "in use",
	};
	char bytes[32], blocks[32];
	for (int i = 0; i < KINDS_PRINTED; i++) {
		int kind = kinds_worst_first[i];
		printf("%-11s %s bytes in %s blocks: %s\n", kind_names[kind], format_count(bytes, sums->bytes[kind]),
		       format_count(blocks, sums->blocks[kind]), words[kind]);
	}
	if (snapshot->totals[TOTAL_UNRECORDED_BLOCKS])
		printf("unrecorded  %s bytes in %s blocks more are lost, which sampling left out\n",
		       format_count(bytes, snapshot->totals[TOTAL_UNRECORDED_BYTES]),
		       format_count(blocks, snapshot->totals[TOTAL_UNRECORDED_BLOCKS]));
	for (size_t i = 0; i < sizeof incomplete_words / sizeof *incomplete_words; i++)
		if (snapshot->numbers[META_LEAKS_INCOMPLETE] >> i & 1)
			printf("not certain: %s\n", incomplete_words[i]);
}

static void leaks_text(const struct reading *reading, const struct kind_rows *kinds, size_t kind_count,
		       const struct leak_sums *sums)
{
	static const struct table_column columns[] = {
		{"Kind", false, false},
		{"Size", true, false},
		{"Blocks", true, false},
		{"With it", true, true},
		{"Where it was allocated", false, false},
	};
	struct terminal terminal = terminal_of(stdout, reading->color);
	struct table table = {.columns = columns, .column_count = sizeof columns / sizeof *columns};
	heading_print(reading->snapshots[0], stdout, &terminal);
	print_sums(reading->snapshots[0], sums);
	for (size_t i = 0; i < kind_count; i++)
		add_kind(&table, reading, &kinds[i], &terminal);
	if (table.cell_count) {
		putchar('\n');
		table_print(&table, stdout, &terminal);
	}
	table_free(&table);
}

/* --- as LeakSanitizer says it ---------------------------------------------------------------------------------- */

static void lsan_frame(unsigned number, const struct location *location)
{
	struct buffer line = {0};
	buffer_format(&line, "    #%u 0x%012" PRIx64, number, location->address);
	if (location->function)
		buffer_format(&line, " in %s", location->function);
	if (location->file && location->line)
		buffer_format(&line, " %s:%" PRIu32, location->file, location->line);
	else
		buffer_format(&line, " (%s+0x%" PRIx64 ")",
			      location->module_path[0] ? location->module_path : "<unknown module>", location->address);
	struct buffer clean = {0};
	text_clean(&clean, buffer_string(&line));
	puts(buffer_string(&clean));
	buffer_free(&line);
	buffer_free(&clean);
}

static void lsan_rows(const struct reading *reading, const struct kind_rows *rows)
{
	const struct aggregate *aggregate = &rows->aggregate;
	for (size_t i = 0; i < rows_to_print(aggregate, reading->top); i++) {
		const struct row *row = &aggregate->rows[i];
		const struct figures *figures = &row->figures[0];
		struct stack_walk walk = {0};
		const struct location *location;
		unsigned number = 0;
		printf("%s leak of %" PRIu64 " byte(s) in %" PRIu64 " object(s) allocated from:\n",
		       rows->kind == LEAK_DEFINITE ? "Direct" : "Indirect", figures->live_bytes, figures->live_blocks);
		while ((location = stack_next(&walk, reading->names, row, &reading->group)))
			lsan_frame(number++, location);
		putchar('\n');
	}
}

/* Nothing is said of what is not lost, as there. */
static void leaks_lsan(const struct reading *reading, const struct kind_rows *kinds, size_t kind_count,
		       const struct leak_sums *sums)
{
	uint64_t blocks = sums->blocks[LEAK_DEFINITE] + sums->blocks[LEAK_INDIRECT];
	if (!blocks)
		return;
	printf("\n=================================================================\n"
	       "==%" PRIu64 "==ERROR: LeakSanitizer: detected memory leaks\n\n",
	       reading->snapshots[0]->numbers[META_PID]);
	for (size_t i = 0; i < kind_count; i++)
		if (kinds[i].kind == LEAK_DEFINITE || kinds[i].kind == LEAK_INDIRECT)
			lsan_rows(reading, &kinds[i]);
	printf("SUMMARY: LeakSanitizer: %" PRIu64 " byte(s) leaked in %" PRIu64 " allocation(s).\n",
	       sums->bytes[LEAK_DEFINITE] + sums->bytes[LEAK_INDIRECT], blocks);
}

/* --- the command ----------------------------------------------------------------------------------------------- */

static void print_kinds(struct leaks_options *options, const struct leak_sums *sums)
{
	struct reading *reading = &options->reading;
	struct kind_rows kinds[KINDS_PRINTED] = {0};
	size_t kind_count = 0;
	for (int i = 0; i < KINDS_PRINTED; i++)
		if (options->kinds >> kinds_worst_first[i] & 1)
			build_kind(reading, &kinds[kind_count++], kinds_worst_first[i]);
	if (reading->json)
		leaks_json(reading, kinds, kind_count, sums);
	else if (options->lsan)
		leaks_lsan(reading, kinds, kind_count, sums);
	else
		leaks_text(reading, kinds, kind_count, sums);
	for (size_t i = 0; i < kind_count; i++)
		aggregate_free(&kinds[i].aggregate);
}

static int leaks(struct leaks_options *options, const char *path, struct error *error)
{
	struct reading *reading = &options->reading;
	if (reading_load(reading, &path, 1, error) != EXIT_FINE)
		return error->code;
	struct snapshot *snapshot = reading->snapshots[0];
	if (!snapshot->numbers[META_LEAKS])
		return error_set(error, EXIT_INPUT,
				 "write one with 'mudlark run --leaks COMMAND' or 'mudlark snap --leaks PID'",
				 "%s: no search for leaks was made for this snapshot", path);
	struct leak_sums sums = sum_leaks(snapshot);
	bool why = options->retained || options->path;
	if (why && leak_paths_print(reading, options->path, error) != EXIT_FINE)
		return error->code;
	if (!why)
		print_kinds(options, &sums);
	if (!reading->json)
		print_symbol_notes(reading->names, reading->group.all_frames);
	if (!options->judge)
		return EXIT_FINE;
	if (snapshot->numbers[META_LEAKS_INCOMPLETE])
		return EXIT_INCOMPLETE;
	return sums.blocks[LEAK_DEFINITE] ? EXIT_JUDGED : EXIT_FINE;
}

static int run_leaks(const struct command *command, int argc, char **argv, struct error *error)
{
	struct leaks_options options = {0};
	int first;
	reading_init(&options.reading);
	int status = options_parse(command, argc, argv, leaks_option, &options, &first, error);
	if (status == EXIT_FINE && first + 1 != argc)
		status = options_operands(command, first == argc ? "name a snapshot" : "name one snapshot only", error);
	if (!options.kinds)
		options.kinds = 1u << LEAK_DEFINITE | 1u << LEAK_POSSIBLE | (options.lsan ? 1u << LEAK_INDIRECT : 0u);
	if (status == EXIT_FINE)
		status = leaks(&options, argv[first], error);
	reading_free(&options.reading);
	return status;
}

static const struct option_spec options_table[] = {
	{OPTION_KIND, 'k', "kind", "KIND", ARGUMENT_CHOICE, KIND_CHOICES,
	 "rows of this kind: definite and possible (the default), indirect, stack-only, reachable, or all; repeatable"},
	{READING_TOP, 'n', "top", "N", ARGUMENT_WORD, NULL,
	 "rows of each kind to print (default 20; 0: all); the rest is summed in one row"},
	FILTER_OPTIONS,
	{READING_ALL_FRAMES, 0, "all-frames", NULL, ARGUMENT_NONE, NULL,
	 "show all frames, also inside libc, libstdc++ and library headers"},
	{OPTION_STYLE, 's', "style", "STYLE", ARGUMENT_CHOICE, STYLE_CHOICES,
	 "table (the default), or lsan: the text that LeakSanitizer prints"},
	{OPTION_RETAINED, 0, "retained", NULL, ARGUMENT_NONE, NULL,
	 "of what is reachable: rows by what would go with them"},
	{OPTION_PATH, 0, "path", "STACK", ARGUMENT_WORD, NULL,
	 "how the blocks of a stack are reached: a number that --retained prints, or a pattern as of --filter"},
	{OPTION_JUDGE, 0, "judge", NULL, ARGUMENT_NONE, NULL,
	 "exit with 1 when there are definite leaks, with 4 when that is not certain"},
	{READING_JSON, 'j', "json", NULL, ARGUMENT_NONE, NULL, "print JSON"},
	OUTPUT_OPTIONS,
	SYMBOL_OPTIONS,
	{0},
};

const struct command leaks_command = {
	.name = "leaks",
	.operands = "SNAPSHOT",
	.summary = "memory that the program has lost: what nothing points to any more",
	.description =
		"Shows what a search for leaks found, by the stacks that allocated it. The snapshot must have been "
		"written with one: 'mudlark run --leaks', 'mudlark snap --leaks'. '-' reads standard input.",
	.epilogue =
		"Exit status: 0; with --judge 1 when there are definite leaks, 4 when the search was not complete;\n"
		"2 wrong usage; 3 the snapshot cannot be read, or no search was made.\n"
		"See also: mudlark run --leaks, mudlark show\n",
	.options = options_table,
	.operand_kind = ARGUMENT_FILE,
	.run = run_leaks,
};
