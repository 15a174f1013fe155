/*
 * See heading.h.
 */
#include "report/snapshot/heading.h"

#include "report/snapshot/generated.h"
#include "report/snapshot/losses.h"
#include "report/snapshot/python_facts.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

enum { PARTS_SHOWN = 16 };

char *format_time(char *out, uint64_t time_ns)
{
	time_t seconds = (time_t)(time_ns / 1000000000u);
	struct tm parts;
	if (!gmtime_r(&seconds, &parts))
		memset(&parts, 0, sizeof parts);
	char day[40];
	strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(out, 64, "%s.%03uZ", day, (unsigned)(time_ns / 1000000u % 1000u));
	return out;
}

char *format_duration(char *out, uint64_t duration_ns)
{
	double seconds = (double)duration_ns / 1e9;
	if (seconds < 1)
		snprintf(out, 64, "%.0f ms", seconds * 1000);
	else if (seconds < 120)
		snprintf(out, 64, "%.1f s", seconds);
	else if (seconds < 7200)
		snprintf(out, 64, "%.0f min %.0f s", (double)(uint64_t)(seconds / 60),
			 seconds - 60 * (double)(uint64_t)(seconds / 60));
	else
		snprintf(out, 64, "%.0f h %.0f min", (double)(uint64_t)(seconds / 3600),
			 (seconds - 3600 * (double)(uint64_t)(seconds / 3600)) / 60);
	return out;
}

bool same_process(const struct snapshot *left, const struct snapshot *right)
{
	return left->numbers[META_PID] == right->numbers[META_PID] &&
	       left->numbers[META_START_TIME_NS] == right->numbers[META_START_TIME_NS] &&
	       !strcmp(left->texts[META_HOST].data, right->texts[META_HOST].data);
}

/* Sums the blocks of its parent that a forked process still holds. */
static void sum_inherited(const struct snapshot *snapshot, uint64_t *bytes, uint64_t *blocks)
{
	*bytes = *blocks = 0;
	for (uint32_t i = 0; i < snapshot->cohort_count; i++)
		if (snapshot->cohorts[i].epoch <= snapshot->numbers[META_INHERITED_EPOCH]) {
			*bytes += snapshot->cohorts[i].live_bytes;
			*blocks += snapshot->cohorts[i].live_blocks;
		}
}

/* A total, with how far it may be off when it is an estimate. */
static char *format_total(char out[64], const struct snapshot *snapshot, uint64_t value, const struct spread *spread,
			  bool unicode)
{
	format_count(out, value);
	if (snapshot->recorded_sites)
		append_margin(out, 64, interval_margin((double)value, interval_of(value, spread)), format_count,
			      unicode);
	return out;
}

/* Prints the memory that recording takes, by purpose; nothing for snapshots that lack these figures. */
static void print_own_parts(const struct snapshot *snapshot, FILE *stream)
{
	static const struct {
		enum snapshot_total key;
		const char *name;
	} parts[] = {
		{TOTAL_OWN_RECORD_BYTES, "records of blocks"},
		{TOTAL_OWN_SITE_BYTES, "sites"},
		{TOTAL_OWN_FRAME_BYTES, "frames"},
		{TOTAL_OWN_CACHE_BYTES, "threads' caches"},
		{TOTAL_OWN_PYTHON_BYTES, "Python code"},
		{TOTAL_OWN_RULE_BYTES, "unwinding"},
	};
	const char *before = "own        ";
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		char size[32];
		if (!snapshot->totals[parts[i].key])
			continue;
		fprintf(stream, "%s%s %s", before, format_size(size, snapshot->totals[parts[i].key]), parts[i].name);
		before = ", ";
	}
	if (before[0] == ',')
		fputc('\n', stream);
}

static void print_totals(const struct snapshot *snapshot, FILE *stream, bool unicode)
{
	const uint64_t *totals = snapshot->totals;
	const struct spreads *spreads = &snapshot->spreads;
	char bytes[64], blocks[64], when[64], rss[32], heap[32], own[32];
	bool merged = snapshot->part_count > 1;
	fprintf(stream, "live       %s bytes in %s blocks\n",
		format_total(bytes, snapshot, totals[TOTAL_LIVE_BYTES], &spreads->live_bytes, unicode),
		format_total(blocks, snapshot, totals[TOTAL_LIVE_BLOCKS], &spreads->live_blocks, unicode));
	if (snapshot->numbers[META_INHERITED_EPOCH]) {
		uint64_t inherited_bytes, inherited_blocks;
		sum_inherited(snapshot, &inherited_bytes, &inherited_blocks);
		fprintf(stream, "inherited  %s bytes in %s blocks of these, ", format_count(bytes, inherited_bytes),
			format_count(blocks, inherited_blocks));
		if (merged)
			fputs("copies of what a parent had at fork\n", stream);
		else
			fprintf(stream, "from process %" PRIu64 " at fork\n", snapshot->numbers[META_PARENT_PID]);
	}
	fprintf(stream, "peak       %s bytes",
		format_total(bytes, snapshot, totals[TOTAL_PEAK_BYTES], &spreads->peak_bytes, unicode));
	if (merged)
		fputs(", the sum of each process's own", stream);
	else if (totals[TOTAL_PEAK_ELAPSED_NS])
		fprintf(stream, ", %s after the start", format_duration(when, totals[TOTAL_PEAK_ELAPSED_NS]));
	fprintf(stream, "\nallocated  %s bytes in %s blocks",
		format_total(bytes, snapshot, totals[TOTAL_ALLOC_BYTES], &spreads->alloc_bytes, unicode),
		format_total(blocks, snapshot, totals[TOTAL_ALLOC_BLOCKS], &spreads->alloc_blocks, unicode));
	if (totals[TOTAL_ALLOC_BLOCKS])
		fprintf(stream, ", %.1f %% of them temporary",
			100.0 * (double)totals[TOTAL_TEMPORARY_BLOCKS] / (double)totals[TOTAL_ALLOC_BLOCKS]);
	fprintf(stream, "\nmemory     %s resident, %s heap, %s Mudlark's own; %" PRIu64 " thread%s\n",
		format_size(rss, totals[TOTAL_RSS_BYTES]), format_size(heap, totals[TOTAL_HEAP_BYTES]),
		format_size(own, totals[TOTAL_OWN_BYTES]), totals[TOTAL_THREADS],
		totals[TOTAL_THREADS] == 1 ? "" : "s");
	print_own_parts(snapshot, stream);
	if (snapshot->recorded_sites)
		fprintf(stream,
			"sampled    about every %s, %s blocks recorded: figures are estimates, in 95 %% of cases true "
			"within %s\n",
			format_size(bytes, snapshot->numbers[META_SAMPLE_BYTES]),
			format_count(blocks, spreads->alloc_blocks.samples), unicode ? "\xc2\xb1" : "+-");
}

void python_print(const struct snapshot *snapshot, FILE *stream)
{
	struct buffer line = {0};
	python_facts_text(&line, snapshot);
	if (line.length)
		fprintf(stream, "python     %s\n", buffer_string(&line));
	buffer_free(&line);
}

static void print_parts(const struct snapshot *snapshot, FILE *stream, const struct terminal *terminal)
{
	fprintf(stream, "%s%" PRIu32 " processes, a snapshot of each%s\n", style_on(terminal, STYLE_BOLD),
		snapshot->part_count, style_off(terminal, STYLE_BOLD));
	for (uint32_t i = 0; i < snapshot->part_count && i < PARTS_SHOWN; i++) {
		const struct snapshot *part = snapshot->parts[i];
		struct buffer line = {0};
		char when[64], bytes[32];
		text_clean(&line, part->texts[META_PROGRAM].data);
		buffer_format(&line, ", pid %" PRIu64 ", %s (%s), live %s bytes: ", part->numbers[META_PID],
			      format_time(when, part->numbers[META_TIME_NS]),
			      snapshot_trigger_name(part->numbers[META_TRIGGER]),
			      format_count(bytes, part->totals[TOTAL_LIVE_BYTES]));
		text_clean(&line, part->file_name);
		fprintf(stream, "process    %s\n", buffer_string(&line));
		buffer_free(&line);
	}
	if (snapshot->part_count > PARTS_SHOWN)
		fprintf(stream, "process    and %" PRIu32 " more (--by process)\n", snapshot->part_count - PARTS_SHOWN);
}

static void print_program(const struct snapshot *snapshot, FILE *stream, const struct terminal *terminal)
{
	char when[64], elapsed[64];
	struct buffer line = {0};
	text_clean(&line, snapshot->texts[META_PROGRAM].data);
	buffer_format(&line, ", pid %" PRIu64 ", %s, snapshot %" PRIu64 " (%s) after %s", snapshot->numbers[META_PID],
		      format_time(when, snapshot->numbers[META_TIME_NS]), snapshot->numbers[META_NUMBER],
		      snapshot_trigger_name(snapshot->numbers[META_TRIGGER]),
		      format_duration(elapsed, snapshot->numbers[META_ELAPSED_NS]));
	if (snapshot->texts[META_LABEL].length) {
		buffer_text(&line, ": ");
		text_clean(&line, snapshot->texts[META_LABEL].data);
	}
	fprintf(stream, "%s%s%s\n", style_on(terminal, STYLE_BOLD), buffer_string(&line),
		style_off(terminal, STYLE_BOLD));
	buffer_free(&line);
}

void heading_print(const struct snapshot *snapshot, FILE *stream, const struct terminal *terminal)
{
	if (snapshot->part_count > 1)
		print_parts(snapshot, stream, terminal);
	else
		print_program(snapshot, stream, terminal);
	print_totals(snapshot, stream, terminal->unicode);
	python_print(snapshot, stream);
	losses_print(snapshot, stream, terminal);
	generated_print(snapshot, stream);
	for (uint32_t i = 0; i < snapshot->note_count; i++) {
		struct buffer note = {0};
		text_clean(&note, snapshot->notes[i]);
		fprintf(stream, "note:  %s\n", buffer_string(&note));
		buffer_free(&note);
	}
}

void totals_json(const struct snapshot *snapshot, const char *key, struct json *json)
{
	static const struct {
		uint64_t key;
		const char *name;
	} names[] = {
		{TOTAL_LIVE_BYTES, "live_bytes"},
		{TOTAL_LIVE_BLOCKS, "live_blocks"},
		{TOTAL_ALLOC_BYTES, "alloc_bytes"},
		{TOTAL_ALLOC_BLOCKS, "alloc_blocks"},
		{TOTAL_FREED_BYTES, "freed_bytes"},
		{TOTAL_FREED_BLOCKS, "freed_blocks"},
		{TOTAL_PEAK_BYTES, "peak_bytes"},
		{TOTAL_PEAK_BLOCKS, "peak_blocks"},
		{TOTAL_PEAK_ELAPSED_NS, "peak_elapsed_ns"},
		{TOTAL_PEAK_COMPOSITION_BYTES, "peak_composition_bytes"},
		{TOTAL_UNWOUND_STACKS, "unwound_stacks"},
		{TOTAL_CHECKED_STACKS, "checked_stacks"},
		{TOTAL_SHORT_STACKS, "short_stacks"},
		{TOTAL_TEMPORARY_BLOCKS, "temporary_blocks"},
		{TOTAL_RSS_BYTES, "rss_bytes"},
		{TOTAL_HEAP_BYTES, "heap_bytes"},
		{TOTAL_OWN_BYTES, "own_bytes"},
		{TOTAL_OWN_RECORD_BYTES, "own_record_bytes"},
		{TOTAL_OWN_SITE_BYTES, "own_site_bytes"},
		{TOTAL_OWN_FRAME_BYTES, "own_frame_bytes"},
		{TOTAL_OWN_CACHE_BYTES, "own_cache_bytes"},
		{TOTAL_OWN_PYTHON_BYTES, "own_python_bytes"},
		{TOTAL_OWN_RULE_BYTES, "own_rule_bytes"},
		{TOTAL_THREADS, "threads"},
	};
	json_put_object(json, key, false);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		json_put_number(json, names[i].name, snapshot->totals[names[i].key]);
	json_end_object(json);
}

/* Arguments are separated by NULs in the file. */
static void command_line_json(const struct snapshot *snapshot, struct json *json)
{
	const struct text *text = &snapshot->texts[META_COMMAND_LINE];
	json_put_array(json, "command_line", true);
	for (size_t start = 0; start < text->length;) {
		size_t length = strnlen(text->data + start, text->length - start);
		json_put_bytes(json, NULL, text->data + start, length);
		start += length + 1;
	}
	json_end_array(json);
}

void heading_json(const struct snapshot *snapshot, struct json *json)
{
	char when[64];
	const uint64_t *numbers = snapshot->numbers;
	json_put_text(json, "program", snapshot->texts[META_PROGRAM].data);
	json_put_number(json, "pid", numbers[META_PID]);
	json_put_text(json, "time", format_time(when, numbers[META_TIME_NS]));
	json_put_text(json, "start_time", format_time(when, numbers[META_START_TIME_NS]));
	json_put_number(json, "elapsed_ns", numbers[META_ELAPSED_NS]);
	json_put_number(json, "number", numbers[META_NUMBER]);
	json_put_text(json, "trigger", snapshot_trigger_name(numbers[META_TRIGGER]));
	json_put_text(json, "label", snapshot->texts[META_LABEL].length ? snapshot->texts[META_LABEL].data : NULL);
	json_put_number(json, "epoch", numbers[META_EPOCH]);
	json_put_number(json, "parent_pid", numbers[META_PARENT_PID]);
	json_put_text(json, "host", snapshot->texts[META_HOST].data);
	json_put_text(json, "executable", snapshot->texts[META_EXECUTABLE].data);
	command_line_json(snapshot, json);
	json_put_number(json, "sample_bytes", numbers[META_SAMPLE_BYTES]);
	json_put_number(json, "held_ns", numbers[META_HELD_NS]);
	json_put_number(json, "write_ns", numbers[META_WRITE_NS]);
	json_put_boolean(json, "forked", numbers[META_FORKED] != 0);
	json_put_text(json, "version", snapshot->texts[META_VERSION].data);
	uint64_t inherited_bytes, inherited_blocks;
	sum_inherited(snapshot, &inherited_bytes, &inherited_blocks);
	json_put_number(json, "inherited_bytes", inherited_bytes);
	json_put_number(json, "inherited_blocks", inherited_blocks);
	totals_json(snapshot, "totals", json);
	losses_json(snapshot, json);
	python_facts_json(snapshot, json);
	generated_json(snapshot, json);
	json_put_array(json, "notes", false);
	for (uint32_t i = 0; i < snapshot->note_count; i++)
		json_put_text(json, NULL, snapshot->notes[i]);
	json_end_array(json);
}

void snapshots_json(const struct snapshot *snapshot, struct json *json)
{
	uint32_t count = snapshot->parts ? snapshot->part_count : 1;
	json_put_array(json, "snapshots", false);
	for (uint32_t i = 0; i < count; i++) {
		const struct snapshot *part = snapshot->parts ? snapshot->parts[i] : snapshot;
		char when[64];
		json_put_object(json, NULL, false);
		json_put_text(json, "snapshot", part->file_name);
		json_put_text(json, "program", part->texts[META_PROGRAM].data);
		json_put_number(json, "pid", part->numbers[META_PID]);
		json_put_number(json, "parent_pid", part->numbers[META_PARENT_PID]);
		json_put_text(json, "time", format_time(when, part->numbers[META_TIME_NS]));
		json_put_number(json, "number", part->numbers[META_NUMBER]);
		json_put_text(json, "trigger", snapshot_trigger_name(part->numbers[META_TRIGGER]));
		totals_json(part, "totals", json);
		json_end_object(json);
	}
	json_end_array(json);
}
