/*
 * The units of a module, and the names for an address in one of them. See dwarf_index.h; dwarf_scopes.c walks a unit's
 * DIEs.
 */
#include "symbolize/dwarf_index.h"

#include "symbolize/dwarf_names.h"
#include "symbolize/dwarf_scopes.h"
#include "symbolize/interval_map.h"
#include "symbolize/line_table.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

enum { UNIT_RANGES_MAX = 1 << 20, RANGES_FLOOR = 1 << 20, ROWS_FLOOR = 1 << 20 };

struct dwarf_unit {
	Dwarf_Die die;    /* the unit's DIE in the module's file */
	Dwarf_Die source; /* the DIE whose children are walked: die, or the split unit's in a .dwo */
	bool skeleton;
	bool expanded;
	bool rangeless;        /* its DIE gives no ranges: it is not in the unit map */
	const char *directory; /* DW_AT_comp_dir, NULL: none */
	struct dwarf_scopes scopes;
	struct line_table lines; /* of die, also for a split unit */
};

struct dwarf_index {
	Dwarf *dwarf;
	struct string_pool *pool;
	char *file_directory;     /* NULL: not known */
	struct dwarf_unit *units; /* in the file's order */
	size_t unit_count, unit_room;
	struct interval_map unit_map; /* owner: number of a unit */
	bool rangeless_expanded;
	struct code_bounds text;
	size_t ranges_left; /* budget for all scope maps together */
	size_t rows_left;   /* the same for all line tables */
	struct line_sections sections;
	const char *missing_dwo;
	bool damaged;
};

static void find_text(struct dwarf_index *index, Elf *elf)
{
	index->text = (struct code_bounds){UINT64_MAX, 0};
	size_t count;
	if (elf_getphdrnum(elf, &count) != 0)
		count = 0;
	for (size_t i = 0; i < count && i < INT32_MAX; i++) {
		GElf_Phdr segment;
		if (gelf_getphdr(elf, (int)i, &segment) == NULL)
			break;
		if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0 || segment.p_memsz == 0)
			continue;
		if (segment.p_vaddr < index->text.start)
			index->text.start = segment.p_vaddr;
		if (segment.p_vaddr + segment.p_memsz > index->text.end)
			index->text.end = segment.p_vaddr + segment.p_memsz;
	}
	if (index->text.start >= index->text.end)
		index->text = (struct code_bounds){0, UINT64_MAX};
}

/* A smaller unit wins where two overlap: hand-written code inside a unit with one wide range. */
static uint32_t level_of_bytes(uint64_t bytes)
{
	return (uint32_t)__builtin_clzll(bytes | 1);
}

static bool add_unit_ranges(struct dwarf_index *index, struct dwarf_unit *unit, uint32_t number)
{
	Dwarf_Addr base, start, end;
	ptrdiff_t at = 0;
	size_t count = 0;
	unit->rangeless = true;
	while ((at = dwarf_ranges(&unit->die, at, &base, &start, &end)) > 0) {
		if (++count > UNIT_RANGES_MAX) {
			index->damaged = true;
			break;
		}
		unit->rangeless = false;
		if (start >= end || start < index->text.start || start >= index->text.end)
			continue;
		if (!interval_map_add(&index->unit_map, start, end, level_of_bytes(end - start), number))
			return false;
	}
	return true;
}

/* libdw looks for name and directory/name, each below the file's directory unless absolute. */
static bool is_harmless_dwo(const struct dwarf_index *index, const char *directory, const char *name)
{
	if (!elf_file_is_harmless(index->file_directory, name))
		return false;
	if (directory == NULL || name[0] == '/')
		return true;
	if (directory[0] == '/')
		return elf_file_is_harmless(directory, name);
	size_t directory_bytes = strlen(directory), name_bytes = strlen(name);
	char *joined = malloc(directory_bytes + 1 + name_bytes + 1);
	if (joined == NULL)
		return false;
	memcpy(joined, directory, directory_bytes);
	joined[directory_bytes] = '/';
	memcpy(joined + directory_bytes + 1, name, name_bytes + 1);
	bool harmless = elf_file_is_harmless(index->file_directory, joined);
	free(joined);
	return harmless;
}

static void find_split_unit(struct dwarf_index *index, struct dwarf_unit *unit)
{
	Dwarf_Attribute attribute;
	const char *name = dwarf_formstring(dwarf_attr(&unit->die, DW_AT_dwo_name, &attribute));
	if (name == NULL)
		name = dwarf_formstring(dwarf_attr(&unit->die, DW_AT_GNU_dwo_name, &attribute));
	Dwarf_Half version;
	uint8_t type;
	Dwarf_Die split;
	memset(&split, 0, sizeof split);
	if (name != NULL && is_harmless_dwo(index, unit->directory, name) &&
	    dwarf_cu_info(unit->die.cu, &version, &type, NULL, &split, NULL, NULL, NULL) == 0 && split.addr != NULL) {
		unit->source = split;
		return;
	}
	if (index->missing_dwo == NULL)
		index->missing_dwo = dwarf_absolute_path(index->pool, unit->directory, name == NULL ? "?" : name);
}

static bool add_unit(struct dwarf_index *index, const Dwarf_Die *die, uint8_t type)
{
	if (index->unit_count == index->unit_room) {
		size_t room = index->unit_room == 0 ? 64 : index->unit_room * 2;
		struct dwarf_unit *bigger = realloc(index->units, room * sizeof *bigger);
		if (bigger == NULL)
			return false;
		index->units = bigger;
		index->unit_room = room;
	}
	struct dwarf_unit *unit = &index->units[index->unit_count];
	memset(unit, 0, sizeof *unit);
	unit->die = *die;
	unit->source = *die;
	unit->skeleton = type == DW_UT_skeleton;

	Dwarf_Attribute attribute;
	unit->directory = dwarf_formstring(dwarf_attr(&unit->die, DW_AT_comp_dir, &attribute));
	if (unit->skeleton && index->missing_dwo == NULL && index->unit_count == 0)
		find_split_unit(index, unit);
	return add_unit_ranges(index, unit, (uint32_t)index->unit_count++);
}

static struct line_section section_bytes(const struct elf_file *file, const char *name, const char *old_name)
{
	/* libdw unpacked compressed sections when it opened the file. */
	Elf_Data *data = elf_file_section(file, name);
	if (data == NULL)
		data = elf_file_section(file, old_name);
	return data == NULL ? (struct line_section){NULL, 0} : (struct line_section){data->d_buf, data->d_size};
}

static void find_line_sections(struct dwarf_index *index, const struct elf_file *file)
{
	index->sections.line = section_bytes(file, ".debug_line", ".zdebug_line");
	index->sections.line_str = section_bytes(file, ".debug_line_str", ".zdebug_line_str");
	index->sections.str = section_bytes(file, ".debug_str", ".zdebug_str");
	/* A row takes a byte of its program at least, and units do not share programs. */
	index->rows_left = ROWS_FLOOR + 2 * index->sections.line.count;
}

struct dwarf_index *dwarf_index_open(Dwarf *dwarf, const struct elf_file *file, struct string_pool *pool)
{
	struct dwarf_index *index = calloc(1, sizeof *index);
	if (index == NULL)
		return NULL;
	index->dwarf = dwarf;
	index->pool = pool;
	index->file_directory = elf_file_directory(file);
	/* A range costs a file at least two bytes, unless many scopes share one list: then the file is hostile. */
	index->ranges_left = RANGES_FLOOR + file->bytes / 2;
	find_text(index, file->elf);
	find_line_sections(index, file);

	Dwarf_CU *unit = NULL;
	for (;;) {
		Dwarf_Half version;
		uint8_t type;
		Dwarf_Die die;
		int result = dwarf_get_units(dwarf, unit, &unit, &version, &type, &die, NULL);
		if (result != 0) {
			index->damaged = index->damaged || result < 0;
			break;
		}
		/* Partial and type units have no code. */
		if (type != DW_UT_compile && type != DW_UT_skeleton)
			continue;
		int tag = dwarf_tag(&die);
		if (tag != DW_TAG_compile_unit && tag != DW_TAG_skeleton_unit)
			continue;
		if (!add_unit(index, &die, type)) {
			dwarf_index_close(index);
			return NULL;
		}
	}
	if (!interval_map_build(&index->unit_map)) {
		dwarf_index_close(index);
		return NULL;
	}
	return index;
}

void dwarf_index_close(struct dwarf_index *index)
{
	if (index == NULL)
		return;
	for (size_t i = 0; i < index->unit_count; i++) {
		dwarf_scopes_free(&index->units[i].scopes);
		line_table_free(&index->units[i].lines);
	}
	free(index->file_directory);
	free(index->units);
	interval_map_free(&index->unit_map);
	free(index);
}

static bool unsigned_attribute(Dwarf_Die *die, unsigned name, uint64_t *value)
{
	Dwarf_Attribute attribute;
	Dwarf_Word word;
	if (dwarf_attr(die, name, &attribute) == NULL || dwarf_formudata(&attribute, &word) != 0)
		return false;
	*value = word;
	return true;
}

static void expand(struct dwarf_index *index, struct dwarf_unit *unit)
{
	if (unit->expanded)
		return;
	unit->expanded = true;
	uint64_t offset;
	if (unsigned_attribute(&unit->die, DW_AT_stmt_list, &offset) &&
	    !line_table_read(&unit->lines, &index->sections, offset, &index->text, &index->rows_left))
		index->damaged = true;
	if (unit->skeleton && unit->source.addr == unit->die.addr) {
		find_split_unit(index, unit);
		if (unit->source.addr == unit->die.addr)
			return;
	}
	if (!dwarf_scopes_read(&unit->scopes, &unit->source, &index->text, &index->ranges_left))
		index->damaged = true;
}

/* Units without ranges of their own are all expanded at the first address that no other unit has. */
static struct dwarf_unit *find_unit(struct dwarf_index *index, uint64_t address)
{
	uint32_t number = interval_map_find(&index->unit_map, address);
	if (number != INTERVAL_NONE) {
		expand(index, &index->units[number]);
		return &index->units[number];
	}
	for (size_t i = 0; i < index->unit_count; i++) {
		struct dwarf_unit *unit = &index->units[i];
		if (!unit->rangeless)
			continue;
		expand(index, unit);
		if (interval_map_find(&unit->scopes.map, address) != INTERVAL_NONE)
			return unit;
	}
	return NULL;
}

/* A split unit has a file table of its own in DWARF 5; libdw knows where. */
static const char *path_of_call(struct dwarf_index *index, struct dwarf_unit *unit, uint64_t file)
{
	if (unit->source.addr == unit->die.addr)
		return line_table_path(&unit->lines, index->pool, unit->directory, file);
	Dwarf_Files *files;
	size_t count;
	if (dwarf_getsrcfiles(&unit->source, &files, &count) != 0 || file >= count)
		return NULL;
	return dwarf_absolute_path(index->pool, unit->directory, dwarf_filesrc(files, file, NULL, NULL));
}

/* Fills in the place from which an inlined function was called. */
static void put_call(struct dwarf_index *index, struct dwarf_unit *unit, struct dwarf_scope *inlined,
		     struct symbol *out)
{
	uint64_t line, file;
	if (unsigned_attribute(&inlined->die, DW_AT_call_line, &line) && line <= UINT32_MAX)
		out->line = (uint32_t)line;
	if (unsigned_attribute(&inlined->die, DW_AT_call_file, &file))
		out->file = path_of_call(index, unit, file);
}

static bool put_line(struct dwarf_index *index, struct dwarf_unit *unit, uint64_t address, struct symbol *out)
{
	const struct line_row *row = line_table_find(&unit->lines, address);
	if (row == NULL)
		return false;
	out->line = row->line;
	out->file = line_table_path(&unit->lines, index->pool, unit->directory, row->file);
	return true;
}

size_t dwarf_index_resolve(struct dwarf_index *index, uint64_t address, bool no_inlines, struct symbol *out, size_t max)
{
	struct dwarf_unit *unit = find_unit(index, address);
	if (unit == NULL)
		return 0;
	uint32_t number = interval_map_find(&unit->scopes.map, address);
	memset(&out[0], 0, sizeof out[0]);
	bool has_line = put_line(index, unit, address, &out[0]);
	if (number == INTERVAL_NONE)
		return has_line ? 1 : 0;

	size_t count = 0;
	struct dwarf_scope *scope = &unit->scopes.scopes[number];
	for (;;) {
		struct symbol *symbol = &out[count];
		symbol->inlined = scope->parent != DWARF_SCOPE_NONE;
		if (!symbol->inlined || !no_inlines)
			dwarf_name_scope(index->pool, scope);
		symbol->function = scope->function;
		symbol->linkage_name = scope->linkage_name;
		if (!symbol->inlined)
			return count + 1;
		/* The last place is the outermost function's: inlined ones that do not fit write over each other there.
		 */
		if (!no_inlines && count + 1 < max)
			count++;
		memset(&out[count], 0, sizeof out[count]);
		put_call(index, unit, scope, &out[count]);
		scope = &unit->scopes.scopes[scope->parent];
	}
}

bool dwarf_index_is_cxx(struct dwarf_index *index, uint64_t address)
{
	struct dwarf_unit *unit = find_unit(index, address);
	switch (unit == NULL ? -1 : dwarf_srclang(&unit->source)) {
	case DW_LANG_C_plus_plus:
	case DW_LANG_C_plus_plus_03:
	case DW_LANG_C_plus_plus_11:
	case DW_LANG_C_plus_plus_14:
	case DW_LANG_ObjC_plus_plus:
		return true;
	default:
		return false;
	}
}

const char *dwarf_index_missing_dwo(const struct dwarf_index *index)
{
	return index->missing_dwo;
}

bool dwarf_index_damaged(const struct dwarf_index *index)
{
	return index->damaged;
}
