/*
 * See python_lines.h. The tables come from a file that may be damaged: nothing after their end is read, sums of deltas
 * are kept in 64 bits, and an invalid line is returned as 0.
 */
#include "symbolize/python_lines.h"

#include <stdbool.h>

enum { CODE_UNIT_BYTES = 2, NO_LINE_DELTA = -128 };

/* Kinds of entries from 3.11 on; the smaller ones keep the line and have columns of one byte. */
enum location_kind {
	LOCATION_ONE_LINE_0 = 10,
	LOCATION_ONE_LINE_2 = 12,
	LOCATION_NO_COLUMNS = 13,
	LOCATION_LONG = 14,
	LOCATION_NONE = 15,
};

void python_lines_begin(struct python_lines *lines, unsigned format, const void *table, size_t table_bytes,
			uint32_t first_line)
{
	*lines = (struct python_lines){
		.next = table,
		.end = (const uint8_t *)table + table_bytes,
		.format = format <= LINES_LOCATIONS ? (enum snapshot_lines)format : LINES_NONE,
		.line = first_line,
		.first_line = first_line,
	};
}

static uint32_t as_line(int64_t line)
{
	return line > 0 && line <= UINT32_MAX ? (uint32_t)line : 0;
}

static bool has_pair(const struct python_lines *lines)
{
	return lines->end - lines->next >= 2;
}

/* Entries whose first byte is at or before the offset count: the last of them gave the line. */
static uint32_t lnotab_at(struct python_lines *lines, uint32_t offset)
{
	while (has_pair(lines) && lines->reached + lines->next[0] <= offset) {
		lines->reached += lines->next[0];
		lines->line += (int8_t)lines->next[1];
		lines->next += 2;
	}
	return as_line(lines->line);
}

static bool next_pair(struct python_lines *lines)
{
	if (!has_pair(lines))
		return false;
	int8_t delta = (int8_t)lines->next[1];
	lines->reached += lines->next[0];
	if (delta != NO_LINE_DELTA)
		lines->line += delta;
	lines->range_line = delta == NO_LINE_DELTA ? 0 : lines->line;
	lines->next += 2;
	return true;
}

/* Six bits a byte, the lowest first; bit 6: more follow. The lowest bit of the whole is the sign. */
static int64_t signed_varint(const uint8_t *next, const uint8_t *end)
{
	uint32_t value = 0;
	for (unsigned shift = 0; next < end && shift < 32; shift += 6) {
		value |= (uint32_t)(*next & 63) << shift;
		if (!(*next++ & 64))
			break;
	}
	return value & 1 ? -(int64_t)(value >> 1) : (int64_t)(value >> 1);
}

static bool next_location(struct python_lines *lines)
{
	if (lines->next == lines->end)
		return false;
	uint8_t first = *lines->next++;
	const uint8_t *operands = lines->next;
	/* An entry ends where the next one has its top bit set. */
	while (lines->next < lines->end && !(*lines->next & 0x80))
		lines->next++;
	unsigned kind = first >> 3 & 15;
	lines->reached += ((uint64_t)(first & 7) + 1) * CODE_UNIT_BYTES;
	if (kind == LOCATION_NO_COLUMNS || kind == LOCATION_LONG)
		lines->line += signed_varint(operands, lines->next);
	else if (kind >= LOCATION_ONE_LINE_0 && kind <= LOCATION_ONE_LINE_2)
		lines->line += kind - LOCATION_ONE_LINE_0;
	lines->range_line = kind == LOCATION_NONE ? 0 : lines->line;
	return true;
}

uint32_t python_lines_at(struct python_lines *lines, uint32_t place)
{
	if (!place)
		return lines->first_line;
	uint32_t offset = place - 1;
	if (lines->format == LINES_NONE)
		return 0;
	if (lines->format == LINES_LNOTAB)
		return lnotab_at(lines, offset);
	while (lines->reached <= offset)
		if (!(lines->format == LINES_LINETABLE ? next_pair(lines) : next_location(lines)))
			return 0;
	return as_line(lines->range_line);
}
