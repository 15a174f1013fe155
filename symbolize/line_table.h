/*
 * The line table of one compilation unit: from an address to a file and a line.
 *
 *   sequences   runs of rows with rising addresses, one for each piece of code that the linker moved as a whole
 *   rows        (address, file, line); a row holds up to the next one, the last up to the end of its sequence
 *   files       (directory, name) as in the table's header
 *
 * Why not dwarf_getsrclines(): it sorts the rows of all sequences together, so that code which the linker dropped,
 * and which then seems to begin at address 0, gives its lines to real code; and it takes 100 bytes a row, ours 16.
 * Only little-endian files are read.
 */
#ifndef MUDLARK_SYMBOLIZE_LINE_TABLE_H
#define MUDLARK_SYMBOLIZE_LINE_TABLE_H

#include "symbolize/dwarf_scopes.h"
#include "symbolize/interval_map.h"
#include "symbolize/string_pool.h"

struct line_section {
	const uint8_t *bytes; /* NULL: none */
	size_t count;
};

struct line_sections {
	struct line_section line, line_str, str;
};

struct line_row {
	uint64_t address;
	uint32_t file, line;
};

struct line_sequence {
	size_t first, count; /* rows */
};

struct line_file {
	const char *name, *directory; /* within the sections; directory NULL: the unit's */
	const char *path;             /* the pool's, NULL: not yet asked for */
};

struct line_table {
	struct line_row *rows; /* sequence after sequence */
	size_t row_count, row_room;
	struct line_sequence *sequences;
	size_t sequence_count, sequence_room;
	struct line_file *files; /* in the order of their numbers, the first of which is first_file */
	size_t file_count, file_room;
	uint32_t first_file;
	struct interval_map map; /* owner: number of a sequence */
};

/*
 * Reads the table at the offset of .debug_line. Sequences that start outside of text are left out; at most *rows_left
 * rows are read, which goes down by as many. Returns false when out of memory, over budget or damaged: what was
 * read until then is usable. The sections must outlive the table.
 */
bool line_table_read(struct line_table *out, const struct line_sections *sections, uint64_t offset,
		     const struct code_bounds *text, size_t *rows_left);

/* The row that holds the address, or NULL. */
const struct line_row *line_table_find(const struct line_table *table, uint64_t address);

/* A file's path, made absolute with the unit's directory (NULL: not known); NULL when there is no such file. */
const char *line_table_path(struct line_table *table, struct string_pool *pool, const char *directory, uint64_t file);
void line_table_free(struct line_table *table);

#endif
