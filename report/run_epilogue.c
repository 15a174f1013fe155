/* See run_epilogue.h. */
#include "report/run_epilogue.h"

#include "report/heading.h"
#include "report/reading.h"
#include "report/rows.h"
#include "report/typed_path.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

void print_sites(const struct names *names, const struct aggregate *aggregate)
{
	char bytes[32], blocks[32];
	for (size_t i = 0; i < aggregate->row_count && i < SITES_SHOWN; i++) {
		const struct row *row = &aggregate->rows[i];
		struct buffer text = {0};
		if (!row->figures[0].live_blocks)
			break;
		/* As by stack, the function first and then where; but a row of functions without names is one of lines.
		 */
		bool named = row->location && names->locations[row->location - 1].function;
		row_text(&text, names, row, named ? BY_STACK : BY_LINE);
		notice("  %s bytes in %s block%s: %s", format_count(bytes, row->figures[0].live_bytes),
		       format_count(blocks, row->figures[0].live_blocks), row->figures[0].live_blocks == 1 ? "" : "s",
		       buffer_string(&text));
		buffer_free(&text);
	}
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
	notice("live in the last one: %s%s bytes in %s block%s%s", snapshot->recorded_sites ? "about " : "",
	       format_count(bytes, snapshot->totals[TOTAL_LIVE_BYTES]),
	       format_count(blocks, snapshot->totals[TOTAL_LIVE_BLOCKS]),
	       snapshot->totals[TOTAL_LIVE_BLOCKS] == 1 ? "" : "s",
	       aggregate.row_count && aggregate.rows[0].figures[0].live_blocks ? "; the largest sites:" : "");
	print_sites(reading.names, &aggregate);
	aggregate_free(&aggregate);
	reading_free(&reading);
}

static void no_snapshot(const char *pattern, const struct host_options *host, int status)
{
	const char *at_exit = host_options_get(host, "at_exit");
	notice("no snapshot was written at %s", pattern);
	if (at_exit && !strcmp(at_exit, "0"))
		notice("at_exit is 0: snapshots come only by --every, a signal or mudlark snap");
	else if (status > 128)
		notice("signal %d (%s) ended it: with --fatal a snapshot is written then, with --every before",
		       status - 128, sigabbrev_np(status - 128) ? sigabbrev_np(status - 128) : "?");
	else
		notice("'mudlark doctor -- COMMAND' tells why; a program that a signal kills writes none without "
		       "--fatal or --every");
}

static void print_next(const char *command, const char *first, const char *last)
{
	char *first_typed = typed_path(first), *last_typed = typed_path(last);
	if (first == last)
		notice("next: mudlark %s %s", command, last_typed);
	else
		notice("next: mudlark %s %s %s", command, first_typed, last_typed);
	free(first_typed);
	free(last_typed);
}

void run_epilogue(const struct run_files *own, const struct run_files *children, const char *pattern,
		  const struct host_options *host, int status)
{
	const char *child = children->count ? children->files[children->count - 1].path : NULL;
	if (own->count) {
		const char *first = own->files[0].path, *last = own->files[own->count - 1].path;
		if (own->count == 1)
			notice("snapshot: %s", last);
		else
			notice("%zu snapshots, from %s to %s", own->count, first, last);
		if (child)
			notice("and %zu of its child processes, the last %s", children->count, child);
		print_largest(last);
	} else if (child) {
		notice("%zu snapshots of child processes, the last %s", children->count, child);
	} else {
		no_snapshot(pattern, host, status);
	}
}

void run_next(const struct run_files *own, const struct run_files *children)
{
	if (own->count)
		print_next(own->count == 1 ? "show" : "diff", own->files[0].path, own->files[own->count - 1].path);
	else if (children->count)
		print_next("show", children->files[children->count - 1].path,
			   children->files[children->count - 1].path);
}
