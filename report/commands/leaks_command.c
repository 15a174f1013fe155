/*
 * mudlark leaks: the result of a leak search, by stack.
 *
 * A row is a stack and a kind. Its figures take the places of those that the tables know, so that grouping, filters,
 * names and ranking are show's: live is the blocks themselves, allocated is what leaked with them.
 */
#include "report/commands/commands.h"
#include "report/views/leak_paths.h"
#include "report/views/leaks_lsan.h"
#include "report/views/leaks_report.h"
#include "report/views/present.h"
#include "report/views/rows.h"
#include "report/views/suppression_options.h"

#define KIND_CHOICES "reachable|stack-only|possible|definite|indirect|all"
#define STYLE_CHOICES "table|lsan"

enum { OPTION_KIND = 1, OPTION_STYLE, OPTION_JUDGE, OPTION_RETAINED, OPTION_PATH };

struct leaks_options {
	struct reading reading;
	unsigned kinds; /* bit per enum snapshot_leak_kind; 0: nothing was said */
	bool lsan, judge, retained, top_given;
	const char *path; /* --path; NULL: not given */
	struct suppressions suppressions;
	struct suppression_choices choices;
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
	case READING_TOP:
		options->top_given = true;
		return reading_option(&options->reading, id, argument, error);
	case OPTION_JUDGE:
		options->judge = true;
		return EXIT_FINE;
	case OPTION_RETAINED:
		options->retained = true;
		return EXIT_FINE;
	case OPTION_PATH:
		options->path = argument;
		return EXIT_FINE;
	case SUPPRESSION_FILE:
	case SUPPRESSION_LIST_BUILTIN:
	case SUPPRESSION_NO_BUILTIN:
	case SUPPRESSION_GENERATE:
		return suppression_option(&options->suppressions, &options->choices, id, argument, error);
	default:
		return reading_option(&options->reading, id, argument, error);
	}
}

/* --- figures --------------------------------------------------------------------------------------------------- */

static void build_kind(struct reading *reading, struct kind_rows *rows, int kind)
{
	rows->kind = kind;
	leak_show_kind(reading->snapshots[0], kind);
	aggregate_build(&rows->aggregate, reading->names, &reading->group);
	rank_rows(&rows->aggregate, 0, METRIC_LIVE_BYTES, reading->top);
	size_t printed = rows_to_print(&rows->aggregate, reading->top);
	aggregate_name_stacks(&rows->aggregate, reading->names, &reading->group, printed);
	aggregate_tell_apart(reading->names, &rows->aggregate, printed, BY_STACK);
}

/* --- the command ----------------------------------------------------------------------------------------------- */

/* A rule for each row that would be printed. */
static void generate_suppressions(const struct leaks_options *options, const struct kind_rows *rows,
				  struct intern *said)
{
	static const char *const words[LEAK_KINDS] = {
		[LEAK_REACHABLE] = "reachable",    [LEAK_STACK_ONLY] = "reachable from a stack",
		[LEAK_POSSIBLE] = "possible leak", [LEAK_DEFINITE] = "definite leak",
		[LEAK_INDIRECT] = "indirect leak",
	};
	for (size_t i = 0; i < rows_to_print(&rows->aggregate, options->reading.top); i++)
		suppression_print_once(said, suppression_style_of(options->choices.generate),
				       leak_suppressed_kind((uint32_t)rows->kind), words[rows->kind],
				       options->reading.names, &rows->aggregate.rows[i]);
}

static void print_kinds(struct leaks_options *options, const struct hidden_leaks *hidden)
{
	struct reading *reading = &options->reading;
	struct kind_rows kinds[LEAK_KINDS_PRINTED] = {0};
	struct intern said = {0};
	struct leaks_report report = {.reading = reading,
				      .kinds = kinds,
				      .sums = leak_sums_of(reading->snapshots[0]),
				      .hidden = *hidden,
				      .suppressions = &options->suppressions};
	for (int i = 0; i < LEAK_KINDS_PRINTED; i++)
		if (options->kinds >> leak_kinds_worst_first[i] & 1)
			build_kind(reading, &kinds[report.kind_count++], leak_kinds_worst_first[i]);
	if (options->choices.generate)
		for (size_t i = 0; i < report.kind_count; i++)
			generate_suppressions(options, &kinds[i], &said);
	else if (reading->json)
		leaks_json(&report);
	else
		leaks_text(&report);
	for (size_t i = 0; i < report.kind_count; i++)
		aggregate_free(&kinds[i].aggregate);
	intern_free(&said);
}

/* All leaks, as LeakSanitizer prints them, unless --top or the program's options say how many. */
static void print_as_lsan(struct leaks_options *options)
{
	struct reading *reading = &options->reading;
	struct lsan_options lsan;
	lsan_options_of(&lsan, reading->snapshots[0]);
	leaks_lsan(reading, &options->suppressions, &lsan, options->kinds, options->top_given ? reading->top : 0,
		   stdout);
	lsan_options_free(&lsan);
}

/* Definite and indirect ones are summed and judged, whatever is shown. */
static void hide(struct leaks_options *options, struct hidden_leaks *hidden)
{
	struct suppressions *set = &options->suppressions;
	struct snapshot *snapshot = options->reading.snapshots[0];
	suppressions_add_program(set, snapshot);
	if (!options->choices.no_builtin)
		suppressions_add_builtin(set);
	leaks_hide(snapshot, options->reading.names, set,
		   options->kinds | 1u << LEAK_DEFINITE | 1u << LEAK_INDIRECT | 1u << LEAK_POSSIBLE, hidden);
}

static int leaks(struct leaks_options *options, const char *path, struct error *error)
{
	struct reading *reading = &options->reading;
	struct hidden_leaks hidden = {0};
	if (reading_load(reading, &path, 1, error) != EXIT_FINE)
		return error->code;
	struct snapshot *snapshot = reading->snapshots[0];
	if (!snapshot->numbers[META_LEAKS])
		return error_set(error, EXIT_INPUT,
				 "write one with 'mudlark run --leaks COMMAND' or 'mudlark snap --leaks PID'",
				 "%s: no search for leaks was made for this snapshot", path);
	hide(options, &hidden);
	bool why = options->retained || options->path;
	if (why && leak_paths_print(reading, options->path, error) != EXIT_FINE)
		return error->code;
	if (!why && options->lsan && !reading->json && !options->choices.generate)
		print_as_lsan(options);
	else if (!why)
		print_kinds(options, &hidden);
	if (!reading->json)
		print_symbol_notes(reading->names, reading->group.all_frames);
	suppressions_warn_unused(&options->suppressions, SUPPRESS_DEFINITE | SUPPRESS_INDIRECT | SUPPRESS_POSSIBLE);
	return options->judge ? leaks_verdict(snapshot, &hidden) : EXIT_FINE;
}

static int run_leaks(const struct command *command, int argc, char **argv, struct error *error)
{
	struct leaks_options options = {0};
	int first;
	reading_init(&options.reading);
	int status = options_parse(command, argc, argv, leaks_option, &options, &first, error);
	bool lists = status == EXIT_FINE && options.choices.list_builtin;
	if (status == EXIT_FINE && !lists && first + 1 != argc)
		status = options_operands(command, first == argc ? "name a snapshot" : "name one snapshot only", error);
	if (!options.kinds)
		options.kinds = 1u << LEAK_DEFINITE | 1u << LEAK_POSSIBLE | (options.lsan ? 1u << LEAK_INDIRECT : 0u);
	if (lists)
		suppressions_list_builtin(stdout);
	else if (status == EXIT_FINE)
		status = leaks(&options, argv[first], error);
	suppressions_free(&options.suppressions);
	reading_free(&options.reading);
	return status;
}

static const struct option_spec options_table[] = {
	{OPTION_KIND, 'k', "kind", "KIND", ARGUMENT_CHOICE, KIND_CHOICES,
	 "show rows of this kind: definite and possible (the default), indirect, stack-only, reachable, or all; "
	 "repeatable"},
	{READING_TOP, 'n', "top", "N", ARGUMENT_WORD, NULL,
	 "rows of each kind to print (default 20; 0: all); the rest is summed in one row"},
	FILTER_OPTIONS,
	SKIP_OPTIONS,
	{READING_ALL_FRAMES, 0, "all-frames", NULL, ARGUMENT_NONE, NULL,
	 "show all frames, also inside libc, libstdc++ and wrappers of malloc"},
	{OPTION_STYLE, 's', "style", "STYLE", ARGUMENT_CHOICE, STYLE_CHOICES,
	 "table (the default), or lsan: the text that LeakSanitizer prints"},
	{OPTION_RETAINED, 0, "retained", NULL, ARGUMENT_NONE, NULL,
	 "rank reachable stacks by the memory that they retain"},
	{OPTION_PATH, 0, "path", "STACK", ARGUMENT_WORD, NULL,
	 "how the blocks of a stack are reached: a number that --retained prints, or a pattern as for --filter"},
	SUPPRESSION_OPTIONS("the rows"),
	{OPTION_JUDGE, 0, "judge", NULL, ARGUMENT_NONE, NULL,
	 "exit with 1 if there are definite leaks, with 4 if this is not certain"},
	{READING_JSON, 'j', "json", NULL, ARGUMENT_NONE, NULL, "print JSON"},
	OUTPUT_OPTIONS,
	SYMBOL_OPTIONS,
	{0},
};

const struct command leaks_command = {
	.name = "leaks",
	.operands = "SNAPSHOT",
	.summary = "leaked memory: blocks that nothing points to any longer",
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
