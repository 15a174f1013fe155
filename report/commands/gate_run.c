/*
 * mudlark gate run: runs a command with the library and judges what it left behind.
 *
 * A program that marks its iterations is snapshotted at them; one that does not, at equal times. The snapshots stand in
 * a directory that goes with them, unless it is named. The command's own failure is never hidden: a test that fails and
 * leaks has failed.
 *
 *   files --> by pid --> by image (what runs between two execs) --> a series each --> findings of all
 *
 * The command is often a script, and the work is done by what it starts: each process is a series of its own. Of those
 * that nothing is found in only figures are kept.
 */
#include "report/gate/options.h"
#include "report/run/host_options.h"
#include "report/run/preflight.h"
#include "report/run/run_session.h"

#include <errno.h>
#include <fnmatch.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEFAULT_ITERATIONS = 20, ITERATIONS_MOST = 1000000000, PROGRAMS_MOST = 64 };

struct run_options {
	struct gate_options gate;
	unsigned long iterations;
	const char *every, *keep;
	const char *programs[PROGRAMS_MOST]; /* patterns of names; none: all programs are judged */
	unsigned program_count;
	bool alone; /* only the command itself */
	bool allow_unexamined;
	double linger; /* seconds */
};

struct run {
	struct run_options *options;
	struct run_session session;
	struct gate_examined *judged;
	size_t count, capacity;
};

static int run_option(void *context, int id, const char *argument, struct error *error)
{
	struct run_options *options = context;
	char *end;
	switch (id) {
	case GATE_RUN_ITERATIONS:
		return options_number("iterations", argument, 1, ITERATIONS_MOST, &options->iterations, error)
			       ? EXIT_FINE
			       : error->code;
	case GATE_RUN_EVERY:
		options->every = argument;
		if (strspn(argument, "0123456789.") == strlen(argument) && strtod(argument, &end) >= 0.001 && !*end)
			return EXIT_FINE;
		return error_set(error, EXIT_USAGE, NULL, "gate run: --every requires at least 0.001 seconds, got '%s'",
				 argument);
	case GATE_RUN_KEEP:
		options->keep = argument;
		return EXIT_FINE;
	case GATE_RUN_NO_CHILDREN:
		options->alone = true;
		return EXIT_FINE;
	case GATE_RUN_ALLOW_UNEXAMINED:
		options->allow_unexamined = true;
		return EXIT_FINE;
	case GATE_RUN_LINGER:
		return run_linger_option(argument, &options->linger, error);
	case GATE_RUN_PROGRAM:
		if (options->program_count == PROGRAMS_MOST)
			return error_set(error, EXIT_USAGE, NULL, "gate run: more than %d programs", PROGRAMS_MOST);
		options->programs[options->program_count++] = argument;
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
		"mudlark_mark(), or every so many seconds, and at its end, and judges them as `mudlark gate` does: its "
		"own and those of each process that it starts.",
	.epilogue = "Exit status: the command's own when it is not 0; else that of `mudlark gate`.\n",
	.options = options_table,
	.operand_kind = ARGUMENT_COMMAND,
	.stops_at_operand = true,
};

/* --- snapshots ------------------------------------------------------------------------------------------------- */

static bool is_wanted(const struct run_options *options, const char *program)
{
	bool wanted = !options->program_count;
	for (unsigned i = 0; i < options->program_count; i++)
		wanted |= fnmatch(options->programs[i], program, 0) == 0;
	return wanted;
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

static int launch(struct run *run, const char *pattern, char **argv, struct error *error)
{
	struct run_options *options = run->options;
	struct host_options host = {0};
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
	host_options_set(&host, "children", options->alone ? "0" : "1");
	if (options->every)
		host_options_set(&host, "every", options->every);
	/* The gate judges what was lost; the command's own status stays what it is. */
	bool leaks = gate_asks_for_leaks(options->gate.gate.policy.fail_on | options->gate.gate.policy.warn_on);
	if (leaks) {
		options->gate.gate.policy.leaks_asked = true;
		host_options_set(&host, "leaks", "1");
		host_options_set(&host, "exitcode", "0");
	}
	const struct run_choices choices = {.leaks = leaks, .only_command = options->alone, .linger = options->linger};
	int status = run_session(&run->session, library, &host, argv, &choices, error);
	host_options_free(&host);
	free(library);
	return status;
}

/* A search that the program called for knows nothing of what was lost after it. */
static void require_end(struct gate *gate, const struct snapshot *last)
{
	if (!gate->policy.leaks_asked || !last->numbers[META_LEAKS] || last->numbers[META_TRIGGER] == TRIGGER_EXIT)
		return;
	gate->scan_incomplete |= !gate->started;
	gate_incomplete(gate, "no search for leaks was made at the end: it did not exit by itself");
}

static int judge_image(struct run *run, struct snapshot_brief *briefs, size_t count, struct error *error)
{
	struct gate *gate = &run->options->gate.gate;
	struct gate_examined examined;
	size_t found = gate->count;
	const struct snapshot *before = gate->newest;
	bool own = briefs->numbers[META_PID] == (uint64_t)run->session.pid;
	char *name = must_format("%s, pid %lu", briefs->program, (unsigned long)briefs->numbers[META_PID]);
	gate->process = run->options->alone ? NULL : arena_text(&gate->texts, name, strlen(name));
	gate->started = !own;
	free(name);
	int status = gate_examine(&run->options->gate, briefs, count, &examined, error);
	if (status != EXIT_FINE) {
		gate_examined_free(&examined);
		return status;
	}
	require_end(gate, gate->newest);
	gate->processes++;
	/* Reports are headed by the command's own process, if it was judged. */
	bool heads = !before || own;
	if (!heads)
		gate->newest = before;
	/* What nothing was found in is given back. */
	if (heads || gate->count > found) {
		must_grow(run->judged, run->count, run->capacity);
		run->judged[run->count++] = examined;
	} else {
		gate_examined_free(&examined);
	}
	return EXIT_FINE;
}

/* An image that another one has replaced without a search has not come to its end. */
static bool was_replaced(const struct snapshot_briefs *files, size_t first, size_t end)
{
	for (size_t i = first; i < end; i++)
		if (files->at[i].numbers[META_TRIGGER] == TRIGGER_EXIT)
			return false;
	return end < files->count && files->at[end].numbers[META_PID] == files->at[first].numbers[META_PID];
}

static int judge_all(struct run *run, struct error *error)
{
	struct snapshot_briefs *files = &run->session.files;
	int status = EXIT_FINE;
	for (size_t first = 0, end; first < files->count && status == EXIT_FINE; first = end) {
		end = run_files_image_end(files, first);
		if (is_wanted(run->options, files->at[first].program) && !was_replaced(files, first, end))
			status = judge_image(run, &files->at[first], end - first, error);
	}
	return status;
}

/* Silence is no pass. */
static void judge_unexamined(struct run *run)
{
	struct run_processes *processes = &run->session.processes;
	struct gate *gate = &run->options->gate.gate;
	for (size_t i = 0; i < processes->count; i++) {
		const struct run_process *process = &processes->processes[i];
		if (!process->reason || (process->pid && !is_wanted(run->options, process->program)))
			continue;
		if (process->pid)
			gate_incomplete(gate, "not examined: %s, pid %lu: %s", process->program, process->pid,
					process->reason);
		else
			gate_incomplete(gate, "not examined: %s", process->reason);
		gate->scan_incomplete |= !run->options->allow_unexamined;
	}
}

static int judge(struct run *run, struct error *error)
{
	struct gate *gate = &run->options->gate.gate;
	int status = judge_all(run, error);
	gate->process = NULL;
	judge_unexamined(run);
	if (status == EXIT_FINE && !gate->processes)
		return error_set(error, EXIT_INCOMPLETE, "'mudlark doctor -- COMMAND' shows why",
				 run->options->program_count
					 ? "no process of these programs wrote a snapshot: there is "
					   "nothing to judge"
					 : "the command wrote no snapshot: there is nothing to judge");
	if (status != EXIT_FINE)
		return status;
	gate_require_growth(gate, run->options->every ? "no process lived long enough for a snapshot by --every"
						      : "the program marks no iterations, and --every was not given");
	return gate_conclude(&run->options->gate, error);
}

static void run_free(struct run *run)
{
	for (size_t i = 0; i < run->count; i++)
		gate_examined_free(&run->judged[i]);
	free(run->judged);
	run_session_free(&run->session);
}

/* Those of the environment, which hold for `mudlark run`, too. */
static int load_suppressions(struct suppressions *set, const char *program, struct error *error)
{
	struct host_options host = {0};
	host_options_parse(&host, getenv("MUDLARK_OPTIONS"));
	int status = suppressions_load_list(set, host_options_get(&host, "suppressions"), error);
	host_options_free(&host);
	return status == EXIT_FINE ? suppressions_load_lsan(set, program, error) : status;
}

static int run_and_judge(struct run_options *options, char **argv, struct error *error)
{
	struct preflight check;
	struct run run = {.options = options};
	int status = preflight(&check, argv[0], error);
	for (size_t i = 0; i < check.warning_count && status == EXIT_FINE; i++)
		notice("%s", check.warnings[i]);
	if (status == EXIT_FINE)
		status = load_suppressions(&options->gate.gate.suppressions, check.program, error);
	preflight_free(&check);
	char *directory = status == EXIT_FINE ? make_directory(options, error) : NULL;
	if (!directory)
		return error->code;
	char *pattern = host_output_pattern(directory, "/");
	status = launch(&run, pattern, argv, error);
	if (status == EXIT_FINE) {
		int own = run.session.status;
		options->gate.gate.command_status = own;
		status = judge(&run, error);
		run_session_report(!options->gate.gate.policy.leaks_asked ? NULL
				   : status == EXIT_FINE                  ? RUN_PASSED
				   : status == EXIT_JUDGED                ? RUN_LEAKS
									  : RUN_INCOMPLETE);
		if (own) {
			/* What was found has been reported; the command's failure is what counts. */
			if (error->code)
				error_print(error);
			*error = (struct error){0};
			notice("the command itself ended with status %d", own);
			status = own;
		}
	}
	if (!options->keep)
		remove_directory(directory);
	run_free(&run);
	free(pattern);
	free(directory);
	return status;
}

int gate_run(int argc, char **argv, struct error *error)
{
	struct run_options options = {.iterations = DEFAULT_ITERATIONS, .linger = LINGER_WITH_JUDGEMENT};
	int first;
	gate_options_init(&options.gate);
	options.gate.runs = true;
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
