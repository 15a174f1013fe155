/*
 * mudlark gate run: runs a command with the library and judges what it left behind.
 *
 * A program that marks its iterations is snapshotted at them; one that does not, at equal times. The snapshots stand in
 * a directory that goes with them, unless it is named. The command's own failure is never hidden: a test that fails and
 * leaks has failed.
 */
#include "report/gate_options.h"
#include "report/host_options.h"
#include "report/launch.h"
#include "report/preflight.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEFAULT_ITERATIONS = 20 };

struct run_options {
	struct gate_options gate;
	unsigned long iterations;
	const char *every, *keep;
};

static int run_option(void *context, int id, const char *argument, struct error *error)
{
	struct run_options *options = context;
	char *end;
	switch (id) {
	case GATE_RUN_ITERATIONS:
		return options_number("iterations", argument, 1, NAMES_LONGEST_SERIES - 1, &options->iterations, error)
			       ? EXIT_FINE
			       : error->code;
	case GATE_RUN_EVERY:
		options->every = argument;
		if (strspn(argument, "0123456789.") == strlen(argument) && strtod(argument, &end) >= 0.001 && !*end)
			return EXIT_FINE;
		return error_set(error, EXIT_USAGE, NULL, "gate run: --every wants at least 0.001 seconds, not '%s'",
				 argument);
	case GATE_RUN_KEEP:
		options->keep = argument;
		return EXIT_FINE;
	default:
		return gate_option(&options->gate, id, argument, error);
	}
}

#define GATE_WARMUP_HELP "iterations that the program marks before the first one that is judged (default 5)"
static const struct option_spec options_table[] = {
	GATE_RUN_OPTIONS,
	GATE_OPTIONS,
	{0},
};

static const struct command gate_run_command = {
	.name = "gate run",
	.operands = "[--] COMMAND [ARG...]",
	.summary = "run a command and judge it",
	.description =
		"Runs a command with libmudlark.so preloaded, takes snapshots at the iterations that it marks by "
		"mudlark_mark(), or every so many seconds, and at its end, and judges them as `mudlark gate` does.",
	.epilogue = "Exit status: the command's own when it is not 0; else that of `mudlark gate`.\n",
	.options = options_table,
	.operand_kind = ARGUMENT_COMMAND,
	.stops_at_operand = true,
};

/* --- snapshots ------------------------------------------------------------------------------------------------- */

/* Loads what the process has written. */
static int load_snapshots(const char *pattern, pid_t pid, struct series *series, struct error *error)
{
	glob_t matches;
	char *text = host_output_glob(pattern, (unsigned long)pid);
	int status = EXIT_FINE;
	*series = (struct series){0};
	if (!glob(text, 0, NULL, &matches)) {
		for (size_t i = 0; i < matches.gl_pathc && status == EXIT_FINE; i++) {
			struct snapshot *snapshot = snapshot_load(matches.gl_pathv[i], error);
			if (!snapshot)
				status = error->code;
			else if (snapshot->numbers[META_PID] != (uint64_t)pid || series->count == NAMES_LONGEST_SERIES)
				snapshot_free(snapshot); /* a former one's; or more than can be judged at once */
			else
				series->at[series->count++] = snapshot;
		}
		globfree(&matches);
	}
	free(text);
	return status;
}

/* Where the program marks its iterations, only snapshots at them are a series; the last one has the limits. */
static bool keep_marked(struct series *series, struct snapshot **last)
{
	uint32_t marked = 0, count = 0;
	*last = NULL;
	for (uint32_t i = 0; i < series->count; i++) {
		marked += series->at[i]->numbers[META_TRIGGER] == TRIGGER_MARK;
		if (!*last || series->at[i]->numbers[META_EPOCH] > (*last)->numbers[META_EPOCH])
			*last = series->at[i];
	}
	if (marked < SERIES_LEAST)
		return false;
	for (uint32_t i = 0; i < series->count; i++) {
		if (series->at[i]->numbers[META_TRIGGER] == TRIGGER_MARK)
			series->at[count++] = series->at[i];
		else if (series->at[i] != *last)
			snapshot_free(series->at[i]);
	}
	series->count = count;
	return true;
}

static void remove_directory(const char *directory)
{
	char *text = must_format("%s/*", directory);
	glob_t matches;
	if (!glob(text, 0, NULL, &matches)) {
		for (size_t i = 0; i < matches.gl_pathc; i++)
			unlink(matches.gl_pathv[i]);
		globfree(&matches);
	}
	free(text);
	if (rmdir(directory))
		notice("%s: cannot remove it: %s", directory, strerror(errno));
}

/* The directory for the snapshots, absolute. The caller frees. */
static char *make_directory(const struct run_options *options, struct error *error)
{
	if (options->keep) {
		char path[PATH_MAX];
		if ((mkdir(options->keep, 0777) && errno != EEXIST) || !realpath(options->keep, path)) {
			error_set(error, EXIT_USAGE, NULL, "gate run: --keep %s: %s", options->keep, strerror(errno));
			return NULL;
		}
		return must_copy(path);
	}
	const char *base = getenv("TMPDIR");
	char *directory = must_format("%s/mudlark-gate-XXXXXX", base && base[0] == '/' ? base : "/tmp");
	if (mkdtemp(directory))
		return directory;
	error_set(error, EXIT_INPUT, "set TMPDIR, or give --keep DIR", "%s: cannot make it: %s", directory,
		  strerror(errno));
	free(directory);
	return NULL;
}

/* --- the run --------------------------------------------------------------------------------------------------- */

static int launch(struct run_options *options, const char *pattern, char **argv, pid_t *pid, struct error *error)
{
	struct host_options host = {0};
	struct buffer text = {0};
	char number[32];
	char *library = find_library(error);
	if (!library)
		return error->code;
	host_options_parse(&host, getenv("MUDLARK_OPTIONS"));
	host_options_set(&host, "output", pattern);
	snprintf(number, sizeof number, "%lu", options->iterations);
	host_options_set(&host, "marks", number);
	snprintf(number, sizeof number, "%lu", options->gate.warmup);
	host_options_set(&host, "warmup", number);
	host_options_set(&host, "children", "0");
	if (options->every)
		host_options_set(&host, "every", options->every);
	/* The gate judges what was lost; the command's own status stays what it is. */
	if (gate_asks_for_leaks(options->gate.gate.policy.fail_on | options->gate.gate.policy.warn_on)) {
		options->gate.gate.policy.leaks_asked = true;
		host_options_set(&host, "leaks", "1");
		host_options_set(&host, "exitcode", "0");
	}
	host_options_format(&host, &text);
	struct launch what = {.library = library, .options = buffer_string(&text), .argv = argv, .only_command = true};
	int status = launch_and_wait(&what, pid, error);
	buffer_free(&text);
	host_options_free(&host);
	free(library);
	return status;
}

static int judge(struct run_options *options, const char *pattern, pid_t pid, struct error *error)
{
	struct series series;
	struct snapshot *last;
	int status = load_snapshots(pattern, pid, &series, error);
	if (status == EXIT_FINE && !series.count)
		status = error_set(error, EXIT_INCOMPLETE, "'mudlark doctor -- COMMAND' tells why",
				   "the command wrote no snapshot: there is nothing to judge");
	if (status != EXIT_FINE) {
		series_free(&series);
		return status;
	}
	bool marked = keep_marked(&series, &last);
	const struct gate_policy *policy = &options->gate.gate.policy;
	if (!marked && series.count < SERIES_LEAST && gate_asks_for_growth(policy->fail_on | policy->warn_on))
		gate_incomplete(&options->gate.gate,
				"growth cannot be told: the program marks no iterations, and there "
				"is no series by --every");
	/* What the warm-up iterations made stands in the first snapshot. */
	options->gate.warmup = marked && options->gate.warmup ? 1 : 0;
	bool apart = marked && last->numbers[META_TRIGGER] != TRIGGER_MARK;
	options->gate.last = apart ? last : NULL;
	status = gate_judge(&options->gate, &series, error);
	if (apart)
		snapshot_free(last);
	return status;
}

static int run_and_judge(struct run_options *options, char **argv, struct error *error)
{
	struct preflight check;
	pid_t pid = 0;
	int status = preflight(&check, argv[0], error);
	for (size_t i = 0; i < check.warning_count && status == EXIT_FINE; i++)
		notice("%s", check.warnings[i]);
	preflight_free(&check);
	char *directory = status == EXIT_FINE ? make_directory(options, error) : NULL;
	if (!directory)
		return error->code;
	char *pattern = host_output_pattern(directory, "/");
	int own = launch(options, pattern, argv, &pid, error);
	if (!error->code) {
		status = judge(options, pattern, pid, error);
		if (own) {
			/* What was found has been reported; the command's failure is what counts. */
			if (error->code)
				error_print(error);
			*error = (struct error){0};
			notice("the command itself ended with status %d", own);
			status = own;
		}
	} else {
		status = own;
	}
	if (!options->keep)
		remove_directory(directory);
	free(pattern);
	free(directory);
	return status;
}

int gate_run(int argc, char **argv, struct error *error)
{
	struct run_options options = {.iterations = DEFAULT_ITERATIONS};
	int first;
	gate_options_init(&options.gate);
	options.gate.warmup = 5;
	int status = options_parse(&gate_run_command, argc, argv, run_option, &options, &first, error);
	if (status == EXIT_FINE && first == argc)
		status = options_operands(&gate_run_command, "name a command to run", error);
	if (status == EXIT_FINE)
		status = gate_prepare(&options.gate, error);
	if (status == EXIT_FINE)
		status = run_and_judge(&options, argv + first, error);
	gate_options_free(&options.gate);
	return status;
}
