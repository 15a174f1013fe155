/*
 * Decodes line number programs of DWARF 2 to 5. See line_table.h, and DWARF 5 section 6.2 for the terms.
 *
 * The input is untrusted. Each loop consumes input, so that the work is linear; the only growth without input would
 * be many units that name one table, which the caller's budget of rows bounds.
 */
#include "symbolize/line_table.h"

#include "symbolize/dwarf_names.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

/* A position in a section; once bad, it reads zeros. */
struct cursor {
	const uint8_t *at, *end;
	bool bad;
};

struct header {
	unsigned version;
	unsigned offset_bytes; /* 4, or 8 in 64-bit DWARF */
	uint8_t minimum_instruction_bytes;
	int8_t line_base;
	uint8_t line_range, opcode_base;
	uint8_t operand_counts[256]; /* of standard opcodes */
	const char **directories;
	size_t directory_count, directory_room;
};

struct reader {
	struct line_table *out;
	const struct line_sections *sections;
	const struct code_bounds *text;
	size_t *rows_left;
	struct header header;
	bool out_of_memory;
};

static uint64_t take(struct cursor *cursor, size_t bytes)
{
	if (cursor->bad || (size_t)(cursor->end - cursor->at) < bytes) {
		cursor->bad = true;
		return 0;
	}
	uint64_t value = 0;
	for (size_t i = 0; i < bytes && i < 8; i++)
		value |= (uint64_t)cursor->at[i] << (8 * i);
	cursor->at += bytes;
	return value;
}

static void skip(struct cursor *cursor, uint64_t bytes)
{
	if (cursor->bad || (uint64_t)(cursor->end - cursor->at) < bytes)
		cursor->bad = true;
	else
		cursor->at += bytes;
}

static uint64_t take_uleb(struct cursor *cursor)
{
	uint64_t value = 0;
	for (unsigned shift = 0; !cursor->bad; shift += 7) {
		if (cursor->at == cursor->end) {
			cursor->bad = true;
			break;
		}
		uint8_t byte = *cursor->at++;
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		if ((byte & 0x80) == 0)
			return value;
	}
	return 0;
}

static int64_t take_sleb(struct cursor *cursor)
{
	uint64_t value = 0;
	for (unsigned shift = 0; !cursor->bad; shift += 7) {
		if (cursor->at == cursor->end) {
			cursor->bad = true;
			break;
		}
		uint8_t byte = *cursor->at++;
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		if ((byte & 0x80) == 0) {
			if ((byte & 0x40) != 0 && shift + 7 < 64)
				value |= UINT64_MAX << (shift + 7);
			return (int64_t)value;
		}
	}
	return 0;
}

/* A NUL-terminated string within the section, NULL: it does not end. */
static const char *take_string(struct cursor *cursor)
{
	const uint8_t *end = cursor->bad ? NULL : memchr(cursor->at, '\0', (size_t)(cursor->end - cursor->at));
	if (end == NULL) {
		cursor->bad = true;
		return NULL;
	}
	const char *text = (const char *)cursor->at;
	cursor->at = end + 1;
	return text;
}

static const char *string_at(const struct line_section *section, uint64_t offset)
{
	if (section->bytes == NULL || offset >= section->count)
		return NULL;
	struct cursor cursor = {section->bytes + offset, section->bytes + section->count, false};
	return take_string(&cursor);
}

/* Makes room for one more element; returns the array or NULL when out of memory. */
static void *make_room(struct reader *reader, void *array, size_t count, size_t *room, size_t element_bytes)
{
	if (count < *room)
		return array;
	size_t bigger_room = *room == 0 ? 32 : *room * 2;
	void *bigger = realloc(array, bigger_room * element_bytes);
	if (bigger == NULL)
		reader->out_of_memory = true;
	else
		*room = bigger_room;
	return bigger;
}

static bool add_directory(struct reader *reader, const char *path)
{
	struct header *header = &reader->header;
	const char **bigger = make_room(reader, header->directories, header->directory_count, &header->directory_room,
					sizeof *bigger);
	if (bigger == NULL)
		return false;
	header->directories = bigger;
	header->directories[header->directory_count++] = path;
	return true;
}

static bool add_file(struct reader *reader, const char *name, uint64_t directory)
{
	struct line_table *out = reader->out;
	struct line_file *bigger = make_room(reader, out->files, out->file_count, &out->file_room, sizeof *bigger);
	if (bigger == NULL)
		return false;
	out->files = bigger;
	const char *text = directory < reader->header.directory_count ? reader->header.directories[directory] : NULL;
	out->files[out->file_count++] = (struct line_file){.name = name, .directory = text};
	return true;
}

/* DWARF 2 to 4: lists of strings. Directory 0 is the unit's, files count from 1. */
static bool read_old_tables(struct reader *reader, struct cursor *cursor)
{
	reader->out->first_file = 1;
	if (!add_directory(reader, NULL))
		return false;
	const char *text;
	while ((text = take_string(cursor)) != NULL && text[0] != '\0') {
		if (!add_directory(reader, text))
			return false;
	}
	while ((text = take_string(cursor)) != NULL && text[0] != '\0') {
		uint64_t directory = take_uleb(cursor);
		take_uleb(cursor);
		take_uleb(cursor);
		if (!add_file(reader, text, directory))
			return false;
	}
	return !cursor->bad;
}

struct entry {
	const char *path;
	uint64_t directory;
};

/* Reads a value of one form into the entry. Returns false for forms that a table cannot have. */
static bool read_form(struct reader *reader, struct cursor *cursor, uint64_t content, uint64_t form,
		      struct entry *entry)
{
	const char *text = NULL;
	uint64_t number = 0;
	switch (form) {
	case DW_FORM_string:
		text = take_string(cursor);
		break;
	case DW_FORM_line_strp:
		text = string_at(&reader->sections->line_str, take(cursor, reader->header.offset_bytes));
		break;
	case DW_FORM_strp:
		text = string_at(&reader->sections->str, take(cursor, reader->header.offset_bytes));
		break;
	case DW_FORM_udata:
		number = take_uleb(cursor);
		break;
	case DW_FORM_data1:
		number = take(cursor, 1);
		break;
	case DW_FORM_data2:
		number = take(cursor, 2);
		break;
	case DW_FORM_data4:
		number = take(cursor, 4);
		break;
	case DW_FORM_data8:
		number = take(cursor, 8);
		break;
	case DW_FORM_data16:
		skip(cursor, 16);
		break;
	case DW_FORM_block:
		skip(cursor, take_uleb(cursor));
		break;
	default:
		return false;
	}
	if (content == DW_LNCT_path)
		entry->path = text;
	else if (content == DW_LNCT_directory_index)
		entry->directory = number;
	return !cursor->bad;
}

/* DWARF 5: a description of the columns, then the rows; once for directories and once for files. */
static bool read_new_table(struct reader *reader, struct cursor *cursor, bool files)
{
	uint64_t contents[256], forms[256];
	size_t columns = take(cursor, 1);
	for (size_t i = 0; i < columns; i++) {
		contents[i] = take_uleb(cursor);
		forms[i] = take_uleb(cursor);
	}
	uint64_t count = take_uleb(cursor);
	/* Each column takes a byte at least. */
	if (cursor->bad || (count != 0 && columns == 0))
		return count == 0 && !cursor->bad;
	for (uint64_t i = 0; i < count; i++) {
		struct entry entry = {NULL, 0};
		for (size_t column = 0; column < columns; column++) {
			if (!read_form(reader, cursor, contents[column], forms[column], &entry))
				return false;
		}
		if (!(files ? add_file(reader, entry.path, entry.directory) : add_directory(reader, entry.path)))
			return false;
	}
	return true;
}

static bool read_header(struct reader *reader, struct cursor *cursor)
{
	struct header *header = &reader->header;
	uint64_t bytes = take(cursor, 4);
	header->offset_bytes = 4;
	if (bytes == 0xffffffff) {
		header->offset_bytes = 8;
		bytes = take(cursor, 8);
	}
	if (cursor->bad || bytes > (uint64_t)(cursor->end - cursor->at))
		return false;
	cursor->end = cursor->at + bytes;
	header->version = (unsigned)take(cursor, 2);
	if (header->version < 2 || header->version > 5)
		return false;
	if (header->version >= 5)
		take(cursor, 2); /* sizes of addresses and segments */
	uint64_t header_bytes = take(cursor, header->offset_bytes);
	if (cursor->bad || header_bytes > (uint64_t)(cursor->end - cursor->at))
		return false;
	struct cursor tables = {cursor->at, cursor->at + header_bytes, false};
	cursor->at += header_bytes;

	header->minimum_instruction_bytes = (uint8_t)take(&tables, 1);
	if (header->version >= 4)
		take(&tables, 1); /* operations in an instruction: more than 1 only on VLIW machines */
	take(&tables, 1);         /* default_is_stmt */
	header->line_base = (int8_t)take(&tables, 1);
	header->line_range = (uint8_t)take(&tables, 1);
	header->opcode_base = (uint8_t)take(&tables, 1);
	for (unsigned i = 1; i < header->opcode_base; i++)
		header->operand_counts[i] = (uint8_t)take(&tables, 1);
	if (tables.bad || header->line_range == 0 || header->opcode_base == 0)
		return false;
	if (header->version < 5)
		return read_old_tables(reader, &tables);
	reader->out->first_file = 0;
	return read_new_table(reader, &tables, false) && read_new_table(reader, &tables, true);
}

/* The state machine's registers that matter here, and the sequence that is being read. */
struct state {
	uint64_t address, file;
	uint32_t line;
	size_t first_row;
};

static void reset(struct state *state, const struct line_table *out)
{
	*state = (struct state){.file = 1, .line = 1, .first_row = out->row_count};
}

/* Returns false when the reading must stop. */
static bool put_row(struct reader *reader, const struct state *state)
{
	struct line_table *out = reader->out;
	if (*reader->rows_left == 0)
		return false;
	--*reader->rows_left;
	/* Addresses only rise in a sequence; of rows for one address the last counts. */
	struct line_row *previous = out->row_count > state->first_row ? &out->rows[out->row_count - 1] : NULL;
	if (previous != NULL && state->address < previous->address)
		return true;
	uint32_t file = state->file < UINT32_MAX ? (uint32_t)state->file : UINT32_MAX;
	struct line_row row = {state->address, file, state->line};
	if (previous != NULL && previous->address == row.address) {
		*previous = row;
		return true;
	}
	struct line_row *bigger = make_room(reader, out->rows, out->row_count, &out->row_room, sizeof *bigger);
	if (bigger == NULL)
		return false;
	out->rows = bigger;
	out->rows[out->row_count++] = row;
	return true;
}

static bool end_sequence(struct reader *reader, const struct state *state)
{
	struct line_table *out = reader->out;
	size_t count = out->row_count - state->first_row;
	if (count == 0)
		return true;
	uint64_t start = out->rows[state->first_row].address;
	if (start < reader->text->start || start >= reader->text->end || state->address <= start) {
		out->row_count = state->first_row;
		return true;
	}
	struct line_sequence *bigger =
		make_room(reader, out->sequences, out->sequence_count, &out->sequence_room, sizeof *bigger);
	if (bigger == NULL)
		return false;
	out->sequences = bigger;
	out->sequences[out->sequence_count] = (struct line_sequence){state->first_row, count};
	/* Where two overlap the smaller one is the better guess. */
	uint32_t level = (uint32_t)__builtin_clzll(state->address - start);
	return interval_map_add(&out->map, start, state->address, level, (uint32_t)out->sequence_count++);
}

static bool run_extended(struct reader *reader, struct cursor *cursor, struct state *state)
{
	uint64_t bytes = take_uleb(cursor);
	if (cursor->bad || bytes == 0 || bytes > (uint64_t)(cursor->end - cursor->at))
		return false;
	struct cursor operands = {cursor->at, cursor->at + bytes, false};
	cursor->at += bytes;
	switch (take(&operands, 1)) {
	case DW_LNE_end_sequence:
		if (!end_sequence(reader, state))
			return false;
		reset(state, reader->out);
		return true;
	case DW_LNE_set_address:
		state->address = take(&operands, bytes - 1 < 8 ? bytes - 1 : 8);
		return true;
	case DW_LNE_define_file: {
		const char *name = take_string(&operands);
		return add_file(reader, name, take_uleb(&operands));
	}
	default:
		return true;
	}
}

static bool run_standard(struct reader *reader, struct cursor *cursor, struct state *state, uint8_t opcode)
{
	const struct header *header = &reader->header;
	switch (opcode) {
	case DW_LNS_copy:
		return put_row(reader, state);
	case DW_LNS_advance_pc:
		state->address += take_uleb(cursor) * header->minimum_instruction_bytes;
		return true;
	case DW_LNS_advance_line:
		state->line += (uint32_t)take_sleb(cursor);
		return true;
	case DW_LNS_set_file:
		state->file = take_uleb(cursor);
		return true;
	case DW_LNS_const_add_pc:
		state->address += (uint64_t)((255 - header->opcode_base) / header->line_range) *
				  header->minimum_instruction_bytes;
		return true;
	case DW_LNS_fixed_advance_pc:
		state->address += take(cursor, 2);
		return true;
	default:
		for (unsigned i = 0; i < header->operand_counts[opcode]; i++)
			take_uleb(cursor);
		return true;
	}
}

static bool run_program(struct reader *reader, struct cursor *cursor)
{
	const struct header *header = &reader->header;
	struct state state;
	reset(&state, reader->out);
	bool whole = true;
	while (whole && cursor->at < cursor->end) {
		uint8_t opcode = (uint8_t)take(cursor, 1);
		if (opcode >= header->opcode_base) {
			unsigned adjusted = (unsigned)opcode - header->opcode_base;
			state.address += (uint64_t)(adjusted / header->line_range) * header->minimum_instruction_bytes;
			state.line += (uint32_t)(header->line_base + (int)(adjusted % header->line_range));
			whole = put_row(reader, &state);
		} else if (opcode == 0) {
			whole = run_extended(reader, cursor, &state);
		} else {
			whole = run_standard(reader, cursor, &state, opcode);
		}
		whole = whole && !cursor->bad;
	}
	return whole;
}

bool line_table_read(struct line_table *out, const struct line_sections *sections, uint64_t offset,
		     const struct code_bounds *text, size_t *rows_left)
{
	if (sections->line.bytes == NULL || offset >= sections->line.count)
		return false;
	struct cursor cursor = {sections->line.bytes + offset, sections->line.bytes + sections->line.count, false};
	struct reader reader = {.out = out, .sections = sections, .text = text, .rows_left = rows_left};
	bool whole = read_header(&reader, &cursor) && run_program(&reader, &cursor);
	free(reader.header.directories);
	return interval_map_build(&out->map) && whole;
}

const struct line_row *line_table_find(const struct line_table *table, uint64_t address)
{
	uint32_t number = interval_map_find(&table->map, address);
	if (number == INTERVAL_NONE)
		return NULL;
	const struct line_sequence *sequence = &table->sequences[number];
	const struct line_row *rows = table->rows + sequence->first;
	size_t low = 0, high = sequence->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (rows[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low == 0 ? NULL : &rows[low - 1];
}

const char *line_table_path(struct line_table *table, struct string_pool *pool, const char *directory, uint64_t file)
{
	if (file < table->first_file || file - table->first_file >= table->file_count)
		return NULL;
	struct line_file *entry = &table->files[file - table->first_file];
	if (entry->path != NULL || entry->name == NULL)
		return entry->path;
	const char *inner = entry->directory;
	if (entry->name[0] == '/' || inner == NULL || inner[0] == '\0')
		entry->path = dwarf_absolute_path(pool, directory, entry->name);
	else if (directory != NULL && strcmp(inner, directory) != 0)
		entry->path = dwarf_absolute_path(pool, dwarf_absolute_path(pool, directory, inner), entry->name);
	else
		entry->path = dwarf_absolute_path(pool, inner, entry->name);
	return entry->path;
}

void line_table_free(struct line_table *table)
{
	free(table->rows);
	free(table->sequences);
	free(table->files);
	interval_map_free(&table->map);
	memset(table, 0, sizeof *table);
}
