/*
 * Decodes the sections of a census of Python objects; read.c describes the checks.
 */
#include "report/snapshot/cursor.h"

enum {
	TYPE_BYTES_LEAST = 6,
	TYPE_SITE_BYTES_LEAST = 4,
	BIG_BYTES_LEAST = 3,
	PATH_BYTES_LEAST = 6,
	STEP_BYTES_LEAST = 4,
	HELD_BYTES_LEAST = 5,
	BIRTH_BYTES_LEAST = 2,
};

static const char type_range[] = "a type is out of range";

void decode_types(struct snapshot *snapshot, struct cursor *cursor)
{
	struct census_data *census = &snapshot->census;
	uint32_t count = read_count(cursor, TYPE_BYTES_LEAST);
	census->taken = true;
	census->types = arena_allocate(&snapshot->arena, (size_t)count + 1, sizeof *census->types);
	census->types[0].name = "";
	census->type_count = count;
	for (uint32_t id = 1; id <= count; id++) {
		struct snapshot_type *type = &census->types[id];
		type->name = read_text(cursor, &snapshot->arena).data;
		type->flags = read_varint(cursor);
		type->objects = read_varint(cursor);
		type->bytes = read_varint(cursor);
		type->tracked = read_varint(cursor);
		type->garbage = read_varint(cursor);
	}
	count = read_count(cursor, BIG_BYTES_LEAST);
	census->biggest = arena_allocate(&snapshot->arena, count, sizeof *census->biggest);
	census->big_count = count;
	for (uint32_t i = 0; i < count; i++) {
		census->biggest[i].type = read_limited(cursor, UINT32_MAX, type_range);
		census->biggest[i].bytes = read_varint(cursor);
		census->biggest[i].references = read_varint(cursor);
	}
}

void decode_type_sites(struct snapshot *snapshot, struct cursor *cursor)
{
	struct census_data *census = &snapshot->census;
	uint32_t count = read_count(cursor, TYPE_SITE_BYTES_LEAST);
	census->type_sites = arena_allocate(&snapshot->arena, count, sizeof *census->type_sites);
	census->type_site_count = count;
	for (uint32_t i = 0; i < count; i++) {
		struct snapshot_type_site *row = &census->type_sites[i];
		row->type = read_limited(cursor, UINT32_MAX, type_range);
		row->site = read_limited(cursor, UINT32_MAX, "a site is out of range");
		row->objects = read_varint(cursor);
		row->bytes = read_varint(cursor);
	}
}

void decode_gc(struct snapshot *snapshot, struct cursor *cursor)
{
	struct census_data *census = &snapshot->census;
	census->asked = true;
	census->why_not = "";
	while (cursor_left(cursor)) {
		uint64_t key = read_varint(cursor);
		if (SNAPSHOT_KEY_IS_TEXT(key)) {
			struct text text = read_text(cursor, &snapshot->arena);
			if (key == GC_WHY_NOT)
				census->why_not = text.data;
		} else {
			uint64_t value = read_varint(cursor);
			if (key < GC_KEYS)
				census->gc[key] = value;
		}
	}
}

/* Steps of one path behind those that are there. */
static void decode_steps(struct snapshot *snapshot, struct cursor *cursor, struct snapshot_path *path,
			 uint32_t *capacity)
{
	struct census_data *census = &snapshot->census;
	uint32_t count = read_count(cursor, STEP_BYTES_LEAST);
	path->first_step = census->step_count;
	path->step_count = count;
	for (uint32_t i = 0; i < count; i++) {
		must_grow(census->steps, census->step_count, *capacity);
		struct snapshot_step *step = &census->steps[census->step_count++];
		step->type = read_limited(cursor, UINT32_MAX, type_range);
		step->references = read_varint(cursor);
		step->edge = read_text(cursor, &snapshot->arena).data;
		step->label = read_text(cursor, &snapshot->arena).data;
	}
}

void decode_refs(struct snapshot *snapshot, struct cursor *cursor)
{
	struct census_data *census = &snapshot->census;
	uint32_t count = read_count(cursor, PATH_BYTES_LEAST), capacity = 0;
	census->has_refs = true;
	census->paths = arena_allocate(&snapshot->arena, count, sizeof *census->paths);
	census->path_count = count;
	for (uint32_t i = 0; i < count && !cursor->failed; i++) {
		struct snapshot_path *path = &census->paths[i];
		path->type = read_limited(cursor, UINT32_MAX, type_range);
		path->objects = read_varint(cursor);
		path->bytes = read_varint(cursor);
		path->hold = read_varint(cursor);
		path->lost = read_varint(cursor);
		decode_steps(snapshot, cursor, path, &capacity);
	}
}

static struct snapshot_births decode_births(struct snapshot *snapshot, struct cursor *cursor, uint32_t *capacity)
{
	struct census_data *census = &snapshot->census;
	struct snapshot_births births = {census->birth_count, read_count(cursor, BIRTH_BYTES_LEAST)};
	for (uint32_t i = 0; i < births.count; i++) {
		must_grow(census->births, census->birth_count, *capacity);
		struct snapshot_birth *birth = &census->births[census->birth_count++];
		birth->epoch = read_varint(cursor);
		birth->objects = read_varint(cursor);
	}
	return births;
}

void decode_shares(struct snapshot *snapshot, struct cursor *cursor)
{
	struct census_data *census = &snapshot->census;
	uint32_t capacity = 0;
	if (!census->has_refs) {
		cursor_fail(cursor, "there are no paths that it describes");
		return;
	}
	census->shares = true;
	census->share_ways = read_varint(cursor) & SHARES_BY_WAYS;
	uint32_t count = read_count(cursor, HELD_BYTES_LEAST);
	census->held = arena_allocate(&snapshot->arena, count, sizeof *census->held);
	census->held_count = count;
	for (uint32_t i = 0; i < count && !cursor->failed; i++) {
		struct snapshot_held *held = &census->held[i];
		held->type = read_limited(cursor, UINT32_MAX, type_range);
		held->objects = read_varint(cursor);
		held->bytes = read_varint(cursor);
		held->explained = read_varint(cursor);
		held->births = decode_births(snapshot, cursor, &capacity);
	}
	for (uint32_t i = 0; i < census->path_count && !cursor->failed; i++) {
		struct snapshot_path *path = &census->paths[i];
		path->share = read_varint(cursor);
		path->holder_steps = read_limited(cursor, path->step_count, "a holder is not a step of its path");
		path->left_out = read_varint(cursor);
		path->roots = read_varint(cursor);
		path->unseen = read_varint(cursor);
		if (path->unseen > path->roots)
			cursor_fail(cursor, "more objects are lost than there are");
		path->births = decode_births(snapshot, cursor, &capacity);
	}
}

uint32_t link_census(const struct snapshot *snapshot, const char **why)
{
	const struct census_data *census = &snapshot->census;
	for (uint32_t i = 0; i < census->big_count; i++)
		if (census->biggest[i].type > census->type_count)
			return *why = "a large object names a type that does not exist", SECTION_TYPES;
	for (uint32_t i = 0; i < census->type_site_count; i++) {
		if (!census->type_sites[i].type || census->type_sites[i].type > census->type_count)
			return *why = "it names a type that does not exist", SECTION_TYPE_SITES;
		if (census->type_sites[i].site > snapshot->site_count)
			return *why = "it names a site that does not exist", SECTION_TYPE_SITES;
	}
	for (uint32_t i = 0; i < census->path_count; i++)
		if (census->paths[i].type > census->type_count)
			return *why = "a path names a type that does not exist", SECTION_REFS;
	for (uint32_t i = 0; i < census->held_count; i++)
		if (!census->held[i].type || census->held[i].type > census->type_count)
			return *why = "it names a type that does not exist", SECTION_SHARES;
	for (uint32_t i = 0; i < census->step_count; i++)
		if (census->steps[i].type > census->type_count)
			return *why = "a step names a type that does not exist", SECTION_REFS;
	return SECTION_END;
}
