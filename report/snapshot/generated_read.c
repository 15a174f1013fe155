/*
 * Decodes SECTION_GENERATED: names of code that is in no module, and the files where they were looked for.
 */
#include "report/snapshot/cursor.h"

#include <stdlib.h>

enum { SOURCE_BYTES_LEAST = 6, ADDRESS_BYTES_LEAST = 3 };

static void decode_sources(struct snapshot *snapshot, struct cursor *cursor)
{
	struct generated_data *data = &snapshot->generated;
	uint32_t count = read_count(cursor, SOURCE_BYTES_LEAST);
	data->sources = arena_allocate(&snapshot->arena, count, sizeof *data->sources);
	data->source_count = count;
	for (uint32_t i = 0; i < count; i++) {
		struct generated_source *source = &data->sources[i];
		source->kind = read_varint(cursor);
		source->outcome = read_varint(cursor);
		source->bytes = read_varint(cursor);
		source->records = read_varint(cursor);
		source->malformed = read_varint(cursor);
		source->path = read_text(cursor, &snapshot->arena).data;
	}
}

void decode_generated(struct snapshot *snapshot, struct cursor *cursor)
{
	struct generated_data *data = &snapshot->generated;
	data->present = true;
	decode_sources(snapshot, cursor);
	uint32_t string_count = read_count(cursor, 1);
	const char **strings = must_allocate(string_count, sizeof *strings);
	for (uint32_t i = 0; i < string_count; i++)
		strings[i] = read_text(cursor, &snapshot->arena).data;
	uint32_t count = read_count(cursor, ADDRESS_BYTES_LEAST);
	data->names = arena_allocate(&snapshot->arena, (size_t)count + 1, sizeof *data->names);
	data->name_count = count;
	uint64_t address = 0;
	for (uint32_t id = 1; id <= count && !cursor->failed; id++) {
		uint64_t step = read_varint(cursor);
		uint32_t string = read_limited(cursor, string_count, "a string id is out of range");
		if (!step || step > UINT64_MAX - address)
			cursor_fail(cursor, "its addresses do not ascend");
		address += step;
		data->names[id] = (struct generated_name){
			.address = address, .name = string ? strings[string - 1] : NULL, .flags = read_varint(cursor)};
	}
	data->left_out = read_varint(cursor);
	data->unnamed = read_varint(cursor);
	free(strings);
}

static uint32_t find_name(const struct generated_data *data, uint64_t address)
{
	uint32_t low = 1, high = data->name_count;
	while (low <= high) {
		uint32_t middle = low + (high - low) / 2;
		if (data->names[middle].address == address)
			return middle;
		if (data->names[middle].address < address)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return 0;
}

void link_generated(struct snapshot *snapshot)
{
	if (!snapshot->generated.present)
		return;
	for (uint32_t id = 1; id <= snapshot->frame_count; id++) {
		struct snapshot_frame *frame = &snapshot->frames[id];
		if (!frame->module && !is_python_frame(frame))
			frame->generated = find_name(&snapshot->generated, frame->address);
	}
}
