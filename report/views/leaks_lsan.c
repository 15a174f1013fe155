/*
 * See leaks_lsan.h.
 *
 * A leak is a stack and a kind, direct before indirect. Its objects are found by their sites: the grouping maps a site
 * to its row. After ranking, the row is found by the innermost frame that represents it.
 */
#include "report/views/leaks_lsan.h"

#include "report/analysis/leak_kinds.h"
#include "report/views/present.h"
#include "report/views/rows.h"

#include <inttypes.h>
#include <stdlib.h>

struct writer {
	struct reading *reading;
	const struct lsan_options *options;
	struct aggregate_options group;
	FILE *stream;
	size_t left, omitted; /* leaks that may be printed yet, and that may not */
};

struct leaked_object {
	uint32_t frame;
	const struct snapshot_object *object;
};

static void print_frame(FILE *stream, unsigned number, const struct location *location)
{
	struct buffer line = {0};
	buffer_format(&line, "    #%u 0x%012" PRIx64, number, location->address);
	if (location->function)
		buffer_format(&line, " in %s", location->function);
	if (location->file && location->line)
		buffer_format(&line, " %s:%" PRIu32, location->file, location->line);
	else
		buffer_format(&line, " (%s+0x%" PRIx64 ")",
			      location->module_path[0] ? location->module_path : "<unknown module>", location->address);
	struct buffer clean = {0};
	text_clean(&clean, buffer_string(&line));
	fprintf(stream, "%s\n", buffer_string(&clean));
	buffer_free(&line);
	buffer_free(&clean);
}

static int by_frame(const void *a, const void *b)
{
	const struct leaked_object *one = a, *other = b;
	if (one->frame != other->frame)
		return one->frame < other->frame ? -1 : 1;
	return one->object->address < other->object->address ? -1 : one->object->address > other->object->address;
}

/* The objects of a kind, by the frames of their rows. Rows must not have been ranked yet. */
static size_t find_objects(const struct writer *writer, const struct aggregate *aggregate, int kind,
			   struct leaked_object **found)
{
	const struct snapshot *snapshot = writer->reading->snapshots[0];
	size_t count = 0;
	*found = must_allocate(snapshot->object_count + 1, sizeof **found);
	for (uint32_t i = 0; i < snapshot->object_count; i++) {
		const struct snapshot_object *object = &snapshot->objects[i];
		uint32_t row = object->kind == (uint32_t)kind ? aggregate->row_of_site[0][object->site] : 0;
		if (row)
			(*found)[count++] = (struct leaked_object){aggregate->rows[row - 1].frame, object};
	}
	qsort(*found, count, sizeof **found, by_frame);
	return count;
}

static void print_objects(const struct writer *writer, const struct row *row, const struct leaked_object *object,
			  size_t count)
{
	size_t low = 0, high = count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (object[middle].frame < row->frame)
			low = middle + 1;
		else
			high = middle;
	}
	fputs("Objects leaked above:\n", writer->stream);
	for (; low < count && object[low].frame == row->frame; low++)
		fprintf(writer->stream, "0x%" PRIx64 " (%" PRIu64 " bytes)\n", object[low].object->address,
			object[low].object->bytes);
	fputc('\n', writer->stream);
}

static void print_leak(const struct writer *writer, const struct row *row, int kind)
{
	struct stack_walk walk = {0};
	const struct location *location;
	unsigned number = 0;
	fprintf(writer->stream, "%s leak of %" PRIu64 " byte(s) in %" PRIu64 " object(s) allocated from:\n",
		kind == LEAK_DEFINITE ? "Direct" : "Indirect", row->figures[0].live_bytes, row->figures[0].live_blocks);
	while ((location = stack_next(&walk, writer->reading->names, row, &writer->group)))
		print_frame(writer->stream, number++, location);
	fputc('\n', writer->stream);
}

static void print_kind(struct writer *writer, int kind)
{
	struct aggregate aggregate;
	struct leaked_object *objects = NULL;
	size_t count = 0;
	leak_show_kind(writer->reading->snapshots[0], kind);
	aggregate_build(&aggregate, writer->reading->names, &writer->group);
	if (writer->options->report_objects)
		count = find_objects(writer, &aggregate, kind, &objects);
	size_t printed = aggregate.row_count < writer->left ? aggregate.row_count : writer->left;
	rank_rows(&aggregate, 0, METRIC_LIVE_BYTES, printed);
	aggregate_name_stacks(&aggregate, writer->reading->names, &writer->group, printed);
	for (size_t i = 0; i < printed; i++) {
		print_leak(writer, &aggregate.rows[i], kind);
		if (writer->options->report_objects)
			print_objects(writer, &aggregate.rows[i], objects, count);
	}
	writer->left -= printed;
	writer->omitted += aggregate.row_count - printed;
	free(objects);
	aggregate_free(&aggregate);
}

static void print_threads(const struct writer *writer)
{
	const struct snapshot *snapshot = writer->reading->snapshots[0];
	uint64_t pid = snapshot->numbers[META_PID];
	for (uint32_t i = 0; i < snapshot->searched_count; i++) {
		const struct snapshot_searched_thread *thread = &snapshot->searched[i];
		fprintf(writer->stream, "==%" PRIu64 "==Processing thread %" PRIu64 ".\n", pid, thread->tid);
		if (thread->state == SEARCHED_RUNS)
			fprintf(writer->stream, "==%" PRIu64 "==Running thread %" PRIu64 " was not suspended.\n", pid,
				thread->tid);
		else if (thread->state == SEARCHED_IN_KERNEL)
			fprintf(writer->stream, "==%" PRIu64 "==Unable to get registers from thread %" PRIu64 ".\n",
				pid, thread->tid);
		if (thread->stack_end)
			fprintf(writer->stream,
				"==%" PRIu64 "==Stack at 0x%" PRIx64 "-0x%" PRIx64 " (SP = 0x%" PRIx64 ").\n", pid,
				thread->sp, thread->stack_end, thread->sp);
		if (thread->storage)
			fprintf(writer->stream, "==%" PRIu64 "==TLS at 0x%" PRIx64 "-0x%" PRIx64 ".\n", pid,
				thread->storage, thread->storage_end);
	}
}

void leaks_lsan(struct reading *reading, const struct suppressions *suppressions, const struct lsan_options *options,
		unsigned kinds, unsigned long top, FILE *stream)
{
	static const int printed[] = {LEAK_DEFINITE, LEAK_INDIRECT};
	struct leak_sums sums = leak_sums_of(reading->snapshots[0]);
	uint64_t blocks = sums.blocks[LEAK_DEFINITE] + sums.blocks[LEAK_INDIRECT];
	unsigned long most = top ? top : options->max_leaks;
	struct writer writer = {.reading = reading,
				.options = options,
				.group = reading->group,
				.stream = stream,
				.left = most ? most : SIZE_MAX};
	writer.group.by = BY_STACK;
	writer.group.keep_sites = options->report_objects;
	if (options->log_threads)
		print_threads(&writer);
	if (blocks)
		fprintf(stream,
			"\n=================================================================\n"
			"==%" PRIu64 "==ERROR: LeakSanitizer: detected memory leaks\n\n",
			reading->snapshots[0]->numbers[META_PID]);
	if (blocks && most)
		fprintf(stream, "The %lu top leak(s):\n", most);
	for (size_t i = 0; blocks && i < sizeof printed / sizeof *printed; i++)
		if (kinds >> printed[i] & 1)
			print_kind(&writer, printed[i]);
	if (writer.omitted)
		fprintf(stream, "Omitting %zu more leak(s).\n\n", writer.omitted);
	if (!options->hides_suppressed)
		suppressions_print_used(suppressions, stream);
	if (blocks)
		fprintf(stream, "SUMMARY: LeakSanitizer: %" PRIu64 " byte(s) leaked in %" PRIu64 " allocation(s).\n",
			sums.bytes[LEAK_DEFINITE] + sums.bytes[LEAK_INDIRECT], blocks);
}
