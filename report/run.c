/*
 * mudlark run: a command under the library, and afterwards where its snapshots are.
 *
 * The command cannot tell the difference but by the two environment variables: standard output is its own, its exit
 * status passes through, and what we say is on standard error, before it starts or after it has ended.
 */
#include "report/heading.h"
#include "report/host_options.h"
#include "report/launch.h"
#include "report/preflight.h"
#include "report/process.h"
#include "report/reading.h"
#include "report/rows.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { OPTION_KEY = 1, OPTION_QUIET = 50, OPTION_RETAINED, SITES_SHOWN = 3, CHILDREN_EXAMINED = 256 };

struct run_options {
	struct host_options host;
	bool quiet;
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
	{OPTION_KEY + 8, 0, "fatal", NULL, ARGUMENT_NONE, NULL, "write a snapshot on abort and fatal signals too"},
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
	{OPTION_RETAINED, 0, "retained", NULL, ARGUMENT_NONE, NULL,
	 "as --leaks, and find out why blocks are reachable: mudlark leaks --retained, --path"},
	{OPTION_QUIET, 'q', "quiet", NULL, ARGUMENT_NONE, NULL, "print nothing but errors when the command has ended"},
	{0},
};

/* As in the library, preload/options.h. */
enum { DEPTH_MOST = 1024 };
#define EVERY_LEAST 0.001
#define SAMPLE_MOST (UINT64_C(1) << 40)

static bool is_number(const char *text, bool fraction)
{
	size_t digits = strspn(text, "0123456789");
	size_t length = digits;
	if (fraction && text[length] == '.')
		length += 1 + strspn(text + length + 1, "0123456789");
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

static int run_option(void *context, int id, const char *argument, struct error *error)
{
	struct run_options *options = context;
	if (id == OPTION_QUIET) {
		options->quiet = true;
		return EXIT_FINE;
	}
	if (id == OPTION_RETAINED) {
		host_options_set(&options->host, "leaks", "2");
		return EXIT_FINE;
	}
	const char *key = options_table[id - OPTION_KEY].name;
	bool numeric = !strcmp(key, "every") || !strcmp(key, "depth");
	if (numeric && !is_number(argument, !strcmp(key, "every")))
		return error_set(error, EXIT_USAGE, "'mudlark run --help' lists the options",
				 "run: --%s wants a number, not '%s'", key, argument);
	if (!strcmp(key, "depth") && (strtol(argument, NULL, 10) < 1 || strtol(argument, NULL, 10) > DEPTH_MOST))
		return error_set(error, EXIT_USAGE, NULL, "run: --depth wants 1 to %d frames, not %s", DEPTH_MOST,
				 argument);
	double seconds = strcmp(key, "every") ? 0 : strtod(argument, NULL);
	if (seconds > 0 && seconds < EVERY_LEAST)
		return error_set(error, EXIT_USAGE, NULL, "run: --every wants 0 or at least %g seconds, not %s",
				 EVERY_LEAST, argument);
	if (!strcmp(key, "sample") && !is_sample(argument))
		return error_set(error, EXIT_USAGE,
				 "bytes, or a number with K, M, G or T behind it; 0 records every block",
				 "run: --sample wants 0 to 1T, not '%s'", argument);
	if (!strcmp(key, "exitcode") && (!is_number(argument, false) || strtol(argument, NULL, 10) > 255))
		return error_set(error, EXIT_USAGE, NULL, "run: --exitcode wants 0 to 255, not '%s'", argument);
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

/* --- after the end --------------------------------------------------------------------------------------------- */

struct found {
	char *path; /* owned */
	unsigned long pid, parent;
	struct timespec written;
};

struct findings {
	struct found *files;
	size_t count, capacity;
};

static int compare_found(const void *left, const void *right)
{
	const struct found *a = left, *b = right;
	if (a->written.tv_sec != b->written.tv_sec)
		return a->written.tv_sec < b->written.tv_sec ? -1 : 1;
	if (a->written.tv_nsec != b->written.tv_nsec)
		return a->written.tv_nsec < b->written.tv_nsec ? -1 : 1;
	return strverscmp(a->path, b->path);
}

/* Files of this pid (0: of any) that were written since the start, the oldest first. */
static struct findings find_snapshots(const char *pattern, unsigned long pid, struct timespec since)
{
	struct findings findings = {0};
	char *text = host_output_glob(pattern, pid);
	glob_t matches;
	if (!glob(text, GLOB_NOSORT, NULL, &matches)) {
		for (size_t i = 0; i < matches.gl_pathc; i++) {
			struct stat status;
			if (stat(matches.gl_pathv[i], &status) || !S_ISREG(status.st_mode) ||
			    status.st_mtim.tv_sec < since.tv_sec)
				continue;
			must_grow(findings.files, findings.count, findings.capacity);
			findings.files[findings.count++] = (struct found){
				.path = must_copy(matches.gl_pathv[i]), .pid = pid, .written = status.st_mtim};
		}
		globfree(&matches);
	}
	free(text);
	if (findings.count)
		qsort(findings.files, findings.count, sizeof *findings.files, compare_found);
	return findings;
}

static void forget_findings(struct findings *findings)
{
	for (size_t i = 0; i < findings->count; i++)
		free(findings->files[i].path);
	free(findings->files);
}

/* Asks each file for its pid and parent; a file that cannot be read belongs to nobody. */
static void identify(struct findings *findings)
{
	for (size_t i = 0; i < findings->count && i < CHILDREN_EXAMINED; i++) {
		struct error ignored;
		struct snapshot *snapshot = snapshot_load(findings->files[i].path, &ignored);
		if (!snapshot)
			continue;
		findings->files[i].pid = snapshot->numbers[META_PID];
		findings->files[i].parent = snapshot->numbers[META_PARENT_PID];
		snapshot_free(snapshot);
	}
}

/* Keeps the files of this process, which a pattern without %p does not tell from others. */
static void keep_process(struct findings *findings, unsigned long pid)
{
	size_t count = 0;
	for (size_t i = 0; i < findings->count; i++) {
		if (findings->files[i].pid == pid)
			findings->files[count++] = findings->files[i];
		else
			free(findings->files[i].path);
	}
	findings->count = count;
}

/* Keeps the files of descendants of root (not its own), the nearest generations first found. */
static void keep_descendants(struct findings *findings, unsigned long root)
{
	bool *kept = must_allocate(findings->count, sizeof *kept);
	bool more = true;
	while (more) {
		more = false;
		for (size_t i = 0; i < findings->count; i++) {
			const struct found *file = &findings->files[i];
			if (kept[i] || !file->pid || file->pid == root)
				continue;
			bool belongs = file->parent == root;
			for (size_t j = 0; j < findings->count && !belongs; j++)
				belongs = kept[j] && (findings->files[j].pid == file->parent ||
						      findings->files[j].pid == file->pid);
			if (belongs)
				kept[i] = more = true;
		}
	}
	size_t count = 0;
	for (size_t i = 0; i < findings->count; i++) {
		if (kept[i])
			findings->files[count++] = findings->files[i];
		else
			free(findings->files[i].path);
	}
	findings->count = count;
	free(kept);
}

/* A path as it can be typed: relative where it is in the current directory, quoted where the shell needs it. */
static char *typed(const char *path)
{
	char directory[PATH_MAX];
	size_t length = getcwd(directory, sizeof directory) ? strlen(directory) : 0;
	if (length && !strncmp(path, directory, length) && path[length] == '/')
		path += length + 1;
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./,+:@%=-";
	if (!path[strspn(path, plain)] && path[0] != '-')
		return must_copy(path);
	struct buffer out = {0};
	buffer_text(&out, path[0] == '-' ? "./'" : "'");
	for (; *path; path++) {
		if (*path == '\'')
			buffer_text(&out, "'\\''");
		else
			buffer_byte(&out, *path);
	}
	buffer_byte(&out, '\'');
	buffer_string(&out);
	return out.data;
}

static void print_largest(const char *path)
{
	struct reading reading;
	struct error error = {0};
	struct aggregate aggregate;
	char bytes[32], blocks[32];
	reading_init(&reading);
	reading.group.by = BY_LINE;
	if (reading_load(&reading, &path, 1, &error) != EXIT_FINE) {
		error_print(&error);
		reading_free(&reading);
		return;
	}
	const struct snapshot *snapshot = reading.snapshots[0];
	aggregate_build(&aggregate, reading.names, &reading.group);
	rank_rows(&aggregate, 0, METRIC_LIVE_BYTES, SITES_SHOWN);
	notice("live in the last one: %s%s bytes in %s blocks%s", snapshot->recorded_sites ? "about " : "",
	       format_count(bytes, snapshot->totals[TOTAL_LIVE_BYTES]),
	       format_count(blocks, snapshot->totals[TOTAL_LIVE_BLOCKS]),
	       aggregate.row_count && aggregate.rows[0].figures[0].live_bytes ? "; the largest sites:" : "");
	for (size_t i = 0; i < aggregate.row_count && i < SITES_SHOWN; i++) {
		const struct row *row = &aggregate.rows[i];
		struct buffer text = {0};
		if (!row->figures[0].live_bytes)
			break;
		/* As by stack, the function first and then where; but a row of functions without names is one of lines.
		 */
		bool named = row->location && reading.names->locations[row->location - 1].function;
		row_text(&text, reading.names, row, named ? BY_STACK : BY_LINE);
		notice("  %s bytes in %s block%s: %s", format_count(bytes, row->figures[0].live_bytes),
		       format_count(blocks, row->figures[0].live_blocks), row->figures[0].live_blocks == 1 ? "" : "s",
		       buffer_string(&text));
		buffer_free(&text);
	}
	aggregate_free(&aggregate);
	reading_free(&reading);
}

static void print_epilogue(const char *pattern, pid_t pid, struct timespec since, const struct host_options *host,
			   int status)
{
	struct findings own = find_snapshots(pattern, (unsigned long)pid, since);
	struct findings children = find_snapshots(pattern, 0, since);
	if (!strstr(pattern, "%p")) {
		identify(&own);
		keep_process(&own, (unsigned long)pid);
	}
	identify(&children);
	keep_descendants(&children, (unsigned long)pid);
	if (own.count) {
		const char *first = own.files[0].path, *last = own.files[own.count - 1].path;
		char *first_typed = typed(first), *last_typed = typed(last);
		if (own.count == 1)
			notice("snapshot: %s", last);
		else
			notice("%zu snapshots, from %s to %s", own.count, first, last);
		if (children.count)
			notice("and %zu of its child processes, the last %s", children.count,
			       children.files[children.count - 1].path);
		print_largest(last);
		if (own.count == 1)
			notice("next: mudlark show %s", last_typed);
		else
			notice("next: mudlark diff %s %s", first_typed, last_typed);
		free(first_typed);
		free(last_typed);
	} else if (children.count) {
		char *last_typed = typed(children.files[children.count - 1].path);
		notice("%zu snapshots of child processes, the last %s", children.count,
		       children.files[children.count - 1].path);
		notice("next: mudlark show %s", last_typed);
		free(last_typed);
	} else {
		const char *at_exit = host_options_get(host, "at_exit");
		notice("no snapshot was written at %s", pattern);
		if (at_exit && !strcmp(at_exit, "0"))
			notice("at_exit is 0: snapshots come only by --every, a signal or mudlark snap");
		else if (status > 128)
			notice("signal %d (%s) ended it: with --fatal a snapshot is written then, with --every before",
			       status - 128, sigabbrev_np(status - 128) ? sigabbrev_np(status - 128) : "?");
		else
			notice("'mudlark doctor -- COMMAND' tells why; a program that a signal kills writes none "
			       "without "
			       "--fatal or --every");
	}
	forget_findings(&own);
	forget_findings(&children);
}

/* --- the command ----------------------------------------------------------------------------------------------- */

/*
 * Whether snapshots can be written where the pattern says, as far as that is known before the run: a run of a night
 * must not end with "no snapshot".
 */
static int check_output(const char *pattern, struct error *error)
{
	struct stat status;
	if (!strchr(pattern, '%') && !stat(pattern, &status) && !S_ISREG(status.st_mode))
		return error_set(error, EXIT_USAGE, "give another --output",
				 "%s is no regular file: a snapshot cannot replace it", pattern);
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

static int run_it(struct run_options *options, char **argv, struct error *error)
{
	struct preflight check;
	int status = preflight(&check, argv[0], error);
	for (size_t i = 0; i < check.warning_count; i++)
		notice("warning: %s", check.warnings[i]);
	preflight_free(&check);
	if (status != EXIT_FINE)
		return status;
	char *library = find_library(error);
	if (!library)
		return error->code;

	/* What the environment says counts where the command line says nothing. */
	struct host_options host = {0};
	host_options_parse(&host, getenv("MUDLARK_OPTIONS"));
	for (size_t i = 0; i < options->host.count; i++)
		host_options_set(&host, options->host.options[i].key, options->host.options[i].value);
	char directory[PATH_MAX];
	const char *output = host_options_get(&host, "output");
	if (!getcwd(directory, sizeof directory) && (!output || output[0] != '/')) {
		status = error_set(error, EXIT_USAGE, "give an absolute --output", "the current directory: %s",
				   strerror(errno));
	} else {
		struct buffer text = {0};
		struct timespec since;
		pid_t pid;
		char *pattern = host_output_pattern(output, directory);
		host_options_set(&host, "output", pattern);
		host_options_format(&host, &text);
		clock_gettime(CLOCK_REALTIME_COARSE, &since);
		const char *children = host_options_get(&host, "children");
		struct launch launch = {
			.library = library,
			.options = buffer_string(&text),
			.argv = argv,
			.only_command = children && !strcmp(children, "0"),
		};
		status = check_output(pattern, error);
		if (status == EXIT_FINE) {
			status = launch_and_wait(&launch, &pid, error);
			if (!options->quiet && !error->code)
				print_epilogue(pattern, pid, since, &host, status);
		}
		buffer_free(&text);
		free(pattern);
	}
	host_options_free(&host);
	free(library);
	return status;
}

static int run_run(const struct command *command, int argc, char **argv, struct error *error)
{
	struct run_options options = {0};
	int first;
	int status = options_parse(command, argc, argv, run_option, &options, &first, error);
	if (status == EXIT_FINE && first == argc)
		status = options_operands(command, "name a command to run", error);
	else if (status == EXIT_FINE)
		status = run_it(&options, argv + first, error);
	host_options_free(&options.host);
	return status;
}

const struct command run_command = {
	.name = "run",
	.operands = "[--] COMMAND [ARG...]",
	.summary = "profile a command; its exit status passes through",
	.description = "Runs a command with libmudlark.so preloaded, which records its allocations and writes "
		       "snapshots. When it "
		       "has ended, tells on standard error where they are, the three largest live sites, and the next "
		       "command. "
		       "Options but --quiet are also keys of the environment variable MUDLARK_OPTIONS (key=value, "
		       "separated by ':' "
		       "or space, quoted where a value has such), and override what it says.",
	.epilogue =
		"Exit status: the command's own, 128+n when signal n ended it; 126 when it cannot be executed, 127 "
		"when\n"
		"it is not found; 2 wrong usage, or a program that cannot be profiled (static, set-user-ID, 32-bit,\n"
		"musl): nothing was started then.\n",
	.options = options_table,
	.operand_kind = ARGUMENT_COMMAND,
	.stops_at_operand = true,
	.run = run_run,
};
