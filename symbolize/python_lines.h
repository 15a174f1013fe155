/*
 * The source line of an instruction of a CPython code object, from the table that the object carries.
 *
 * CPython has had three formats; a table is a run of entries in the order of the instructions:
 *
 *   3.8, 3.9   co_lnotab     pairs (bytes forward, lines forward as a signed byte): the line changes after the bytes
 *   3.10       co_linetable  pairs (bytes of the range, lines forward, -128: the range has no line): the line of the range
 *   3.11 on    co_linetable  entries of one byte with its top bit set (kind, length of the range in code units) and then
 *                            bytes without: how far the line moves, and columns
 *
 * In each of them, lines go backwards as well as forwards, and a NUL is a byte like any other.
 *
 * A reader goes through a table once, however many instructions are looked up, if their offsets ascend. The body of a
 * module with thousands of lines has a table with as many entries.
 */
#ifndef MUDLARK_PYTHON_LINES_H
#define MUDLARK_PYTHON_LINES_H

#include "preload/interface/snapshot_format.h"

#include <stddef.h>
#include <stdint.h>

struct python_lines {
	const uint8_t *next, *end; /* what is left of the table, which is the caller's */
	enum snapshot_lines format;
	uint64_t reached;   /* offset up to which the table was read: exclusive but for lnotab */
	int64_t line;       /* that the entries read so far add up to */
	int64_t range_line; /* of the last range read; 0: it has none */
	uint32_t first_line;
};

/* format may also be a number of a later version: of such a table nothing but the first line is known. */
void python_lines_begin(struct python_lines *lines, unsigned format, const void *table, size_t table_bytes,
			uint32_t first_line);

/*
 * The line of the instruction at so many bytes from the first one, plus 1; 0 asks for what is before the first
 * instruction, which has the line of the definition. Returns 0 when the instruction has no line or it is not known.
 * From one call to the next the place must not go back.
 */
uint32_t python_lines_at(struct python_lines *lines, uint32_t place);

#endif
