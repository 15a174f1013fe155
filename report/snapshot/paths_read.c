/*
 * Decodes why blocks are reachable, and what they retain; read.c describes the checks.
 */
#include "report/snapshot/cursor.h"

enum { PATH_BYTES_LEAST = 8, STEP_BYTES_LEAST = 4, RETAINED_BYTES_LEAST = 3, PLACE_BYTES_LEAST = 4 };

static const char site_range[] = "a site id is out of range";

static void decode_steps(struct snapshot *snapshot, struct cursor *cursor, uint32_t count, uint32_t *capacity)
{
	struct retained_data *data = &snapshot->retained;
	if (count > cursor_left(cursor) / STEP_BYTES_LEAST) {
		cursor_fail(cursor, "a path has more steps than there are");
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		must_grow(data->steps, data->step_count, *capacity);
		struct retained_step *step = &data->steps[data->step_count++];
		step->site = read_limited(cursor, UINT32_MAX, site_range);
		step->bytes = read_varint(cursor);
		step->offset = read_varint(cursor);
		step->times = read_varint(cursor);
	}
}

void decode_paths(struct snapshot *snapshot, struct cursor *cursor)
{
	struct retained_data *data = &snapshot->retained;
	uint32_t count = read_count(cursor, PATH_BYTES_LEAST), capacity = 0;
	data->paths = arena_allocate(&snapshot->arena, count, sizeof *data->paths);
	data->path_count = count;
	for (uint32_t i = 0; i < count && !cursor->failed; i++) {
		struct retained_path *path = &data->paths[i];
		path->site = read_limited(cursor, UINT32_MAX, site_range);
		path->root = read_limited(cursor, UINT8_MAX, "a kind of root is out of range");
		path->thread = read_limited(cursor, UINT32_MAX, "a thread is out of range");
		path->place = read_varint(cursor);
		path->bytes = read_varint(cursor);
		path->step_count = read_limited(cursor, UINT32_MAX, "a number of steps is out of range");
		path->left_out = read_varint(cursor);
		path->near_root = read_limited(cursor, path->step_count, "blocks are left out after a path's end");
		path->first_step = data->step_count;
		decode_steps(snapshot, cursor, path->step_count, &capacity);
	}
}

void decode_retained(struct snapshot *snapshot, struct cursor *cursor)
{
	struct retained_data *data = &snapshot->retained;
	uint32_t count = read_count(cursor, RETAINED_BYTES_LEAST);
	data->sums = arena_allocate(&snapshot->arena, count, sizeof *data->sums);
	data->sum_count = count;
	for (uint32_t i = 0; i < count; i++) {
		data->sums[i].site = read_limited(cursor, UINT32_MAX, site_range);
		data->sums[i].blocks = read_varint(cursor);
		data->sums[i].bytes = read_varint(cursor);
	}
}

/* Both sections go by the same order. */
void decode_places(struct snapshot *snapshot, struct cursor *cursor)
{
	struct retained_data *data = &snapshot->retained;
	uint32_t count = read_count(cursor, PLACE_BYTES_LEAST), number = 0;
	for (uint32_t i = 0; i < count && !cursor->failed; i++) {
		uint32_t site = read_limited(cursor, UINT32_MAX, site_range);
		while (number < data->path_count && data->paths[number].site != site)
			number++;
		if (number == data->path_count) {
			cursor_fail(cursor, "a place belongs to no path");
			return;
		}
		data->paths[number].frame = read_limited(cursor, UINT32_MAX, "a frame id is out of range");
		data->paths[number].module = read_limited(cursor, UINT32_MAX, "a module id is out of range");
		data->paths[number].module_offset = read_varint(cursor);
	}
}

uint32_t link_retained(const struct snapshot *snapshot, const char **why)
{
	const struct retained_data *data = &snapshot->retained;
	for (uint32_t i = 0; i < data->path_count; i++)
		if (!data->paths[i].site || data->paths[i].site > snapshot->site_count)
			return *why = "a path names a site that does not exist", SECTION_PATHS;
	for (uint32_t i = 0; i < data->path_count; i++)
		if (data->paths[i].frame > snapshot->frame_count)
			return *why = "it names a frame that does not exist", SECTION_PLACES;
	for (uint32_t i = 0; i < data->path_count; i++)
		if (data->paths[i].module > snapshot->module_count)
			return *why = "it names a module that does not exist", SECTION_PLACES;
	for (uint32_t i = 0; i < data->step_count; i++)
		if (data->steps[i].site > snapshot->site_count)
			return *why = "a step names a site that does not exist", SECTION_PATHS;
	for (uint32_t i = 0; i < data->sum_count; i++)
		if (!data->sums[i].site || data->sums[i].site > snapshot->site_count)
			return *why = "it names a site that does not exist", SECTION_RETAINED;
	return SECTION_END;
}
