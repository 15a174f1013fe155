/*
 * See table.h.
 */
#include "report/text/table.h"

#include "report/base/memory.h"
#include "report/base/utf8.h"

#include <inttypes.h>
#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { COLUMN_GAP = 2, LEAST_FLEXIBLE = 10 };

/* --- the terminal ---------------------------------------------------------------------------------------------- */

struct terminal terminal_of(FILE *stream, enum color_choice choice, unsigned long width)
{
	enum { PLAIN_TERMINAL = 80 };
	struct terminal terminal = {.width = isatty(fileno(stream)) ? PLAIN_TERMINAL : WIDEST};
	int descriptor = fileno(stream);
	bool interactive = isatty(descriptor);
	struct winsize size;
	if (interactive && !ioctl(descriptor, TIOCGWINSZ, &size) && size.ws_col)
		terminal.width = size.ws_col;
	const char *columns = getenv("COLUMNS");
	char *end;
	unsigned long asked = columns ? strtoul(columns, &end, 10) : 0;
	if (columns && end != columns && !*end && asked && asked < WIDEST)
		terminal.width = (unsigned)asked;
	if (width)
		terminal.width = (unsigned)width;
	if (terminal.width < LEAST_WIDTH)
		terminal.width = LEAST_WIDTH;

	const char *no_color = getenv("NO_COLOR"), *type = getenv("TERM");
	terminal.color = choice == COLOR_ALWAYS || (choice == COLOR_AUTO && interactive && !(no_color && no_color[0]) &&
						    !(type && !strcmp(type, "dumb")));
	terminal.unicode = !strcmp(nl_langinfo(CODESET), "UTF-8");
	return terminal;
}

const char *style_on(const struct terminal *terminal, enum style style)
{
	/* Growth and shrinkage also have signs, so that nothing is shown by colour alone. */
	static const char *const codes[] = {
		[STYLE_PLAIN] = "",         [STYLE_BOLD] = "\x1b[1m",    [STYLE_DIM] = "\x1b[2m",
		[STYLE_GROWN] = "\x1b[31m", [STYLE_SHRUNK] = "\x1b[32m",
	};
	return terminal->color ? codes[style] : "";
}

const char *style_off(const struct terminal *terminal, enum style style)
{
	return terminal->color && style != STYLE_PLAIN ? "\x1b[0m" : "";
}

/* --- numbers --------------------------------------------------------------------------------------------------- */

static char *scale(char *out, double bytes, const char *sign)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	for (size_t unit = 0;; unit++) {
		bool last = unit == sizeof units / sizeof *units - 1;
		if (bytes < 100 && unit) {
			snprintf(out, 32, "%s%.1f %s", sign, bytes, units[unit]);
			return out;
		}
		if (bytes < 10 * 1024 || last) {
			snprintf(out, 32, "%s%.0f %s", sign, bytes, units[unit]);
			return out;
		}
		bytes /= 1024;
	}
}

/* |value|, also of INT64_MIN. */
static uint64_t magnitude(int64_t value)
{
	return value < 0 ? -(uint64_t)value : (uint64_t)value;
}

char *format_size(char *out, uint64_t bytes)
{
	return scale(out, (double)bytes, "");
}

char *format_size_average(char *out, double bytes)
{
	return scale(out, bytes, "");
}

char *format_size_change(char *out, int64_t bytes)
{
	return scale(out, (double)magnitude(bytes), bytes < 0 ? "-" : "+");
}

char *format_count(char *out, uint64_t count)
{
	char digits[24];
	int length = snprintf(digits, sizeof digits, "%" PRIu64, count);
	char *next = out;
	for (int i = 0; i < length; i++) {
		if (i && (length - i) % 3 == 0)
			*next++ = ',';
		*next++ = digits[i];
	}
	*next = '\0';
	return out;
}

void append_margin(char *out, size_t size, uint64_t margin, char *(*format)(char *, uint64_t), bool unicode)
{
	char text[32];
	size_t length = strlen(out);
	snprintf(out + length, size - length, " %s %s", unicode ? "\xc2\xb1" : "+-", format(text, margin));
}

char *format_count_change(char *out, int64_t count)
{
	out[0] = count < 0 ? '-' : '+';
	format_count(out + 1, magnitude(count));
	return out;
}

/* --- text ------------------------------------------------------------------------------------------------------ */

/* How many bytes at the front are printable ASCII: most names are nothing else, and each byte is a column. */
static size_t plain_bytes(const char *text, size_t length)
{
	size_t plain = 0;
	while (plain < length && text[plain] >= 0x20 && text[plain] < 0x7f)
		plain++;
	return plain;
}

static unsigned columns_of(const char *text, size_t length)
{
	size_t plain = plain_bytes(text, length);
	unsigned width = (unsigned)plain;
	text += plain;
	length -= plain;
	while (length) {
		uint32_t code;
		size_t size = utf8_decode(text, length, &code);
		width += utf8_width(code);
		text += size;
		length -= size;
	}
	return width;
}

unsigned text_width(const char *text)
{
	return columns_of(text, strlen(text));
}

unsigned text_fit(struct buffer *out, const char *text, unsigned width, bool unicode)
{
	unsigned whole = text_width(text);
	if (whole <= width) {
		text_clean(out, text);
		return whole;
	}
	const char *mark = unicode ? "\xe2\x80\xa6" : "~";
	if (width < 2) {
		if (width)
			buffer_text(out, mark);
		return width;
	}
	/* Two fifths of the front, the rest from the end. */
	unsigned head = (width - 1) * 2 / 5, tail = width - 1 - head, done = 0;
	struct buffer clean = {0};
	text_clean(&clean, text);
	text = buffer_string(&clean);
	size_t length = clean.length;
	uint32_t code;
	while (done < head) {
		size_t size = utf8_decode(text, length, &code);
		if (done + utf8_width(code) > head)
			break;
		done += utf8_width(code);
		buffer_append(out, text, size);
		text += size;
		length -= size;
	}
	unsigned rest = text_width(text);
	while (rest > tail) {
		size_t size = utf8_decode(text, length, &code);
		rest -= utf8_width(code);
		text += size;
		length -= size;
	}
	buffer_text(out, mark);
	text_clean(out, text);
	buffer_free(&clean);
	return done + 1 + rest;
}

size_t text_line(const char *text, unsigned width)
{
	size_t end = 0;
	unsigned used = 0;
	while (text[end]) {
		size_t word = strspn(text + end, " ");
		word += strcspn(text + end + word, " ");
		used += columns_of(text + end, word);
		if (end && used > width)
			break;
		end += word;
	}
	return end;
}

/* --- tables ---------------------------------------------------------------------------------------------------- */

void table_cell(struct table *table, enum style style, const char *text)
{
	must_grow(table->cells, table->cell_count, table->cell_capacity);
	table->cells[table->cell_count++] =
		(struct table_cell){text[0] ? arena_text(&table->texts, text, strlen(text)) : "", style};
}

void table_continue(struct table *table, enum style style, const char *text)
{
	for (unsigned i = 0; i + 1 < table->column_count; i++)
		table_cell(table, STYLE_PLAIN, "");
	table_cell(table, style, text);
}

static void pad(struct buffer *line, unsigned columns)
{
	for (unsigned i = 0; i < columns; i++)
		buffer_byte(line, ' ');
}

/* A width of 0 leaves the column out. */
static void print_row(const struct table *table, const struct table_cell *cells, const unsigned *widths, FILE *stream,
		      const struct terminal *terminal)
{
	struct buffer line = {0}, text = {0};
	for (unsigned i = 0; i < table->column_count; i++) {
		text.length = 0;
		if (!widths[i])
			continue;
		bool last = i + 1 == table->column_count;
		unsigned used = text_fit(&text, cells[i].text, widths[i], terminal->unicode);
		bool empty = !text.length;
		if (table->columns[i].right)
			pad(&line, widths[i] - used);
		if (!empty) {
			buffer_text(&line, style_on(terminal, cells[i].style));
			buffer_append(&line, text.data, text.length);
			buffer_text(&line, style_off(terminal, cells[i].style));
		}
		if (!table->columns[i].right && !last)
			pad(&line, widths[i] - used);
		if (!last)
			pad(&line, COLUMN_GAP);
	}
	buffer_free(&text);
	while (line.length && line.data[line.length - 1] == ' ')
		line.length--;
	buffer_byte(&line, '\n');
	fwrite(line.data, 1, line.length, stream);
	buffer_free(&line);
}

void table_print(struct table *table, FILE *stream, const struct terminal *terminal)
{
	unsigned widths[TABLE_MOST_COLUMNS] = {0}, used = 0;
	struct table_cell titles[TABLE_MOST_COLUMNS];
	for (unsigned i = 0; i < table->column_count; i++) {
		titles[i] = (struct table_cell){table->columns[i].title, STYLE_BOLD};
		widths[i] = text_width(table->columns[i].title);
		for (size_t cell = i; cell < table->cell_count; cell += table->column_count) {
			unsigned width = text_width(table->cells[cell].text);
			widths[i] = width > widths[i] ? width : widths[i];
		}
		if (i + 1 < table->column_count)
			used += widths[i] + COLUMN_GAP;
	}
	for (unsigned i = table->column_count - 1; i-- > 0 && used + LEAST_FLEXIBLE > terminal->width;)
		if (table->columns[i].droppable) {
			used -= widths[i] + COLUMN_GAP;
			widths[i] = 0;
		}
	unsigned room = terminal->width > used + LEAST_FLEXIBLE ? terminal->width - used : LEAST_FLEXIBLE;
	unsigned *flexible = &widths[table->column_count - 1];
	*flexible = *flexible > room ? room : *flexible;
	print_row(table, titles, widths, stream, terminal);
	for (size_t cell = 0; cell + table->column_count <= table->cell_count; cell += table->column_count)
		print_row(table, table->cells + cell, widths, stream, terminal);
}

void table_free(struct table *table)
{
	arena_free(&table->texts);
	free(table->cells);
	table->cells = NULL;
	table->cell_count = table->cell_capacity = 0;
}
