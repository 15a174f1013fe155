/*
 * mudlark gate: from snapshots to an exit status, with the reasons.
 */
#include "report/analysis/hidden_leaks.h"
#include "report/base/output.h"
#include "report/commands/commands.h"
#include "report/gate/options.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void gate_options_init(struct gate_options *options)
{
	*options = (struct gate_options){.kind = SERIES_AUTO};
	gate_init(&options->gate);
	reading_init(&options->reading);
}

void gate_options_free(struct gate_options *options)
{
	reading_free(&options->reading);
	gate_free(&options->gate);
}

bool gate_parse_bytes(const char *option, const char *text, uint64_t *bytes, struct error *error)
{
	static const char units[] = "kmgt";
	size_t digits = strspn(text, "0123456789");
	const char *unit = digits && text[digits] ? strchr(units, tolower((unsigned char)text[digits])) : NULL;
	if (!digits || digits > 12 || (text[digits] && (!unit || text[digits + 1]))) {
		error_set(error, EXIT_USAGE, "bytes, or a number with K, M, G or T behind it",
			  "gate: --%s cannot be '%s'", option, text);
		return false;
	}
	*bytes = strtoull(text, NULL, 10) << (unit ? 10 * (unit - units + 1) : 0);
	return true;
}

static int add_report(struct gate_options *options, const char *argument, struct error *error)
{
	size_t length = strcspn(argument, "=");
	char name[16] = "";
	if (length < sizeof name)
		memcpy(name, argument, length);
	int format = options_choice(REPORT_CHOICES, name);
	if (format < 0)
		return error_set(error, EXIT_USAGE, REPORT_CHOICES, "gate: there is no report '%.*s'", (int)length,
				 argument);
	if (options->report_count == GATE_REPORTS)
		return error_set(error, EXIT_USAGE, NULL, "gate: more than %d reports", GATE_REPORTS);
	options->reports[options->report_count++] = (struct gate_report_choice){
		(enum report_format)format, argument[length] ? argument + length + 1 : NULL};
	return EXIT_FINE;
}

static int limit_option(struct gate_options *options, int id, const char *argument, struct error *error)
{
	struct gate_policy *policy = &options->gate.policy;
	uint64_t bytes = 0;
	unsigned long number = 0;
	bool good = true;
	if (id == GATE_MAX_LIVE)
		good = gate_parse_bytes("max-live", argument, &policy->max_live, error);
	else if (id == GATE_MAX_STACK)
		good = gate_parse_bytes("max-stack", argument, &policy->max_stack, error);
	else if (id == GATE_MAX_GROWTH)
		good = gate_parse_bytes("max-growth", argument, &bytes, error);
	else if (id == GATE_TOLERANCE)
		good = options_number("tolerance", argument, 0, 1000, &number, error);
	else
		good = options_number("warmup", argument, 1, 1000000000, &options->warmup, error);
	if (id == GATE_MAX_GROWTH) {
		policy->max_growth = (double)bytes;
		policy->growth_limited = true;
	}
	if (id == GATE_TOLERANCE)
		policy->tolerance = (unsigned)number;
	return good ? EXIT_FINE : error->code;
}

static int take_kinds(struct gate_policy *policy, const char *option, const char *text, unsigned *kinds,
		      struct error *error)
{
	int status = gate_parse_kinds(option, text, kinds, error);
	policy->fail_named |= kinds == &policy->fail_on;
	policy->warn_named |= kinds == &policy->warn_on;
	policy->leaks_asked |= gate_asks_for_leaks(*kinds);
	return status;
}

int gate_option(void *context, int id, const char *argument, struct error *error)
{
	struct gate_options *options = context;
	struct gate_policy *policy = &options->gate.policy;
	switch (id) {
	case GATE_BASELINE:
		options->baseline = argument;
		return EXIT_FINE;
	case GATE_WRITE_BASELINE:
		options->write_baseline = argument;
		return EXIT_FINE;
	case GATE_PRUNE:
		options->prune = true;
		return EXIT_FINE;
	case GATE_FAIL_ON:
		return take_kinds(policy, "fail-on", argument, &policy->fail_on, error);
	case GATE_WARN_ON:
		return take_kinds(policy, "warn-on", argument, &policy->warn_on, error);
	case SUPPRESSION_FILE:
	case SUPPRESSION_LIST_BUILTIN:
	case SUPPRESSION_NO_BUILTIN:
	case SUPPRESSION_GENERATE:
		return suppression_option(&options->gate.suppressions, &options->suppressions, id, argument, error);
	case GATE_COMPLETE:
		policy->complete = true;
		return EXIT_FINE;
	case GATE_REPORT:
		return add_report(options, argument, error);
	case GATE_SOURCE_ROOT:
		options->source_root = argument;
		return EXIT_FINE;
	case GATE_SERIES:
		options->kind = series_choice_kind(options_choice(SERIES_CHOICES, argument));
		return EXIT_FINE;
	case GATE_RUN_ITERATIONS:
	case GATE_RUN_EVERY:
	case GATE_RUN_KEEP:
	case GATE_RUN_PROGRAM:
	case GATE_RUN_NO_CHILDREN:
	case GATE_RUN_ALLOW_UNEXAMINED:
	case GATE_RUN_LINGER:
		return error_set(
			error, EXIT_USAGE, "mudlark gate run [options] -- COMMAND",
			"gate: --iterations, --every, --keep, --program, --no-children, --allow-unexamined and "
			"--wait-for-daemons are for gate run");
	case GATE_MAX_LIVE:
	case GATE_MAX_GROWTH:
	case GATE_MAX_STACK:
	case GATE_TOLERANCE:
	case GATE_WARMUP:
		return limit_option(options, id, argument, error);
	default:
		return reading_option(&options->reading, id, argument, error);
	}
}

/* With a '/' at its end. */
static const char *source_root(struct gate_options *options)
{
	char path[PATH_MAX];
	bool found =
		options->source_root ? realpath(options->source_root, path) != NULL : getcwd(path, sizeof path) != NULL;
	if (!found)
		return NULL;
	size_t length = strlen(path);
	if (length && path[length - 1] != '/' && length + 1 < sizeof path)
		memcpy(path + length, "/", 2);
	return arena_text(&options->gate.texts, path, strlen(path));
}

int gate_prepare(struct gate_options *options, struct error *error)
{
	struct gate *gate = &options->gate;
	if (options->prune && !options->baseline)
		return error_set(error, EXIT_USAGE, NULL, "gate: --prune requires --baseline");
	gate_settle_policy(&gate->policy);
	gate->source_root = source_root(options);
	if (!options->suppressions.no_builtin)
		suppressions_add_builtin(&gate->suppressions);
	gate->has_baseline = options->baseline != NULL;
	if (reading_configure(&options->reading, error) != EXIT_FINE)
		return error->code;
	return options->baseline ? baseline_load(&gate->baseline, options->baseline, error) : EXIT_FINE;
}

static int write_reports(const struct gate_options *options, struct error *error)
{
	static const struct gate_report_choice text = {REPORT_TEXT, NULL};
	unsigned count = options->report_count ? options->report_count : 1;
	for (unsigned i = 0; i < count; i++) {
		const struct gate_report_choice *choice = options->report_count ? &options->reports[i] : &text;
		struct output output;
		if (!output_open(&output, choice->path, OUTPUT_BY_UMASK, error))
			return error->code;
		gate_report(&options->gate, choice->format, output.stream);
		if (output_close(&output, error) != EXIT_FINE)
			return error->code;
	}
	return EXIT_FINE;
}

static int write_baseline(struct gate_options *options, const char *path, struct error *error)
{
	struct output output;
	if (!output_open(&output, path, OUTPUT_BY_UMASK, error))
		return error->code;
	baseline_write(&options->gate.baseline, output.stream);
	return output_close(&output, error);
}

static void note_stale(const struct gate_options *options)
{
	const struct baseline *baseline = &options->gate.baseline;
	for (size_t i = 0; i < baseline->count; i++)
		if (!baseline->entries[i].seen)
			notice("%s: stale: %s %s (%s)%s", options->baseline, baseline->entries[i].fingerprint.whole,
			       finding_name((enum finding_kind)baseline->entries[i].kind), baseline->entries[i].comment,
			       options->prune ? ": taken out" : ": --prune takes it out");
}

static void generate_suppressions(const struct gate *gate, enum suppression_style style)
{
	struct intern said = {0};
	for (size_t i = 0; i < gate->count; i++) {
		const struct finding *finding = &gate->findings[i];
		struct buffer what = {0};
		if (finding->decision > DECISION_WARN || !finding->row.frame)
			continue;
		finding_title(gate, finding, &what);
		suppression_print_once(&said, style, finding_suppressed_kind(finding->kind), buffer_string(&what),
				       finding->names, &finding->row);
		buffer_free(&what);
	}
	intern_free(&said);
}

int gate_conclude(struct gate_options *options, struct error *error)
{
	struct gate *gate = &options->gate;
	int status = gate_decide(gate);
	suppressions_warn_unused(&gate->suppressions, SUPPRESS_ALL);
	note_stale(options);
	if (options->suppressions.generate)
		generate_suppressions(gate, suppression_style_of(options->suppressions.generate));
	else if (write_reports(options, error) != EXIT_FINE)
		return error->code;
	if (options->write_baseline) {
		gate_update_baseline(gate, options->prune);
		if (write_baseline(options, options->write_baseline, error) != EXIT_FINE)
			return error->code;
		return status == EXIT_JUDGED ? EXIT_FINE : status;
	}
	if (options->prune) {
		baseline_remove_unseen(&gate->baseline);
		if (write_baseline(options, options->baseline, error) != EXIT_FINE)
			return error->code;
	}
	return status;
}

void gate_examined_free(struct gate_examined *examined)
{
	names_close(examined->names);
	series_free(&examined->series);
	snapshot_free(examined->last);
	*examined = (struct gate_examined){0};
}

/* The snapshot with this brief: of the series, or loaded apart from it. */
static struct snapshot *load_last(struct gate_examined *examined, struct snapshot_brief *brief, struct error *error)
{
	for (uint32_t i = 0; i < examined->series.count; i++)
		if (examined->series.at[i]->numbers[META_EPOCH] == brief->numbers[META_EPOCH])
			return examined->series.at[i];
	return examined->last = snapshot_of_brief(brief, error);
}

/* The newest one has the last side, also where the series goes on behind it. */
static void open_names(struct gate_options *options, struct gate_examined *examined, struct snapshot *newest)
{
	const struct series *series = &examined->series;
	reading_open_names(&options->reading);
	examined->names = options->reading.names;
	options->reading.names = NULL;
	options->gate.names = examined->names;
	for (uint32_t i = 0; i < series->count; i++)
		names_add(examined->names, series->at[i]);
	if (!series->count || series->at[series->count - 1] != newest)
		names_add(examined->names, newest);
	options->gate.newest = newest;
	suppressions_add_program(&options->gate.suppressions, newest);
}

static void examine_growth(struct gate_options *options, struct gate_examined *examined, const struct series_wish *wish)
{
	static const struct aggregate_options by_stack = {.by = BY_STACK};
	struct gate *gate = &options->gate;
	const struct series *series = &examined->series;
	bool marked = series->kind == SERIES_MARK;
	uint32_t enough = marked ? wish->enough_marks : wish->enough;
	if (!series->count) {
		gate_note_series(gate, series, NULL, enough);
		return;
	}
	struct growth growth;
	unsigned long warmup = options->runs ? marked && options->warmup : options->warmup;
	growth_build(&growth, examined->names, series, &by_stack, (uint32_t)warmup);
	gate_find_growth(gate, &growth);
	gate_note_series(gate, series, &growth, enough);
	growth_free(&growth);
}

int gate_examine(struct gate_options *options, struct snapshot_brief *briefs, size_t count,
		 struct gate_examined *examined, struct error *error)
{
	struct gate *gate = &options->gate;
	bool grows = gate_asks_for_growth(gate->policy.fail_on | gate->policy.warn_on);
	uint32_t judged = GROWTH_LEAST_JUDGED + (uint32_t)options->warmup;
	struct series_wish wish = {.kind = options->kind,
				   .enough = options->runs || !options->warmup ? SERIES_ENOUGH : judged,
				   .enough_marks = !options->warmup ? SERIES_ENOUGH
						   : options->runs  ? GROWTH_LEAST_JUDGED + 1
								    : judged};
	*examined = (struct gate_examined){0};
	int status = series_order(briefs, count, error);
	if (status == EXIT_FINE && grows)
		status = series_load(&examined->series, briefs, count, &wish, error);
	struct snapshot *newest = status == EXIT_FINE ? load_last(examined, series_last(briefs, count), error) : NULL;
	if (!newest)
		return error->code;
	open_names(options, examined, newest);
	if (grows)
		examine_growth(options, examined, &wish);
	leaks_hide_indirect(newest, examined->names, &gate->suppressions);
	gate_find_search(gate, examined->names, newest);
	gate_find_limits(gate, examined->names, newest);
	gate_find_losses(gate, newest);
	return EXIT_FINE;
}

static int judge(struct gate_options *options, struct snapshot_briefs *briefs, struct error *error)
{
	struct gate_examined examined;
	int status = gate_examine(options, briefs->at, briefs->count, &examined, error);
	if (status == EXIT_FINE) {
		gate_require_growth(&options->gate, "there is no series: 'mudlark run --every SECONDS' writes one");
		status = gate_conclude(options, error);
	}
	gate_examined_free(&examined);
	return status;
}

static int diff(struct gate_options *options, struct snapshot_briefs *briefs, struct error *error)
{
	struct gate_examined examined = {0};
	int status = EXIT_FINE;
	assert(briefs->at && briefs->count == 2); /* as the command line was checked */
	for (uint32_t i = 0; i < 2 && status == EXIT_FINE; i++) {
		struct snapshot *snapshot = snapshot_of_brief(&briefs->at[i], error);
		if (snapshot)
			series_add(&examined.series, snapshot, i);
		else
			status = error->code;
	}
	if (status == EXIT_FINE) {
		assert(examined.series.at && examined.series.count == 2);
		open_names(options, &examined, examined.series.at[1]);
		gate_find_increases(&options->gate, examined.names);
		gate_find_losses(&options->gate, options->gate.newest);
		status = gate_conclude(options, error);
	}
	gate_examined_free(&examined);
	return status;
}

static int run_gate(const struct command *command, int argc, char **argv, struct error *error)
{
	struct gate_options options;
	struct snapshot_briefs briefs = {0};
	int first;
	if (argc > 1 && !strcmp(argv[1], "run"))
		return gate_run(argc - 1, argv + 1, error);
	bool compares = argc > 1 && !strcmp(argv[1], "diff");
	gate_options_init(&options);
	int status = options_parse(command, argc - compares, argv + compares, gate_option, &options, &first, error);
	first += compares;
	if (status == EXIT_FINE && options.suppressions.list_builtin) {
		suppressions_list_builtin(stdout);
		gate_options_free(&options);
		return EXIT_FINE;
	}
	if (status == EXIT_FINE && compares && argc - first != 2)
		status = options_operands(command, "diff requires two snapshots, the base first", error);
	else if (status == EXIT_FINE && first == argc)
		status = options_operands(command, "name the snapshots of one process", error);
	if (status == EXIT_FINE)
		status = gate_prepare(&options, error);
	for (int i = first; i < argc && status == EXIT_FINE; i++)
		status = snapshot_briefs_add(&briefs, argv[i], error);
	if (status == EXIT_FINE)
		status = compares ? diff(&options, &briefs, error) : judge(&options, &briefs, error);
	snapshot_briefs_free(&briefs);
	gate_options_free(&options);
	return status;
}

#define GATE_WARMUP_HELP                                                                                               \
	"do not judge what was allocated before snapshot N (default: a quarter of the snapshots, at least 2)"
static const struct option_spec options_table[] = {GATE_OPTIONS, GATE_RUN_OPTIONS, {0}};

const struct command gate_command = {
	.name = "gate",
	.operands = "SNAP... | run [options] -- COMMAND | diff [options] BASE NEW",
	.summary = "decide, for CI",
	.description = "Judges the snapshots of one process: what grows over a series of them (12 or more of one "
		       "kind), and what is "
		       "more than a limit in the last one. `gate run` runs a command and judges it; `gate diff` "
		       "compares the last "
		       "snapshots of two runs. Findings that a suppression or the baseline names pass.",
	.epilogue = "Exit status: 0 passed; 1 failed; 2 wrong usage; 3 a file cannot be read; 4 the data are "
		    "incomplete and\n"
		    "--complete was asked for. `gate run`: the command's own when that is not 0.\n",
	.options = options_table,
	.operand_kind = ARGUMENT_FILE,
	.run = run_gate,
};
