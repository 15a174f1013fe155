/*
 * Nested ranges flattened into sorted disjoint segments by one sweep with a stack. See interval_map.h.
 */
#include "symbolize/interval_map.h"

#include <stdlib.h>
#include <string.h>

bool interval_map_add(struct interval_map *map, uint64_t start, uint64_t end, uint32_t level, uint32_t owner)
{
	if (start >= end)
		return true;
	if (map->range_count == map->range_room) {
		size_t room = map->range_room == 0 ? 64 : map->range_room * 2;
		struct interval_range *bigger = realloc(map->ranges, room * sizeof *bigger);
		if (bigger == NULL)
			return false;
		map->ranges = bigger;
		map->range_room = room;
	}
	map->ranges[map->range_count++] = (struct interval_range){start, end, level, owner};
	return true;
}

/* At the same start an outer range comes before an inner one, and an earlier owner before a later one. */
static int compare_ranges(const void *left, const void *right)
{
	const struct interval_range *a = left, *b = right;
	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	if (a->level != b->level)
		return a->level < b->level ? -1 : 1;
	if (a->owner != b->owner)
		return a->owner < b->owner ? -1 : 1;
	return 0;
}

/* From start on the owner is this one. Segments below segment_count were put here. */
static void put_segment(struct interval_map *map, uint64_t start, uint32_t owner)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): see above */
	if (map->segment_count > 0 && map->segments[map->segment_count - 1].start == start)
		map->segment_count--;
	if (map->segment_count > 0 ? map->segments[map->segment_count - 1].owner == owner : owner == INTERVAL_NONE)
		return;
	map->segments[map->segment_count++] = (struct interval_segment){start, owner};
}

bool interval_map_build(struct interval_map *map)
{
	size_t count = map->range_count;
	if (count == 0)
		return true;
	qsort(map->ranges, count, sizeof *map->ranges, compare_ranges);
	map->segments = malloc((2 * count + 1) * sizeof *map->segments);
	/* open: the ranges that contain the current start, outermost first; its levels increase strictly, its ends
	 * never. */
	struct interval_range *open = malloc(count * sizeof *open);
	if (map->segments == NULL || open == NULL) {
		free(open);
		return false;
	}
	size_t depth = 0;
	for (size_t i = 0; i < count; i++) {
		struct interval_range next = map->ranges[i];
		while (depth > 0 && open[depth - 1].end <= next.start) {
			uint64_t end = open[--depth].end;
			put_segment(map, end, depth > 0 ? open[depth - 1].owner : INTERVAL_NONE);
		}
		while (depth > 0 && open[depth - 1].level >= next.level)
			depth--;
		if (depth > 0 && next.end > open[depth - 1].end)
			next.end = open[depth - 1].end;
		open[depth++] = next;
		put_segment(map, next.start, next.owner);
	}
	while (depth > 0) {
		uint64_t end = open[--depth].end;
		put_segment(map, end, depth > 0 ? open[depth - 1].owner : INTERVAL_NONE);
	}
	free(open);
	free(map->ranges);
	map->ranges = NULL;
	map->range_count = map->range_room = 0;
	/* realloc to nothing would free what the map still points to. */
	struct interval_segment *fitted =
		map->segment_count ? realloc(map->segments, map->segment_count * sizeof *fitted) : NULL;
	if (fitted != NULL)
		map->segments = fitted;
	return true;
}

uint32_t interval_map_find(const struct interval_map *map, uint64_t address)
{
	size_t low = 0, high = map->segment_count; /* segments before low start at or before address */
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (map->segments[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low == 0 ? INTERVAL_NONE : map->segments[low - 1].owner;
}

void interval_map_free(struct interval_map *map)
{
	free(map->ranges);
	free(map->segments);
	memset(map, 0, sizeof *map);
}
