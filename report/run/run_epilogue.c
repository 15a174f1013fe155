/* See run_epilogue.h. */
#include "report/run/run_epilogue.h"

#include "preload/interface/fatal_signals.h"
#include "report/run/typed_path.h"
#include "report/snapshot/heading.h"
#include "report/views/misuse.h"
#include "report/views/reading.h"
#include "report/views/rows.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

void print_sites(const struct names *names, const struct aggregate *aggregate)
{
	char bytes[32], blocks[32];
	for (size_t i = 0; i < aggregate->row_count && i < SITES_SHOWN; i++) {
		const struct row *row = &aggregate->rows[i];
		struct buffer text = {0};
		if (!row->figures[0].live_blocks)
			break;
		/* As by stack: the function first and then where. */
		row_text(&text, names, row, BY_STACK);
		notice("  %s bytes in %s block%s: %s", format_count(bytes, row->figures[0].live_bytes),
		       format_count(blocks, row->figures[0].live_blocks), row->figures[0].live_blocks == 1 ? "" : "s",
		       buffer_string(&text));
		buffer_free(&text);
	}
}

/* The files of one image: first and last + 1 of run_files. */
struct image {
	size_t first, end;
	uint64_t peak_bytes; /* or what was live, where that is more: peaks can be switched off */
};

static struct image image_at(const struct snapshot_briefs *files, size_t first)
{
	struct image image = {.first = first, .end = run_files_image_end(files, first)};
	for (size_t i = first; i < image.end; i++) {
		const struct snapshot_brief *file = &files->at[i];
		uint64_t most = file->peak_bytes > file->live_bytes ? file->peak_bytes : file->live_bytes;
		if (most > image.peak_bytes)
			image.peak_bytes = most;
	}
	return image;
}

/* The image that held most at a time. There is one at least. *count: how many there are. */
static struct image find_largest(const struct snapshot_briefs *files, size_t *count)
{
	struct image largest = image_at(files, 0), image = largest;
	*count = 1;
	while (image.end < files->count) {
		image = image_at(files, image.end);
		++*count;
		if (image.peak_bytes > largest.peak_bytes)
			largest = image;
	}
	return largest;
}

static void print_largest(const struct snapshot_briefs *files, const struct skips *skips)
{
	struct reading reading;
	struct error error = {0};
	struct aggregate aggregate;
	char bytes[32], blocks[32], peak[32];
	size_t count;
	struct image largest = find_largest(files, &count);
	const struct snapshot_brief *file = &files->at[largest.end - 1];
	const char *path = file->path;
	reading_init(&reading);
	reading.given_skips = skips;
	reading.group.by = BY_LINE;
	if (reading_load(&reading, &path, 1, &error) != EXIT_FINE) {
		error_print(&error);
		reading_free(&reading);
		return;
	}
	const struct snapshot *snapshot = reading.snapshots[0];
	aggregate_build(&aggregate, reading.names, &reading.group);
	rank_rows(&aggregate, 0, METRIC_LIVE_BYTES, SITES_SHOWN);
	aggregate_tell_apart(reading.names, &aggregate, rows_to_print(&aggregate, SITES_SHOWN), BY_STACK);
	notice("%s%s, pid %lu: peak %s bytes; live in its last snapshot: %s%s bytes in %s block%s%s",
	       count > 1 ? "the largest process: " : "", file->program, (unsigned long)file->numbers[META_PID],
	       format_count(peak, largest.peak_bytes), snapshot->recorded_sites ? "about " : "",
	       format_count(bytes, snapshot->totals[TOTAL_LIVE_BYTES]),
	       format_count(blocks, snapshot->totals[TOTAL_LIVE_BLOCKS]),
	       snapshot->totals[TOTAL_LIVE_BLOCKS] == 1 ? "" : "s",
	       aggregate.row_count && aggregate.rows[0].figures[0].live_blocks ? "; the largest sites:" : "");
	print_sites(reading.names, &aggregate);
	aggregate_free(&aggregate);
	reading_free(&reading);
}

enum { MISUSERS_SHOWN = 3 };

/* Misuses of the heap, of the last snapshot of each process that has some. */
static void print_misuses(const struct snapshot_briefs *files, const struct skips *skips)
{
	struct image image = {0};
	size_t shown = 0, left_out = 0;
	for (size_t first = 0; first < files->count; first = image.end) {
		image = image_at(files, first);
		const struct snapshot_brief *file = &files->at[image.end - 1];
		struct reading reading;
		struct error error = {0};
		char count[32];
		if (!file->misuses)
			continue;
		if (shown++ >= MISUSERS_SHOWN) {
			left_out++;
			continue;
		}
		const char *path = file->path;
		reading_init(&reading);
		reading.given_skips = skips;
		notice("%s, pid %lu, misused its heap %s time%s:", file->program,
		       (unsigned long)file->numbers[META_PID], format_count(count, file->misuses),
		       file->misuses == 1 ? "" : "s");
		if (reading_load(&reading, &path, 1, &error) == EXIT_FINE) {
			struct terminal terminal = terminal_of(stderr, reading.color, reading.width);
			misuse_print(&reading, stderr, &terminal);
		} else {
			error_print(&error);
		}
		reading_free(&reading);
	}
	if (left_out)
		notice("so did %zu more of its processes: mudlark show lists them", left_out);
}

static bool fatal_catches(int number)
{
	static const int caught[] = {FATAL_SIGNALS};
	for (size_t i = 0; i < sizeof caught / sizeof *caught; i++)
		if (caught[i] == number)
			return true;
	return false;
}

/* Why there is no snapshot of a program that this signal ended, and what would leave one. */
static void advise_on_signal(const struct host_options *host, int number)
{
	const char *name = sigabbrev_np(number), *fatal = host_options_get(host, "fatal");
	if (!name)
		name = "?";
	if (number == SIGKILL)
		notice("signal 9 (KILL) ended it, which no program can catch: --every SECONDS leaves snapshots before, "
		       "and so does 'mudlark snap PID'");
	else if (fatal_catches(number) && fatal && !strcmp(fatal, "0"))
		notice("signal %d (%s) ended it, and --fatal is 0: without that a snapshot is written then, with "
		       "--every SECONDS before",
		       number, name);
	else if (fatal_catches(number))
		notice("signal %d (%s) ended it, and no snapshot could be written then, as after a stack overflow: "
		       "with --every SECONDS snapshots are written before",
		       number, name);
	else
		notice("signal %d (%s) ended it: with --every SECONDS snapshots are written before", number, name);
}

/* The command had the same limits as we have. */
static bool advise_on_limit(void)
{
	enum { SMALL_MB = 256 };
	static const struct {
		__rlimit_resource_t resource;
		const char *of, *option;
	} limits[] = {{RLIMIT_AS, "address space", "-v"}, {RLIMIT_DATA, "data", "-d"}};
	bool any = false;
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		struct rlimit limit;
		char size[32];
		if (getrlimit(limits[i].resource, &limit) || limit.rlim_cur >= (rlim_t)SMALL_MB << 20)
			continue;
		notice("its %s is limited to %s (ulimit %s): recording takes some 16 MB beside what the program needs",
		       limits[i].of, format_size(size, limit.rlim_cur), limits[i].option);
		any = true;
	}
	return any;
}

static void no_snapshot(const char *pattern, const struct host_options *host, int status)
{
	const char *at_exit = host_options_get(host, "at_exit");
	notice("no snapshot was written at %s", pattern);
	if (at_exit && !strcmp(at_exit, "0"))
		notice("at_exit is 0: snapshots come only by --every, a signal or mudlark snap");
	else if (advise_on_limit())
		return;
	else if (status > 128)
		advise_on_signal(host, status - 128);
	else
		notice("'mudlark doctor -- COMMAND' shows why; a program that is killed (KILL) writes none without "
		       "--every");
}

static void print_next(const char *command, const char *options, const char *first, const char *last)
{
	char *first_typed = typed_path(first), *last_typed = typed_path(last);
	if (first == last)
		notice("next: mudlark %s %s%s", command, options, last_typed);
	else
		notice("next: mudlark %s %s%s %s", command, options, first_typed, last_typed);
	free(first_typed);
	free(last_typed);
}

/* The command's own (own), or those of its descendants: how many, the first and the last in time; NULL: there is none.
 */
struct summary {
	size_t count;
	const struct snapshot_brief *first, *last;
};

static struct summary summarise(const struct run_session *session, bool own)
{
	struct summary summary = {0};
	for (size_t i = 0; i < session->files.count; i++) {
		const struct snapshot_brief *file = &session->files.at[i];
		if ((file->numbers[META_PID] == (unsigned long)session->pid) != own)
			continue;
		summary.count++;
		if (!summary.first || file->numbers[META_TIME_NS] < summary.first->numbers[META_TIME_NS])
			summary.first = file;
		if (!summary.last || file->numbers[META_TIME_NS] >= summary.last->numbers[META_TIME_NS])
			summary.last = file;
	}
	return summary;
}

/* Returns whether the file got pid and number, as host_output_apart() has it: "x.PID.NUMBER.mud". */
static bool is_apart(const struct snapshot_brief *file, const char *pattern)
{
	const char *dot = strrchr(pattern, '.'), *slash = strrchr(pattern, '/');
	const char *name = strrchr(file->path, '/'), *end = dot && dot > slash ? dot : "";
	char *numbers = must_format(".%lu.", (unsigned long)file->numbers[META_PID]);
	bool apart = false;
	for (const char *at = name ? name : file->path; !apart && (at = strstr(at, numbers)); at++) {
		const char *number = at + strlen(numbers);
		size_t digits = strspn(number, "0123456789");
		apart = digits && !strcmp(number + digits, end);
	}
	free(numbers);
	return apart;
}

/* Names that the pattern does not give. */
static void print_apart(const struct snapshot_briefs *files, const char *pattern)
{
	char *apart = host_output_apart(pattern);
	bool used = false;
	for (size_t i = 0; apart && i < files->count; i++)
		used |= is_apart(&files->at[i], pattern);
	if (used)
		notice("%s has no %%n: snapshots but the one at the end got pid and number, as %s", pattern, apart);
	free(apart);
}

void run_epilogue(const struct run_session *session, const char *pattern, const struct host_options *host,
		  const struct skips *skips)
{
	struct summary own = summarise(session, true), children = summarise(session, false);
	if (own.count == 1)
		notice("snapshot: %s", own.last->path);
	else if (own.count)
		notice("%zu snapshots, from %s to %s", own.count, own.first->path, own.last->path);
	if (children.count && own.count)
		notice("and %zu of its child processes, the last %s", children.count, children.last->path);
	else if (children.count)
		notice("%zu snapshots of child processes, the last %s", children.count, children.last->path);
	if (!session->files.count) {
		no_snapshot(pattern, host, session->signal ? session->status : 0);
		return;
	}
	print_apart(&session->files, pattern);
	print_misuses(&session->files, skips);
	print_largest(&session->files, skips);
}

void run_next(const struct snapshot_briefs *files, const char *options)
{
	size_t count;
	if (!files->count)
		return;
	struct image largest = find_largest(files, &count);
	print_next(largest.end - largest.first == 1 ? "show" : "diff", options, files->at[largest.first].path,
		   files->at[largest.end - 1].path);
}
