/*
 * Which of many nested or overlapping address ranges owns an address.
 *
 *   added:    [---------- 7 ----------)            level 0
 *                 [--- 3 ---)  [- 4 -)             level 1
 *                    [ 9 )                         level 2
 *   built:    7   3  9  3  7   4     7  none       one binary search
 *
 * Invariants after interval_map_build(): segments are sorted by start and disjoint; neighbours have different owners;
 * the last has owner INTERVAL_NONE; segment_count <= 2 * ranges + 1.
 * Ranges that do not nest are untrusted input: a later start of the same level takes over, a child is cut at
 * the end of its parent.
 */
#ifndef MUDLARK_SYMBOLIZE_INTERVAL_MAP_H
#define MUDLARK_SYMBOLIZE_INTERVAL_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INTERVAL_NONE UINT32_MAX

struct interval_range {
	uint64_t start, end; /* [start, end) */
	uint32_t level;      /* a range is cut at the end of the range of a smaller level that it starts in */
	uint32_t owner;      /* the caller's number, not INTERVAL_NONE */
};

struct interval_segment {
	uint64_t start; /* up to the next segment's start */
	uint32_t owner;
};

struct interval_map {
	struct interval_range *ranges; /* until built */
	size_t range_count, range_room;
	struct interval_segment *segments;
	size_t segment_count;
};

/* Returns false when out of memory. Empty and reversed ranges are ignored. */
bool interval_map_add(struct interval_map *map, uint64_t start, uint64_t end, uint32_t level, uint32_t owner);

/* Turns the added ranges into segments and frees the ranges. Returns false when out of memory. */
bool interval_map_build(struct interval_map *map);

uint32_t interval_map_find(const struct interval_map *map, uint64_t address);
void interval_map_free(struct interval_map *map);

#endif
