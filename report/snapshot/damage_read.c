/*
 * Decoding how the program misused its heap; read.c has the walls.
 */
#include "report/snapshot/cursor.h"

enum { DAMAGE_BYTES_LEAST = 10 };

static int64_t read_offset(struct cursor *cursor)
{
	uint64_t offset = read_varint(cursor);
	if (offset > INT64_MAX)
		return (int64_t)cursor_fail(cursor, "an offset is out of range");
	return (int64_t)offset - DAMAGE_OFFSET_BASE;
}

void decode_damage(struct snapshot *snapshot, struct cursor *cursor)
{
	static const char site_range[] = "a site id is out of range";
	snapshot->damage_total = read_varint(cursor);
	uint32_t count = read_count(cursor, DAMAGE_BYTES_LEAST);
	snapshot->damages = arena_allocate(&snapshot->arena, count, sizeof *snapshot->damages);
	snapshot->damage_count = count;
	for (uint32_t i = 0; i < count && !cursor->failed; i++) {
		struct snapshot_damage *damage = &snapshot->damages[i];
		damage->misuse = read_limited(cursor, UINT8_MAX, "a kind of misuse is out of range");
		damage->found_by = read_limited(cursor, UINT8_MAX, "a way of finding a misuse is out of range");
		damage->address = read_varint(cursor);
		damage->bytes = read_varint(cursor);
		damage->bytes_known = damage->bytes != 0;
		damage->bytes -= damage->bytes_known;
		damage->given = read_varint(cursor);
		damage->first = read_offset(cursor);
		damage->end = read_offset(cursor);
		damage->allocated = read_limited(cursor, UINT32_MAX, site_range);
		damage->freed = read_limited(cursor, UINT32_MAX, site_range);
		damage->found = read_limited(cursor, UINT32_MAX, site_range);
	}
}

uint32_t link_damage(const struct snapshot *snapshot, const char **why)
{
	for (uint32_t i = 0; i < snapshot->damage_count; i++) {
		const struct snapshot_damage *damage = &snapshot->damages[i];
		if (damage->allocated > snapshot->site_count || damage->freed > snapshot->site_count ||
		    damage->found > snapshot->site_count)
			return *why = "it names a site that is not there", SECTION_DAMAGE;
	}
	return SECTION_END;
}
