/*
 * Text that fits the terminal: widths, colours, human sizes, tables.
 *
 * A table's last column takes the remaining width and is shortened in the middle, where it tells the least: the
 * function at the front and the line number at the end both stay readable. Control characters in everything written
 * through here are replaced, so that a name from a snapshot cannot control the terminal.
 */
#ifndef MUDLARK_TABLE_H
#define MUDLARK_TABLE_H

#include "report/base/buffer.h"
#include "report/base/escape.h"
#include "report/base/memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* WIDEST is as good as no limit, and far from where sums of widths end. */
enum { LEAST_WIDTH = 40, WIDEST = 1 << 24, TABLE_MOST_COLUMNS = 8 };

enum color_choice { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };
enum style { STYLE_PLAIN, STYLE_BOLD, STYLE_DIM, STYLE_GROWN, STYLE_SHRUNK };

struct terminal {
	unsigned width;
	bool color;
	bool unicode; /* otherwise our own ornaments are ASCII; names are printed as they are */
};

/*
 * Width: the one that was asked for, else COLUMNS, else the terminal's; never under LEAST_WIDTH. A stream that is no
 * terminal has no width: what reads it needs the names whole. Colour by choice; auto: a terminal, no NO_COLOR, TERM not
 * dumb.
 */
struct terminal terminal_of(FILE *stream, enum color_choice choice, unsigned long width);

/* As tracemalloc prints them: "576 B", "56.2 KiB", "1234 KiB". out of at least 32 bytes; returned. */
char *format_size(char *out, uint64_t bytes);
/* The same of a mean. */
char *format_size_average(char *out, double bytes);
/* With its sign, always: "+1.5 MiB", "+0 B". */
char *format_size_change(char *out, int64_t bytes);
/* "1,234,567". out of at least 32 bytes; returned. */
char *format_count(char *out, uint64_t count);
char *format_count_change(char *out, int64_t count);

/* " +- 1.5 MiB" behind the text of a number that is an estimate, for format_size() or format_count(). */
void append_margin(char *out, size_t size, uint64_t margin, char *(*format)(char *, uint64_t), bool unicode);

/* Columns on the terminal. */
unsigned text_width(const char *text);
/* Appends text in at most width columns, cut in its middle; control characters become '?'. Returns the columns. */
unsigned text_fit(struct buffer *out, const char *text, unsigned width, bool unicode);

/*
 * Where a line of at most width columns ends in text: at a space, so that no word is cut. A word wider than that is a
 * line of its own. Returns the bytes of the line; the spaces after it belong to no line.
 */
size_t text_line(const char *text, unsigned width);

struct table_column {
	const char *title;
	bool right;     /* numbers */
	bool droppable; /* left out, from the right, when the terminal is too narrow */
};

struct table_cell {
	const char *text; /* the table's */
	enum style style;
};

struct table {
	const struct table_column *columns;
	unsigned column_count;    /* the last one is the flexible one */
	struct table_cell *cells; /* row after row */
	size_t cell_count, cell_capacity;
	struct arena texts;
};

void table_cell(struct table *table, enum style style, const char *text);
/* A row of empty cells but for the last one. */
void table_continue(struct table *table, enum style style, const char *text);
void table_print(struct table *table, FILE *stream, const struct terminal *terminal);
void table_free(struct table *table);

/* The sequences that turn the style on and off; "" without colour. */
const char *style_on(const struct terminal *terminal, enum style style);
const char *style_off(const struct terminal *terminal, enum style style);

#endif
