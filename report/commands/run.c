/*
 * mudlark run: a command under the library, and afterwards where its snapshots are.
 *
 * The command cannot tell the difference but by the two environment variables: standard output is its own, its exit
 * status passes through, and what we say is on standard error, before it starts or after it has ended.
 */
#include "preload/interface/output_reason.h"
#include "report/analysis/config.h"
#include "report/analysis/lsan_options.h"
#include "report/commands/commands.h"
#include "report/run/host_options.h"
#include "report/run/preflight.h"
#include "report/run/process.h"
#include "report/run/run_epilogue.h"
#include "report/run/run_leaks.h"
#include "report/run/run_session.h"
#include "report/run/typed_path.h"
#include "report/views/reading.h"
#include "report/views/suppression_options.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { OPTION_KEY = 1, OPTION_QUIET = 50, OPTION_RETAINED, OPTION_ALLOW_UNEXAMINED, OPTION_LINGER, OPTION_JSON };

struct run_options {
	struct host_options host;
	struct suppressions suppressions;
	struct suppression_choices choices;
	struct buffer files; /* of suppressions: their paths with commas between, for the library, */
	struct buffer typed; /* and the options for the next command */
	struct skips skips;
	struct buffer skips_typed; /* --skip and --no-config, for the next command */
	bool quiet, allow_unexamined, no_config;
	double linger; /* seconds; below 0: not given */
	const char *json;
};

/* Keys of MUDLARK_OPTIONS; the position + OPTION_KEY is the option's id. */
static const struct option_spec options_table[] = {
	{OPTION_KEY + 0, 'o', "output", "PATTERN", ARGUMENT_FILE, NULL,
	 "write snapshots to PATTERN: %e program, %p pid, %n number, %h host, %t time, %% a '%'; a directory gets the "
	 "default name (default ./" DEFAULT_OUTPUT_PATTERN ")"},
	{OPTION_KEY + 1, 'e', "every", "SECONDS", ARGUMENT_WORD, NULL, "write a snapshot every SECONDS"},
	{OPTION_KEY + 2, 'd', "depth", "FRAMES", ARGUMENT_WORD, NULL, "frames kept of a stack (default 256)"},
	{OPTION_KEY + 3, 0, "signal", "SIGNAL", ARGUMENT_WORD, NULL,
	 "write a snapshot on this signal: a number or a name, as USR1 or RTMAX-5 (the default); 'none' for no signal, "
	 "and then no `mudlark snap`"},
	{OPTION_KEY + 4, 0, "peak", "0|1|2", ARGUMENT_CHOICE, "0|1|2",
	 "1: keep what was live at the high-water mark (default); 2: and write a snapshot there; 0: neither"},
	{OPTION_KEY + 5, 0, "at_exit", "0|1|2", ARGUMENT_CHOICE, "0|1|2",
	 "write a snapshot at the end; 2: of a Python program also what its interpreter leaves behind (default 1)"},
	{OPTION_KEY + 6, 0, "children", "0|1", ARGUMENT_CHOICE, "0|1", "profile child processes too (default 1)"},
	{OPTION_KEY + 7, 0, "record", "0|1", ARGUMENT_CHOICE, "0|1",
	 "0: start without recording; the program may switch it on (default 1)"},
	{OPTION_KEY + 8, 0, "fatal", "0|1", ARGUMENT_CHOICE, "0|1",
	 "write a snapshot when a signal's default action ends the program (default 1; 0 with --at_exit 0)"},
	{OPTION_KEY + 9, 0, "check_capture", NULL, ARGUMENT_NONE, NULL,
	 "walk each stack with libunwind too, and compare"},
	{OPTION_KEY + 10, 0, "on_error", "WHAT", ARGUMENT_CHOICE, "abort|report|ignore",
	 "on a double or invalid free: abort, report or ignore"},
	{OPTION_KEY + 11, 0, "verbose", NULL, ARGUMENT_NONE, NULL,
	 "let the library say on standard error what it does"},
	{OPTION_KEY + 12, 0, "snapshot", "WHO", ARGUMENT_CHOICE, "auto|inline|fork",
	 "who writes snapshots: the program's own thread (inline), a forked copy of it (fork), or whichever holds the "
	 "program for a shorter time (auto, the default); the one at the end is always written inline"},
	{OPTION_KEY + 13, 's', "sample", "BYTES", ARGUMENT_WORD, NULL,
	 "record a block about every BYTES bytes that are allocated, as 512K, and estimate the rest: nearly free "
	 "(default 0: every block)"},
	{OPTION_KEY + 14, 0, "python", "HOW", ARGUMENT_CHOICE, "objects|arenas|off",
	 "of CPython programs: record every object (objects, the default), leave CPython's own allocator alone and see "
	 "its arenas only (arenas), or record native stacks only (off)"},
	{OPTION_KEY + 15, 0, "census", NULL, ARGUMENT_NONE, NULL,
	 "count the objects of CPython by type and line in each snapshot: mudlark show --by type"},
	{OPTION_KEY + 16, 0, "refs", "TYPE", ARGUMENT_WORD, NULL,
	 "and find out who holds the objects of this type; '?': of the types that there is most of: mudlark refs"},
	{OPTION_KEY + 17, 'l', "leaks", NULL, ARGUMENT_NONE, NULL,
	 "search for leaks when the command ends, and end with --exitcode if there are any"},
	{OPTION_KEY + 18, 0, "exitcode", "STATUS", ARGUMENT_WORD, NULL,
	 "with --leaks: the exit status instead of 0 when memory was lost (default 23; 0: the command's own)"},
	{OPTION_KEY + 19, 0, "marks", "N", ARGUMENT_WORD, NULL,
	 "write a snapshot at each of N iterations that the program marks by mudlark_mark() (default 0)"},
	{OPTION_KEY + 20, 0, "warmup", "K", ARGUMENT_WORD, NULL,
	 "with --marks: after the first K iterations (default 0)"},
	{OPTION_KEY + 21, 0, "guard", NULL, ARGUMENT_NONE, NULL,
	 "find writes outside of blocks and into freed ones, and frees with a wrong size; takes more time and memory"},
	{OPTION_RETAINED, 0, "retained", NULL, ARGUMENT_NONE, NULL,
	 "as --leaks, and find out why blocks are reachable: mudlark leaks --retained, --path"},
	{SUPPRESSION_FILE, 0, "suppressions", "FILE", ARGUMENT_FILE, NULL,
	 "with --leaks: leaks that are known, LeakSanitizer's or Valgrind's; repeatable"},
	{OPTION_ALLOW_UNEXAMINED, 0, "allow-unexamined", NULL, ARGUMENT_NONE, NULL,
	 "with --leaks: processes that were not searched are named, but do not make the verdict uncertain"},
	{OPTION_LINGER, 0, "wait-for-daemons", "SECONDS", ARGUMENT_WORD, NULL,
	 "wait so long for processes that outlive the command (default 0; with --leaks 2)"},
	{OPTION_JSON, 0, "json", "FILE", ARGUMENT_FILE, NULL,
	 "write a summary of the run to FILE: its processes, which of them were examined, snapshots, verdict"},
	SKIP_OPTIONS,
	{OPTION_QUIET, 'q', "quiet", NULL, ARGUMENT_NONE, NULL,
	 "print nothing but errors and what was lost when the command has ended"},
	{0},
};

/* As in the library, preload/base/options.h. */
enum { DEPTH_MOST = 1024, MARKS_MOST = 1000000000 };
#define EVERY_LEAST 0.001
#define SAMPLE_MOST (UINT64_C(1) << 40)

static bool is_number(const char *text, bool fraction)
{
	size_t digits = strspn(text, "0123456789");
	size_t length = digits;
	if (fraction && text[length] == '.') {
		size_t decimals = strspn(text + length + 1, "0123456789");
		length += 1 + decimals;
		digits += digits ? 0 : decimals;
	}
	return digits && digits < 16 && !text[length];
}

/* Bytes, or so many KiB, MiB, GiB or TiB, up to 1 TiB. */
static bool is_sample(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	const char *unit = digits && text[digits] ? strchr("kmgt", text[digits] | 0x20) : NULL;
	if (!digits || digits > 13 || (text[digits] && (!unit || text[digits + 1])))
		return false;
	static const char units[] = "kmgt";
	unsigned shift = unit ? 10 * (unsigned)(strchr(units, *unit) - units + 1) : 0;
	return strtoull(text, NULL, 10) <= SAMPLE_MOST >> shift;
}

static int add_suppressions(struct run_options *options, const char *path, struct error *error)
{
	char whole[PATH_MAX];
	char *typed = typed_path(path);
	if (options->files.length)
		buffer_byte(&options->files, ',');
	buffer_text(&options->files, realpath(path, whole) ? whole : path);
	buffer_format(&options->typed, "--suppressions %s ", typed);
	free(typed);
	return suppression_option(&options->suppressions, &options->choices, SUPPRESSION_FILE, path, error);
}

static int add_skip(struct run_options *options, const char *pattern)
{
	char *typed = typed_word(pattern);
	buffer_format(&options->skips_typed, "--skip %s ", typed);
	free(typed);
	skips_add(&options->skips, pattern);
	return EXIT_FINE;
}

static int run_option(void *context, int id, const char *argument, struct error *error)
{
	struct run_options *options = context;
	if (id == OPTION_QUIET) {
		options->quiet = true;
		return EXIT_FINE;
	}
	if (id == OPTION_ALLOW_UNEXAMINED) {
		options->allow_unexamined = true;
		return EXIT_FINE;
	}
	if (id == OPTION_LINGER)
		return run_linger_option(argument, &options->linger, error);
	if (id == OPTION_JSON) {
		options->json = argument;
		return EXIT_FINE;
	}
	if (id == OPTION_RETAINED) {
		host_options_set(&options->host, "leaks", "2");
		return EXIT_FINE;
	}
	if (id == SUPPRESSION_FILE)
		return add_suppressions(options, argument, error);
	if (id == READING_SKIP) {
		return add_skip(options, argument);
	}
	if (id == READING_NO_CONFIG) {
		options->no_config = true;
		buffer_text(&options->skips_typed, "--no-config ");
		return EXIT_FINE;
	}
	const char *key = options_table[id - OPTION_KEY].name;
	bool numeric = !strcmp(key, "every") || !strcmp(key, "depth");
	if (numeric && !is_number(argument, !strcmp(key, "every")))
		return error_set(error, EXIT_USAGE, "'mudlark run --help' lists the options",
				 "run: --%s requires a number, got '%s'", key, argument);
	if (!strcmp(key, "depth") && (strtol(argument, NULL, 10) < 1 || strtol(argument, NULL, 10) > DEPTH_MOST))
		return error_set(error, EXIT_USAGE, NULL, "run: --depth requires 1 to %d frames, got %s", DEPTH_MOST,
				 argument);
	double seconds = strcmp(key, "every") ? 0 : strtod(argument, NULL);
	if (seconds > 0 && seconds < EVERY_LEAST)
		return error_set(error, EXIT_USAGE, NULL, "run: --every requires 0 or at least %g seconds, got %s",
				 EVERY_LEAST, argument);
	if (!strcmp(key, "sample") && !is_sample(argument))
		return error_set(error, EXIT_USAGE,
				 "bytes, or a number with K, M, G or T behind it; 0 records every block",
				 "run: --sample requires 0 to 1T, got '%s'", argument);
	bool counts_marks = !strcmp(key, "marks") || !strcmp(key, "warmup");
	if (counts_marks && (!is_number(argument, false) || strtoul(argument, NULL, 10) > MARKS_MOST))
		return error_set(error, EXIT_USAGE, NULL, "run: --%s requires 0 to %d iterations, got '%s'", key,
				 MARKS_MOST, argument);
	if (!strcmp(key, "exitcode") && (!is_number(argument, false) || strtol(argument, NULL, 10) > 255))
		return error_set(error, EXIT_USAGE, NULL, "run: --exitcode requires 0 to 255, got '%s'", argument);
	int number = strcmp(key, "signal") ? 0 : signal_number(argument);
	if (number < 0 || number == SIGKILL || number == SIGSTOP)
		return error_set(error, EXIT_USAGE, "a number, a name as USR2 or RTMAX-5, or none",
				 "run: --signal cannot be '%s'", argument);
	/* --retained has asked for more. */
	const char *leaks = strcmp(key, "leaks") ? NULL : host_options_get(&options->host, key);
	if (!leaks || strcmp(leaks, "2") != 0)
		host_options_set(&options->host, key, argument ? argument : "1");
	return EXIT_FINE;
}

/* --- the command ----------------------------------------------------------------------------------------------- */

/* Returns whether links lead from the path into /proc, to what a process has open. */
static bool leads_to_descriptor(const char *path)
{
	char at[PATH_MAX], link[PATH_MAX];
	struct statfs system;
	snprintf(at, sizeof at, "%s", path);
	for (int links = 0; links < 40; links++) {
		ssize_t bytes = readlink(at, link, sizeof link - 1);
		char *slash = strrchr(at, '/');
		if (bytes < 0 || !slash)
			return false;
		slash[1] = '\0';
		if (!statfs(at, &system) && system.f_type == PROC_SUPER_MAGIC)
			return true;
		link[bytes] = '\0';
		char *next = link[0] == '/' ? must_copy(link) : must_format("%s%s", at, link);
		snprintf(at, sizeof at, "%s", next);
		free(next);
	}
	return false;
}

/*
 * Checks whether snapshots can be written where the pattern says, as far as that is known before the run: a run of a
 * night must not end with "no snapshot".
 */
static int check_output(const char *pattern, struct error *error)
{
	struct stat status;
	if (!strchr(pattern, '%') && !stat(pattern, &status) && !S_ISREG(status.st_mode))
		return error_set(error, EXIT_USAGE, "give another --output",
				 "%s is not a regular file: a snapshot cannot replace it", pattern);
	if (!strchr(pattern, '%') && leads_to_descriptor(pattern))
		return error_set(error, EXIT_USAGE, "give another --output", "%s: %s", pattern,
				 output_reason(OUTPUT_IS_DESCRIPTOR));
	size_t known = strcspn(pattern, "%");
	while (known && pattern[known - 1] != '/')
		known--;
	if (strchr(pattern + known, '/'))
		return EXIT_FINE; /* the directory's own name depends on the run */
	char *directory = must_format("%.*s", known ? (int)known : 1, known ? pattern : ".");
	int result = access(directory, W_OK | X_OK)
			     ? error_set(error, EXIT_USAGE, "create it with 'mkdir -p', or give another --output",
					 "snapshots cannot be written to %s: %s", directory, strerror(errno))
			     : EXIT_FINE;
	free(directory);
	return result;
}

/* What the environment says counts where the command line says nothing. */
static void merge_options(struct run_options *options, struct host_options *host)
{
	host_options_parse(host, getenv("MUDLARK_OPTIONS"));
	if (options->files.length)
		host_options_set(&options->host, "suppressions", buffer_string(&options->files));
	for (size_t i = 0; i < options->host.count; i++)
		host_options_set(host, options->host.options[i].key, options->host.options[i].value);
}

static bool is_on(const struct host_options *host, const char *key)
{
	const char *value = host_options_get(host, key);
	return value && options_choice("0|no|off|false", value) < 0;
}

/* All suppressions are read before the command starts: a mistake in one must not cost a run. */
static int prepare_leaks(struct run_options *options, struct host_options *host, const char *program,
			 struct error *error)
{
	struct suppressions *set = &options->suppressions;
	int status = options->files.length ? EXIT_FINE
					   : suppressions_load_list(set, host_options_get(host, "suppressions"), error);
	if (status == EXIT_FINE)
		status = suppressions_load_lsan(set, program, error);
	suppressions_add_builtin(set);
	host_options_set(host, "judge", "0");
	return status;
}

static int judge(struct run_options *options, const struct host_options *host, const struct run_session *session,
		 const char **judged)
{
	struct lsan_options lsan;
	lsan_options_of_environment(&lsan);
	const struct run_leaks run = {
		.session = session,
		.host = host,
		.suppressions = &options->suppressions,
		.skips = &options->skips,
		.exitcode = host_options_get(&options->host, "exitcode"),
		.suppressions_typed = buffer_string(&options->typed),
		.skips_typed = buffer_string(&options->skips_typed),
		.allow_unexamined = options->allow_unexamined,
		.quiet = options->quiet,
		.show_suppressed = !options->quiet && !lsan.hides_suppressed,
	};
	int status = run_leaks_judge(&run, session->status, judged);
	lsan_options_free(&lsan);
	return status;
}

static int write_json(const char *path, const struct run_session *session, char **argv, int status, const char *judged,
		      struct error *error)
{
	struct json json = {.stream = fopen(path, "we")};
	if (!json.stream)
		return error_set(error, EXIT_INPUT, NULL, "%s: cannot write it: %s", path, strerror(errno));
	json_put_object(&json, NULL, false);
	json_put_text(&json, "schema", "mudlark.run/1");
	json_put_array(&json, "command", true);
	for (; *argv; argv++)
		json_put_text(&json, NULL, *argv);
	json_end_array(&json);
	json_put_number(&json, "pid", (uint64_t)session->pid);
	json_put_number(&json, "command_status", (uint64_t)session->status);
	json_put_number(&json, "status", (uint64_t)status);
	json_put_text(&json, "verdict", judged);
	json_put_number(&json, "unexamined", session->processes.unexamined);
	run_processes_json(&session->processes, &session->files, &json);
	json_end_object(&json);
	json_finish(&json);
	bool failed = ferror(json.stream);
	if (fclose(json.stream) || failed)
		return error_set(error, EXIT_INPUT, NULL, "%s: cannot write it: %s", path, strerror(errno));
	return EXIT_FINE;
}

static int conclude(struct run_options *options, const struct host_options *host, const struct run_session *session,
		    char **argv, struct error *error)
{
	const char *judged = NULL;
	int status = session->status;
	if (!options->quiet)
		run_epilogue(session, host_options_get(host, "output"), host, &options->skips);
	if (is_on(host, "leaks")) {
		status = judge(options, host, session, &judged);
	} else if (!options->quiet) {
		run_processes_print(&session->processes, UNEXAMINED_SHOWN);
		run_next(&session->files, buffer_string(&options->skips_typed));
	}
	run_session_report(judged);
	/* The command's status is the answer all the same, unless it would say that all is well. */
	if (options->json && write_json(options->json, session, argv, status, judged, error) && status) {
		error_print(error);
		*error = (struct error){0};
	}
	return error->code ? error->code : status;
}

static int launch(struct run_options *options, const char *library, struct host_options *host, char **argv,
		  struct error *error)
{
	char directory[PATH_MAX];
	const char *output = host_options_get(host, "output"), *children = host_options_get(host, "children");
	if (!getcwd(directory, sizeof directory) && (!output || output[0] != '/'))
		return error_set(error, EXIT_USAGE, "give an absolute --output", "the current directory: %s",
				 strerror(errno));
	if (output && !strcmp(output, "-"))
		return error_set(error, EXIT_USAGE, "name a file: --output NAME.mud",
				 "standard output is the command's own: snapshots cannot be written to it");
	char *pattern = host_output_pattern(output, directory);
	host_options_set(host, "output", pattern);
	bool leaks = is_on(host, "leaks");
	const struct run_choices choices = {
		.leaks = leaks,
		.only_command = children && !strcmp(children, "0"),
		.linger = options->linger >= 0 ? options->linger
			  : leaks              ? LINGER_WITH_JUDGEMENT
					       : 0,
	};
	struct run_session session = {0};
	int status = check_output(pattern, error);
	if (status == EXIT_FINE)
		status = run_session(&session, library, host, argv, &choices, error);
	if (status == EXIT_FINE)
		status = conclude(options, host, &session, argv, error);
	run_session_free(&session);
	free(pattern);
	return status;
}

static int run_it(struct run_options *options, char **argv, struct error *error)
{
	struct preflight check;
	struct host_options host = {0};
	int status = preflight(&check, argv[0], error);
	for (size_t i = 0; i < check.warning_count; i++)
		notice("warning: %s", check.warnings[i]);
	char *library = status == EXIT_FINE ? find_library(error) : NULL;
	if (status == EXIT_FINE && !library)
		status = error->code;
	merge_options(options, &host);
	/* Like the suppressions: a mistake in a file must not cost a run. */
	if (status == EXIT_FINE && !options->no_config)
		status = config_load(&options->skips, error);
	const char *sample = host_options_get(&host, "sample");
	if (status == EXIT_FINE && is_on(&host, "guard") && sample && strspn(sample, "0") != strlen(sample))
		status = error_set(error, EXIT_USAGE, "leave one of them out",
				   "run: --guard needs a record of each block, which --sample leaves out");
	if (status == EXIT_FINE && options->files.length && !is_on(&host, "leaks"))
		status = error_set(error, EXIT_USAGE, "add --leaks", "run: --suppressions is for a search for leaks");
	if (status == EXIT_FINE && is_on(&host, "leaks"))
		status = prepare_leaks(options, &host, check.program, error);
	if (status == EXIT_FINE)
		status = launch(options, library, &host, argv, error);
	host_options_free(&host);
	free(library);
	preflight_free(&check);
	return status;
}

static int run_run(const struct command *command, int argc, char **argv, struct error *error)
{
	struct run_options options = {.linger = -1};
	int first;
	int status = options_parse(command, argc, argv, run_option, &options, &first, error);
	if (status == EXIT_FINE && first == argc)
		status = options_operands(command, "name a command to run", error);
	else if (status == EXIT_FINE)
		status = run_it(&options, argv + first, error);
	suppressions_free(&options.suppressions);
	skips_free(&options.skips);
	buffer_free(&options.files);
	buffer_free(&options.typed);
	buffer_free(&options.skips_typed);
	host_options_free(&options.host);
	return status;
}

const struct command run_command = {
	.name = "run",
	.operands = "[--] COMMAND [ARG...]",
	.summary = "profile a command; its exit status passes through",
	.description = "Runs a command with libmudlark.so preloaded, which records its allocations and writes "
		       "snapshots. When it has ended, reports on standard error where they are, the three largest "
		       "live sites, and the next command. Options but --quiet are also keys of the environment "
		       "variable MUDLARK_OPTIONS (key=value, separated by ':' or space, quoted where a value has "
		       "such), and override what it says.",
	.epilogue = "Exit status: the command's own, 128+n when signal n ended it. With --leaks, in place of 0, "
		    "--exitcode when\n"
		    "it or one of its processes lost memory, 4 when that is not certain. 126 when it cannot be "
		    "executed, 127\n"
		    "when it is not found; 2 wrong usage, or a program that cannot be profiled (static, set-user-ID, "
		    "32-bit,\n"
		    "musl); 3 suppressions cannot be read: nothing was started then.\n",
	.options = options_table,
	.operand_kind = ARGUMENT_COMMAND,
	.stops_at_operand = true,
	.run = run_run,
};
