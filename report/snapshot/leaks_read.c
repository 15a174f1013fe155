/*
 * Decodes the result of a leak search; read.c describes the checks.
 */
#include "report/snapshot/cursor.h"

enum { LEAK_BYTES_LEAST = 6, INDIRECT_BYTES_LEAST = 4, OBJECT_BYTES_LEAST = 4, SEARCHED_BYTES_LEAST = 6 };

static const char site_range[] = "a site id is out of range";

void decode_leaks(struct snapshot *snapshot, struct cursor *cursor)
{
	uint32_t count = read_count(cursor, LEAK_BYTES_LEAST);
	snapshot->leaks = arena_allocate(&snapshot->arena, count, sizeof *snapshot->leaks);
	snapshot->leak_count = count;
	for (uint32_t i = 0; i < count && !cursor->failed; i++) {
		struct snapshot_leak *leak = &snapshot->leaks[i];
		leak->site = read_limited(cursor, UINT32_MAX, site_range);
		leak->kind = read_limited(cursor, UINT8_MAX, "a kind of leak is out of range");
		leak->blocks = read_varint(cursor);
		leak->bytes = read_varint(cursor);
		leak->indirect_blocks = read_varint(cursor);
		leak->indirect_bytes = read_varint(cursor);
	}
}

void decode_indirect(struct snapshot *snapshot, struct cursor *cursor)
{
	uint32_t count = read_count(cursor, INDIRECT_BYTES_LEAST);
	snapshot->indirect = arena_allocate(&snapshot->arena, count, sizeof *snapshot->indirect);
	snapshot->indirect_count = count;
	for (uint32_t i = 0; i < count && !cursor->failed; i++) {
		struct snapshot_indirect *indirect = &snapshot->indirect[i];
		indirect->leader = read_limited(cursor, UINT32_MAX, site_range);
		indirect->site = read_limited(cursor, UINT32_MAX, site_range);
		indirect->blocks = read_varint(cursor);
		indirect->bytes = read_varint(cursor);
	}
}

void decode_objects(struct snapshot *snapshot, struct cursor *cursor)
{
	uint32_t count = read_count(cursor, OBJECT_BYTES_LEAST);
	snapshot->objects = arena_allocate(&snapshot->arena, count, sizeof *snapshot->objects);
	snapshot->object_count = count;
	for (uint32_t i = 0; i < count && !cursor->failed; i++) {
		struct snapshot_object *object = &snapshot->objects[i];
		object->kind = read_limited(cursor, UINT8_MAX, "a kind of leak is out of range");
		object->site = read_limited(cursor, UINT32_MAX, site_range);
		object->address = read_varint(cursor);
		object->bytes = read_varint(cursor);
	}
}

void decode_searched(struct snapshot *snapshot, struct cursor *cursor)
{
	uint32_t count = read_count(cursor, SEARCHED_BYTES_LEAST);
	snapshot->searched = arena_allocate(&snapshot->arena, count, sizeof *snapshot->searched);
	snapshot->searched_count = count;
	for (uint32_t i = 0; i < count && !cursor->failed; i++) {
		struct snapshot_searched_thread *thread = &snapshot->searched[i];
		thread->tid = read_varint(cursor);
		thread->state = read_varint(cursor);
		thread->sp = read_varint(cursor);
		thread->stack_end = read_varint(cursor);
		thread->storage = read_varint(cursor);
		thread->storage_end = read_varint(cursor);
	}
}

void decode_suppressions(struct snapshot *snapshot, struct cursor *cursor)
{
	snapshot->suppressions = read_text(cursor, &snapshot->arena);
}

uint32_t link_leaks(const struct snapshot *snapshot, const char **why)
{
	for (uint32_t i = 0; i < snapshot->leak_count; i++)
		if (!snapshot->leaks[i].site || snapshot->leaks[i].site > snapshot->site_count)
			return *why = "a leak names a site that does not exist", SECTION_LEAKS;
	for (uint32_t i = 0; i < snapshot->indirect_count; i++) {
		const struct snapshot_indirect *indirect = &snapshot->indirect[i];
		if (!indirect->leader || indirect->leader > snapshot->site_count || !indirect->site ||
		    indirect->site > snapshot->site_count)
			return *why = "it names a site that does not exist", SECTION_INDIRECT;
	}
	for (uint32_t i = 0; i < snapshot->object_count; i++)
		if (!snapshot->objects[i].site || snapshot->objects[i].site > snapshot->site_count)
			return *why = "an object names a site that does not exist", SECTION_OBJECTS;
	return SECTION_END;
}
