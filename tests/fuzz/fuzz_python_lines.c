/*
 * libFuzzer harness: a byte with the format, two bytes with the first line, and the rest is the line table.
 *
 * Property, besides not reading beyond the table: one walk over ascending places finds the line that is found when each
 * place is looked up by itself.
 *
 * The seeds (corpus-python_lines): tables of CPython 3.9, 3.10 and 3.12.
 */
#include "symbolize/python_lines.h"

#include <stdlib.h>
#include <string.h>

enum { HEAD_BYTES = 3, PLACES = 200 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	if (bytes < HEAD_BYTES)
		return 0;
	uint32_t first_line = (uint32_t)data[1] << 8 | data[2];
	size_t table_bytes = bytes - HEAD_BYTES;
	/* A copy of that size, so that a read beyond it is seen. */
	uint8_t *table = malloc(table_bytes ? table_bytes : 1);
	if (table == NULL)
		return 0;
	memcpy(table, data + HEAD_BYTES, table_bytes);
	struct python_lines walk, alone;
	python_lines_begin(&walk, data[0], table, table_bytes, first_line);
	for (uint32_t i = 0; i <= PLACES; i++) {
		uint32_t place = i < PLACES ? i : UINT32_MAX;
		python_lines_begin(&alone, data[0], table, table_bytes, first_line);
		if (python_lines_at(&walk, place) != python_lines_at(&alone, place))
			__builtin_trap();
	}
	free(table);
	return 0;
}
