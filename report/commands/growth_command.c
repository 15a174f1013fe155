/*
 * mudlark growth: which sites grow without bound over a series of snapshots of one process.
 */
#include "report/analysis/growth.h"
#include "report/commands/commands.h"
#include "report/snapshot/heading.h"
#include "report/views/reading.h"
#include "report/views/rows.h"

#include <math.h>
#include <stdlib.h>

enum { OPTION_WARMUP = 1, OPTION_ALL, OPTION_SERIES, WARMUP_MOST = 1000000000 };

struct growth_options {
	struct reading reading;
	unsigned long warmup; /* 0: the default */
	bool all;             /* steady rows too */
	enum series_kind kind;
};

static int growth_option(void *context, int id, const char *argument, struct error *error)
{
	struct growth_options *options = context;
	if (id == OPTION_WARMUP)
		return options_number("warmup", argument, 1, WARMUP_MOST, &options->warmup, error) ? EXIT_FINE
												   : error->code;
	if (id == OPTION_ALL) {
		options->all = true;
		return EXIT_FINE;
	}
	if (id == OPTION_SERIES) {
		options->kind = series_choice_kind(options_choice(SERIES_CHOICES, argument));
		return EXIT_FINE;
	}
	return reading_option(&options->reading, id, argument, error);
}

/* How many rows are printed. */
static size_t rows_shown(const struct growth_options *options, const struct growth *growth)
{
	size_t count = growth->count - (options->all ? 0 : growth->verdicts[GROWTH_STEADY]);
	return options->reading.top && options->reading.top < count ? options->reading.top : count;
}

static void growth_json(const struct growth_options *options, const struct growth *growth, const struct series *series)
{
	struct json json = {.stream = stdout};
	const struct reading *reading = &options->reading;
	json_put_object(&json, NULL, false);
	json_put_text(&json, "schema", "mudlark.growth/1");
	heading_json(series->at[series->count - 1], &json);
	json_put_text(&json, "by", grouping_name(reading->group.by));
	json_put_number(&json, "snapshots", growth->times);
	json_put_object(&json, "series", true);
	series_json(series, &json);
	json_end_object(&json);
	json_put_number(&json, "warmup", growth->warmup);
	json_put_text(&json, "unit", growth_unit(growth));
	json_put_object(&json, "verdicts", true);
	for (int verdict = GROWTH_GROWING; verdict >= GROWTH_STEADY; verdict--)
		json_put_number(&json, growth_verdict_name((enum growth_verdict)verdict), growth->verdicts[verdict]);
	json_end_object(&json);
	json_put_array(&json, "rows", false);
	for (size_t i = 0; i < rows_shown(options, growth); i++) {
		json_put_object(&json, NULL, false);
		growth_row_json(&growth->rows[i], &json);
		row_json(reading->names, &growth->rows[i].row, &reading->group, NULL, &json);
		json_end_object(&json);
	}
	json_end_array(&json);
	symbol_notes_json(reading->names, &json);
	json_end_object(&json);
	json_finish(&json);
}

static void add_row(struct table *table, const struct growth_options *options, const struct growth_row *row,
		    const struct terminal *terminal)
{
	const struct reading *reading = &options->reading;
	const struct growth_judgement *judgement = &row->judgement;
	char text[128], low[32], high[32];
	struct buffer where = {0};
	char *(*format)(char *, uint64_t) = reading->exact_bytes ? format_count : format_size;
	table_cell(table, judgement->verdict == GROWTH_GROWING ? STYLE_GROWN : STYLE_PLAIN,
		   growth_verdict_name(judgement->verdict));
	if (judgement->verdict > GROWTH_INCONCLUSIVE) {
		format_size_change(text, (int64_t)fmin(judgement->bytes.value, 1e18));
		table_cell(table, STYLE_PLAIN, text);
		snprintf(text, sizeof text, "%s to %s", format_size(low, (uint64_t)fmin(judgement->bytes.low, 1e18)),
			 format_size(high, (uint64_t)fmin(judgement->bytes.high, 1e18)));
		table_cell(table, STYLE_DIM, text);
		snprintf(text, sizeof text, "%+.3g", judgement->blocks.value);
		table_cell(table, STYLE_PLAIN, text);
	} else {
		for (int i = 0; i < 3; i++)
			table_cell(table, STYLE_PLAIN, "");
	}
	table_cell(table, STYLE_PLAIN, format(text, row->live_bytes));
	row_text(&where, reading->names, &row->row, reading->group.by);
	table_cell(table, STYLE_BOLD, buffer_string(&where));
	buffer_free(&where);
	if (reading->group.by == BY_STACK && row->row.location)
		row_callers(table, reading->names, &row->row, &reading->group, terminal);
}

static void print_summary(const struct growth *growth, const struct series *series, const struct terminal *terminal)
{
	const struct snapshot *first = series->at[0], *last = series->at[series->count - 1];
	struct buffer program = {0}, words = {0};
	char duration[64], count[32];
	text_clean(&program, last->texts[META_PROGRAM].data);
	uint64_t between = last->numbers[META_ELAPSED_NS] - first->numbers[META_ELAPSED_NS];
	printf("%s%s, pid %llu%s: %u snapshots over %s, the first %u for warm-up\n", style_on(terminal, STYLE_BOLD),
	       buffer_string(&program), (unsigned long long)last->numbers[META_PID], style_off(terminal, STYLE_BOLD),
	       growth->times, format_duration(duration, between), growth->warmup);
	series_words(series, &words);
	printf("judged by %s\n", buffer_string(&words));
	buffer_free(&words);
	for (int verdict = GROWTH_GROWING; verdict >= GROWTH_STEADY; verdict--)
		printf("%s%s %s", verdict == GROWTH_GROWING ? "" : ", ",
		       growth_verdict_name((enum growth_verdict)verdict),
		       format_count(count, growth->verdicts[verdict]));
	putchar('\n');
	if (growth->verdicts[GROWTH_INCONCLUSIVE])
		printf("inconclusive: %u snapshots are left to judge, at least %d are required: 12 in all\n",
		       growth->times > growth->warmup ? growth->times - growth->warmup : 0, GROWTH_LEAST_JUDGED);
	buffer_free(&program);
}

static void tell_apart(const struct growth_options *options, struct growth *growth, size_t count)
{
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
	struct row **rows = must_allocate(count, sizeof *rows);
	for (size_t i = 0; i < count; i++)
		rows[i] = &growth->rows[i].row;
	rows_tell_apart(options->reading.names, rows, count, options->reading.group.by);
	free(rows);
}

static void growth_text(const struct growth_options *options, struct growth *growth, const struct series *series)
{
	struct terminal terminal = terminal_of(stdout, options->reading.color, options->reading.width);
	static const char *const where[] = {"Where it was allocated", "Line", "Function"};
	char per[32];
	snprintf(per, sizeof per, "Per %s", growth_unit(growth));
	const struct table_column columns[] = {
		{"Verdict", false, false}, {per, true, false},   {"95 %", true, true},
		{"Blocks", true, true},    {"Live", true, true}, {where[options->reading.group.by], false, false}};
	struct table table = {.columns = columns, .column_count = 6};
	size_t count = rows_shown(options, growth);
	print_summary(growth, series, &terminal);
	/* That nothing can be said was said: to name each row of which nothing is known helps nobody. */
	if (growth->verdicts[GROWTH_INCONCLUSIVE] && !options->all)
		count = 0;
	tell_apart(options, growth, count);
	for (size_t i = 0; i < count; i++)
		add_row(&table, options, &growth->rows[i], &terminal);
	if (count) {
		putchar('\n');
		table_print(&table, stdout, &terminal);
	}
	table_free(&table);
}

/* Chooses from ordered briefs, loads, and reports what is missing if there is no series. */
static int load_series(const struct growth_options *options, struct snapshot_briefs *briefs, struct series *series,
		       struct error *error)
{
	uint32_t enough = options->warmup ? (uint32_t)options->warmup + GROWTH_LEAST_JUDGED : SERIES_ENOUGH;
	const struct series_wish wish = {options->kind, enough, enough};
	int status = series_load(series, briefs->at, briefs->count, &wish, error);
	if (status != EXIT_FINE || series->count) {
		if (status == EXIT_FINE && options->warmup >= series->found)
			return error_set(error, EXIT_USAGE, NULL,
					 "growth: --warmup %lu leaves none of the %u snapshots", options->warmup,
					 series->found);
		return status;
	}
	struct buffer words = {0};
	series_words(series, &words);
	error_set(error, EXIT_USAGE,
		  "'mudlark run --every SECONDS' writes a series; --series all judges snapshots of all kinds together",
		  "growth needs at least %d snapshots of one kind; there are %s", SERIES_LEAST, buffer_string(&words));
	buffer_free(&words);
	return error->code;
}

static void print_growth(struct growth_options *options, const struct series *series)
{
	struct growth growth;
	struct reading *reading = &options->reading;
	reading_open_names(reading);
	for (uint32_t i = 0; i < series->count; i++)
		names_add(reading->names, series->at[i]);
	growth_build(&growth, reading->names, series, &reading->group, (uint32_t)options->warmup);
	if (options->all)
		for (size_t i = 0; i < growth.count; i++)
			row_name_stack(&growth.rows[i].row, reading->names, &reading->group);
	if (reading->json)
		growth_json(options, &growth, series);
	else
		growth_text(options, &growth, series);
	if (!reading->json)
		print_symbol_notes(reading->names, reading->group.all_frames);
	growth_free(&growth);
}

static int judge_series(struct growth_options *options, const char *const *paths, size_t count, struct error *error)
{
	struct series series = {0};
	struct snapshot_briefs briefs = {0};
	int status = reading_configure(&options->reading, error);
	for (size_t i = 0; i < count && status == EXIT_FINE; i++)
		status = snapshot_briefs_add(&briefs, paths[i], error);
	if (status == EXIT_FINE)
		status = series_order(briefs.at, briefs.count, error);
	if (status == EXIT_FINE)
		status = load_series(options, &briefs, &series, error);
	if (status == EXIT_FINE)
		print_growth(options, &series);
	/* Names refer to the snapshots. */
	reading_free(&options->reading);
	series_free(&series);
	snapshot_briefs_free(&briefs);
	return status;
}

static int run_growth(const struct command *command, int argc, char **argv, struct error *error)
{
	struct growth_options options = {.kind = SERIES_AUTO};
	int first;
	reading_init(&options.reading);
	int status = options_parse(command, argc, argv, growth_option, &options, &first, error);
	if (status == EXIT_FINE && argc - first < SERIES_LEAST)
		status = options_operands(command, "name at least three snapshots of one process", error);
	if (status == EXIT_FINE && options.reading.group.by > BY_FUNCTION)
		status = error_set(error, EXIT_USAGE, NULL, "growth: rows are by stack, line or function");
	if (status != EXIT_FINE) {
		reading_free(&options.reading);
		return status;
	}
	return judge_series(&options, (const char *const *)argv + first, (size_t)(argc - first), error);
}

static const struct option_spec options_table[] = {
	{READING_BY, 'b', "by", "GROUP", ARGUMENT_CHOICE, "stack|line|function",
	 "what a row represents: stack (the default), line or function"},
	{OPTION_WARMUP, 'w', "warmup", "N", ARGUMENT_WORD, NULL,
	 "do not judge what was allocated before snapshot N (default: a quarter of the snapshots, at least 2)"},
	{OPTION_SERIES, 's', "series", "KIND", ARGUMENT_CHOICE, SERIES_CHOICES,
	 "judge the snapshots of this kind: mark, interval, api or request; all: all kinds together, including the "
	 "one at exit (default auto: the first of these kinds that has enough)"},
	{OPTION_ALL, 'a', "all", NULL, ARGUMENT_NONE, NULL, "also show steady rows"},
	{READING_TOP, 'n', "top", "N", ARGUMENT_WORD, NULL, "rows to print (default 20; 0: all)"},
	{READING_ALL_FRAMES, 0, "all-frames", NULL, ARGUMENT_NONE, NULL, "show all frames of a stack"},
	SKIP_OPTIONS,
	{READING_JSON, 'j', "json", NULL, ARGUMENT_NONE, NULL, "print JSON"},
	OUTPUT_OPTIONS,
	SYMBOL_OPTIONS,
	{0},
};

const struct command growth_command = {
	.name = "growth",
	.operands = "SNAP...",
	.summary = "find memory that grows without bound over a series of snapshots",
	.description =
		"Judges a series of snapshots of one process, 12 or more of one kind, by what became of the blocks "
		"of each interval: a site grows if a part of each interval's blocks is never freed. Caches that "
		"fill, rising load and queues are distinguished from this.",
	.epilogue =
		"Exit status: 0, whether something grows or not; 2 wrong usage; 3 a snapshot cannot be read, or they\n"
		"are of several processes. `mudlark gate` turns growth into a status.\n",
	.options = options_table,
	.operand_kind = ARGUMENT_FILE,
	.run = run_growth,
};
