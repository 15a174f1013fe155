/* Reads Go's table of functions and lines; go_table.h has its parts. */
#include "symbolize/go_table.h"

#include <stdlib.h>
#include <string.h>

enum go_layout { GO_1_2, GO_1_16, GO_1_18, GO_1_20 };

static const struct {
	uint32_t magic;
	enum go_layout layout;
} magics[] = {{0xfffffffb, GO_1_2}, {0xfffffffa, GO_1_16}, {0xfffffff0, GO_1_18}, {0xfffffff1, GO_1_20}};

enum {
	MAGIC_VARIES = 0xf,     /* the bits in which magic numbers differ */
	HEADER_BYTES = 8,       /* magic, two zeros, minimal instruction size, pointer size */
	POINTER_BYTES = 8,      /* others are not profiled */
	INDEX_INLINES = 2,      /* PCDATA_InlTreeIndex */
	DATA_INLINES = 3,       /* FUNCDATA_InlTree */
	ENTRY_INLINES_18 = 20,  /* struct inlinedCall up to 1.19: its name is at 12, its parent's pc at 16 */
	ENTRY_INLINES_20 = 16,  /* ... since: at 4 and 8 */
	MODULE_TEXT = 176,      /* offset of `text` in moduledata: behind seven slices and five words */
	MODULE_FUNCS_18 = 304,  /* ... of `gofunc` up to 1.19 */
	MODULE_FUNCS_20 = 320,  /* ... since, with the coverage counters before it */
	CANDIDATES_MAX = 64,    /* places that look like the moduledata */
	RELOCATION_RELATIVE = 8 /* R_X86_64_RELATIVE */
};

struct span {
	const uint8_t *data;
	uint64_t bytes;
};

struct go_table {
	const struct elf_file *file;
	enum go_layout layout;
	uint8_t quantum; /* unit of the tables' pc deltas */
	uint64_t address;
	uint64_t text;       /* what entries count from; 0 before 1.18 */
	uint64_t inlines;    /* what inline trees' offsets count from; 0: not known */
	uint64_t functions;  /* how many */
	struct span table;   /* the section */
	struct span names;   /* by offset */
	struct span units;   /* u32 each: offsets in files */
	struct span files;   /* by offset; before 1.16 u32 each: offsets in the table */
	struct span values;  /* tables by pc */
	struct span entries; /* functab, and what its offsets count from */
};

/* --- bytes ------------------------------------------------------------------------------------------------------- */

static struct span span_from(struct span span, uint64_t offset)
{
	if (offset >= span.bytes)
		return (struct span){0};
	return (struct span){span.data + offset, span.bytes - offset};
}

static bool get_u32(struct span span, uint64_t offset, uint32_t *out)
{
	if (span.bytes < sizeof *out || offset > span.bytes - sizeof *out)
		return false;
	const uint8_t *at = span.data + offset;
	*out = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
	return true;
}

static bool get_u64(struct span span, uint64_t offset, uint64_t *out)
{
	uint32_t low, high;
	if (offset > UINT64_MAX - sizeof low || !get_u32(span, offset, &low) ||
	    !get_u32(span, offset + sizeof low, &high))
		return false;
	*out = low | (uint64_t)high << 32;
	return true;
}

static bool get_varint(struct span *span, uint32_t *out)
{
	uint32_t value = 0;
	for (unsigned shift = 0; shift < 32 && span->bytes; shift += 7) {
		uint8_t byte = *span->data++;
		span->bytes--;
		value |= (uint32_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*out = value;
			return true;
		}
	}
	return false;
}

static const char *get_text(struct span span, uint64_t offset, struct string_pool *pool)
{
	struct span rest = span_from(span, offset);
	const uint8_t *end = rest.bytes ? memchr(rest.data, '\0', rest.bytes) : NULL;
	if (!end || end == rest.data)
		return NULL;
	return string_pool_add(pool, (const char *)rest.data, (size_t)(end - rest.data));
}

/* --- the image --------------------------------------------------------------------------------------------------- */

/* The bytes of the file from this address to the end of its section. */
static struct span bytes_at(const struct elf_file *file, uint64_t address)
{
	Elf_Scn *section = NULL;
	while ((section = elf_nextscn(file->elf, section)) != NULL) {
		GElf_Shdr header;
		if (gelf_getshdr(section, &header) == NULL || !(header.sh_flags & SHF_ALLOC) ||
		    header.sh_type != SHT_PROGBITS || address < header.sh_addr ||
		    address - header.sh_addr >= header.sh_size)
			continue;
		Elf_Data *data = elf_rawdata(section, NULL);
		if (data == NULL || data->d_buf == NULL)
			continue;
		return span_from((struct span){data->d_buf, data->d_size}, address - header.sh_addr);
	}
	return (struct span){0};
}

/* Calls `each` for the relative relocations of a position-independent file until it returns true. */
static bool any_relocation(const struct elf_file *file, bool (*each)(const GElf_Rela *, void *), void *context)
{
	Elf_Scn *section = NULL;
	while ((section = elf_nextscn(file->elf, section)) != NULL) {
		GElf_Shdr header;
		Elf_Data *data;
		if (gelf_getshdr(section, &header) == NULL || header.sh_type != SHT_RELA ||
		    (data = elf_getdata(section, NULL)) == NULL || data->d_buf == NULL)
			continue;
		size_t count = data->d_size / sizeof(Elf64_Rela);
		for (size_t i = 0; i < count && i < INT32_MAX; i++) {
			GElf_Rela entry;
			if (gelf_getrela(data, (int)i, &entry) == NULL)
				break;
			if (GELF_R_TYPE(entry.r_info) == RELOCATION_RELATIVE && each(&entry, context))
				return true;
		}
	}
	return false;
}

struct wanted_word {
	uint64_t address, value;
};

static bool is_word(const GElf_Rela *entry, void *context)
{
	struct wanted_word *word = context;
	if (entry->r_offset != word->address)
		return false;
	word->value = (uint64_t)entry->r_addend;
	return true;
}

/* A pointer as the loader would leave it, relative to the image. */
static uint64_t pointer_at(const struct elf_file *file, uint64_t address)
{
	struct wanted_word word = {.address = address};
	if (any_relocation(file, is_word, &word))
		return word.value;
	return get_u64(bytes_at(file, address), 0, &word.value) ? word.value : 0;
}

/* --- the runtime's moduledata ------------------------------------------------------------------------------------ */

/* Its first two words point to the table and to the names in it. */
struct module_search {
	const struct go_table *table;
	uint64_t names;
	uint64_t found[CANDIDATES_MAX];
	uint32_t count;
};

static bool collect_module(const GElf_Rela *entry, void *context)
{
	struct module_search *search = context;
	if ((uint64_t)entry->r_addend == search->table->address)
		search->found[search->count++] = entry->r_offset;
	return search->count == CANDIDATES_MAX;
}

static void collect_plain(struct module_search *search)
{
	Elf_Scn *section = NULL;
	while ((section = elf_nextscn(search->table->file->elf, section)) != NULL) {
		GElf_Shdr header;
		Elf_Data *data;
		if (gelf_getshdr(section, &header) == NULL || header.sh_type != SHT_PROGBITS ||
		    (header.sh_flags & (SHF_ALLOC | SHF_WRITE)) != (SHF_ALLOC | SHF_WRITE) ||
		    (data = elf_rawdata(section, NULL)) == NULL || data->d_buf == NULL)
			continue;
		struct span span = {data->d_buf, data->d_size};
		uint64_t word;
		for (uint64_t at = 0; get_u64(span, at, &word); at += POINTER_BYTES)
			if (word == search->table->address && search->count < CANDIDATES_MAX)
				search->found[search->count++] = header.sh_addr + at;
	}
}

/* Address of the moduledata; 0: it was not found. */
static uint64_t find_module(const struct go_table *table, uint64_t names_offset)
{
	struct module_search search = {.table = table, .names = table->address + names_offset};
	any_relocation(table->file, collect_module, &search);
	if (search.count < CANDIDATES_MAX)
		collect_plain(&search);
	for (uint32_t i = 0; i < search.count; i++)
		if (pointer_at(table->file, search.found[i] + POINTER_BYTES) == search.names)
			return search.found[i];
	return 0;
}

/* --- opening ----------------------------------------------------------------------------------------------------- */

/* Magic, two zeros, quantum, pointer size. */
static bool read_magic(struct go_table *table)
{
	uint32_t magic, rest;
	if (!get_u32(table->table, 0, &magic) || !get_u32(table->table, 4, &rest) || (rest & 0xffff) ||
	    rest >> 24 != POINTER_BYTES)
		return false;
	table->quantum = (uint8_t)(rest >> 16);
	for (size_t i = 0; i < sizeof magics / sizeof magics[0]; i++) {
		table->layout = magics[i].layout;
		if (magics[i].magic == magic)
			return table->quantum != 0;
	}
	return false;
}

/* Up to Go 1.15 everything counts from the table's start, and the files come after the functions. */
static bool read_old(struct go_table *table)
{
	uint32_t files;
	table->entries = span_from(table->table, HEADER_BYTES + POINTER_BYTES);
	table->names = table->values = table->table;
	if (!get_u64(table->table, HEADER_BYTES, &table->functions) ||
	    table->functions >= table->entries.bytes / ((size_t)2 * POINTER_BYTES))
		return false;
	if (!get_u32(table->entries, table->functions * 2 * POINTER_BYTES + POINTER_BYTES, &files))
		return false;
	table->files = span_from(table->table, files);
	return true;
}

static bool read_new(struct go_table *table)
{
	bool has_text = table->layout >= GO_1_18;
	uint64_t first = HEADER_BYTES + (has_text ? 3 : 2) * POINTER_BYTES, offset[5];
	if (!get_u64(table->table, HEADER_BYTES, &table->functions))
		return false;
	for (size_t i = 0; i < sizeof offset / sizeof offset[0]; i++)
		if (!get_u64(table->table, first + i * POINTER_BYTES, &offset[i]))
			return false;
	table->names = span_from(table->table, offset[0]);
	table->units = span_from(table->table, offset[1]);
	table->files = span_from(table->table, offset[2]);
	table->values = span_from(table->table, offset[3]);
	table->entries = span_from(table->table, offset[4]);
	uint64_t entry_bytes = has_text ? 2 * sizeof(uint32_t) : (uint64_t)2 * POINTER_BYTES;
	if (table->functions >= table->entries.bytes / entry_bytes)
		return false;
	if (!has_text)
		return true;
	uint64_t module = find_module(table, offset[0]);
	table->text = pointer_at(table->file, table->address + HEADER_BYTES + (uint64_t)2 * POINTER_BYTES);
	if (module) {
		/* From Go 1.26 on the header has no text address. */
		table->text = pointer_at(table->file, module + MODULE_TEXT);
		table->inlines = pointer_at(table->file,
					    module + (table->layout == GO_1_18 ? MODULE_FUNCS_18 : MODULE_FUNCS_20));
	}
	return bytes_at(table->file, table->text).bytes != 0;
}

static bool read_table(struct go_table *table)
{
	return read_magic(table) && (table->layout == GO_1_2 ? read_old(table) : read_new(table));
}

/* A linker of C's may have put the table among other relocated data: where its header is, and makes sense. */
static bool search_table(struct go_table *table, struct span span, uint64_t address)
{
	uint32_t word, tries = 0;
	for (uint64_t at = 0; get_u32(span, at, &word) && tries < CANDIDATES_MAX; at += POINTER_BYTES) {
		if ((word | MAGIC_VARIES) != UINT32_MAX)
			continue;
		*table = (struct go_table){.file = table->file, .table = span_from(span, at), .address = address + at};
		if (!read_magic(table))
			continue;
		tries++;
		if (read_table(table))
			return true;
	}
	return false;
}

/* The table, by the name of its section; position-independent files have it among the relocated data. */
static bool find_table(struct go_table *table)
{
	size_t names;
	Elf_Scn *section = NULL;
	if (elf_getshdrstrndx(table->file->elf, &names) != 0)
		return false;
	while ((section = elf_nextscn(table->file->elf, section)) != NULL) {
		GElf_Shdr header;
		if (gelf_getshdr(section, &header) == NULL || header.sh_type != SHT_PROGBITS ||
		    !(header.sh_flags & SHF_ALLOC))
			continue;
		const char *name = elf_strptr(table->file->elf, names, header.sh_name);
		bool exact = name != NULL &&
			     (strcmp(name, ".gopclntab") == 0 || strcmp(name, ".data.rel.ro.gopclntab") == 0);
		if (!exact && (name == NULL || strcmp(name, ".data.rel.ro") != 0))
			continue;
		Elf_Data *data = elf_rawdata(section, NULL);
		if (data == NULL || data->d_buf == NULL)
			continue;
		struct span span = {data->d_buf, data->d_size};
		table->table = span;
		table->address = header.sh_addr;
		if (exact ? read_table(table) : search_table(table, span, header.sh_addr))
			return true;
	}
	return false;
}

struct go_table *go_table_open(const struct elf_file *file)
{
	if (gelf_getclass(file->elf) != ELFCLASS64)
		return NULL;
	struct go_table *table = calloc(1, sizeof *table);
	if (table == NULL)
		return NULL;
	table->file = file;
	if (find_table(table))
		return table;
	free(table);
	return NULL;
}

void go_table_close(struct go_table *table)
{
	free(table);
}

/* --- looking up -------------------------------------------------------------------------------------------------- */

/* One function: struct _func, which its pcdata and funcdata offsets follow. */
struct function {
	uint64_t entry;
	struct span fields; /* from the name on: the entry before it is four bytes, or eight up to 1.17 */
	uint32_t head_bytes;
	uint32_t name, file_values, line_values, pcdata_count, unit;
	uint8_t funcdata_count;
};

static bool entry_at(const struct go_table *table, uint64_t index, uint64_t *pc, uint64_t *offset)
{
	if (table->layout < GO_1_18)
		return get_u64(table->entries, index * 2 * POINTER_BYTES, pc) &&
		       get_u64(table->entries, index * 2 * POINTER_BYTES + POINTER_BYTES, offset);
	uint32_t low, high = 0;
	if (!get_u32(table->entries, index * 2 * sizeof low, &low))
		return false;
	/* The last one is an end alone. */
	if (index < table->functions && !get_u32(table->entries, (index * 2 + 1) * sizeof low, &high))
		return false;
	*pc = table->text + low;
	*offset = high;
	return true;
}

/* The last entry at or below the address; the table is sorted, or the answer is any. */
static bool find_function(const struct go_table *table, uint64_t address, struct function *out)
{
	uint64_t low = 0, high = table->functions, pc, offset = 0;
	while (low < high) {
		uint64_t middle = low + (high - low) / 2, ignored;
		if (!entry_at(table, middle, &pc, &ignored))
			return false;
		if (pc <= address)
			low = middle + 1;
		else
			high = middle;
	}
	uint64_t end;
	bool has_end = table->layout >= GO_1_18 ? entry_at(table, low, &end, &offset)
						: get_u64(table->entries, low * 2 * POINTER_BYTES, &end);
	if (low == 0 || !has_end || address >= end || !entry_at(table, low - 1, &out->entry, &offset))
		return false;
	uint64_t entry_bytes = table->layout < GO_1_18 ? POINTER_BYTES : sizeof(uint32_t);
	struct span base = table->layout == GO_1_2 ? table->table : table->entries;
	if (offset > UINT64_MAX - entry_bytes)
		return false;
	out->fields = span_from(base, offset + entry_bytes);
	/* name, args, deferreturn, pcsp, pcfile, pcln, npcdata; since 1.16 the unit; since 1.20 the first line; flags.
	 */
	out->head_bytes = (table->layout == GO_1_2 ? 8 : table->layout < GO_1_20 ? 9 : 10) * (uint32_t)sizeof(uint32_t);
	uint32_t flags;
	out->unit = 0;
	if (!get_u32(out->fields, 0, &out->name) || !get_u32(out->fields, 16, &out->file_values) ||
	    !get_u32(out->fields, 20, &out->line_values) || !get_u32(out->fields, 24, &out->pcdata_count) ||
	    !get_u32(out->fields, out->head_bytes - sizeof flags, &flags) ||
	    (table->layout >= GO_1_16 && !get_u32(out->fields, 28, &out->unit)))
		return false;
	out->funcdata_count = (uint8_t)(flags >> 24);
	return true;
}

/* The value that a table by pc has at the address: -1 when it has none. */
static int32_t value_at(const struct go_table *table, const struct function *function, uint32_t offset,
			uint64_t address)
{
	struct span rest = span_from(table->values, offset);
	uint64_t pc = function->entry;
	uint32_t value = UINT32_MAX, delta, advance;
	if (!offset)
		return -1;
	for (bool first = true; get_varint(&rest, &delta) && (delta || first); first = false) {
		value += delta & 1 ? ~(delta >> 1) : delta >> 1;
		if (!get_varint(&rest, &advance) || !advance)
			return -1;
		pc += (uint64_t)advance * table->quantum;
		if (address < pc)
			return (int32_t)value;
	}
	return -1;
}

static const char *file_name(const struct go_table *table, const struct function *function, int32_t number,
			     struct string_pool *pool)
{
	uint32_t offset;
	if (number < 0)
		return NULL;
	if (table->layout == GO_1_2)
		return get_u32(table->files, (uint64_t)number * sizeof offset, &offset)
			       ? get_text(table->table, offset, pool)
			       : NULL;
	if (!get_u32(table->units, ((uint64_t)function->unit + (uint64_t)number) * sizeof offset, &offset))
		return NULL;
	return get_text(table->files, offset, pool);
}

/* Name and parent of the inlined call that the code at the address belongs to. False: to the function itself. */
static bool inlined_at(const struct go_table *table, const struct function *function, uint64_t address, uint32_t *name,
		       uint64_t *parent)
{
	uint32_t values, tree, offset;
	if (!table->inlines || function->pcdata_count <= INDEX_INLINES || function->funcdata_count <= DATA_INLINES)
		return false;
	uint64_t funcdata = function->head_bytes + (uint64_t)function->pcdata_count * sizeof values;
	if (!get_u32(function->fields, function->head_bytes + INDEX_INLINES * sizeof values, &values) ||
	    !get_u32(function->fields, funcdata + DATA_INLINES * sizeof tree, &tree) || tree == UINT32_MAX)
		return false;
	int32_t index = value_at(table, function, values, address);
	if (index < 0)
		return false;
	bool old = table->layout == GO_1_18;
	struct span entry = bytes_at(
		table->file, table->inlines + tree + (uint64_t)index * (old ? ENTRY_INLINES_18 : ENTRY_INLINES_20));
	if (!get_u32(entry, old ? 12 : 4, name) || !get_u32(entry, old ? 16 : 8, &offset))
		return false;
	*parent = function->entry + offset;
	return true;
}

size_t go_table_resolve(const struct go_table *table, uint64_t address, bool no_inlines, struct string_pool *pool,
			struct symbol *out, size_t max)
{
	struct function function;
	if (!find_function(table, address, &function))
		return 0;
	for (size_t n = 0; n < max; n++) {
		uint32_t name;
		uint64_t parent = 0;
		bool inlined = inlined_at(table, &function, address, &name, &parent) && n + 1 < max;
		int32_t line = value_at(table, &function, function.line_values, address);
		out[n] = (struct symbol){
			.function = get_text(table->names, inlined ? name : function.name, pool),
			.file = file_name(table, &function, value_at(table, &function, function.file_values, address),
					  pool),
			.line = line > 0 ? (uint32_t)line : 0,
			.inlined = inlined,
		};
		if (!inlined) {
			if (no_inlines && n)
				out[0] = out[n];
			return no_inlines ? 1 : n + 1;
		}
		address = parent;
	}
	return 0;
}
