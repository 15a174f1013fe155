/*
 * Function symbols sorted by address. See symbol_table.h.
 */
#include "symbolize/symbol_table.h"

#include <stdlib.h>
#include <string.h>

/* A symbol may contain others (labels in hand-written code): so many are looked at below an address. */
enum { LOOK_BACK = 16 };

static bool is_function(Elf *elf, const GElf_Sym *symbol, uint64_t *limit)
{
	unsigned type = GELF_ST_TYPE(symbol->st_info);
	if (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE)
		return false;
	if (symbol->st_shndx == SHN_UNDEF || symbol->st_shndx >= SHN_LORESERVE)
		return false;
	GElf_Shdr header;
	Elf_Scn *section = elf_getscn(elf, symbol->st_shndx);
	if (section == NULL || gelf_getshdr(section, &header) == NULL || (header.sh_flags & SHF_EXECINSTR) == 0)
		return false;
	*limit = header.sh_addr + header.sh_size;
	return true;
}

static bool is_variable(Elf *elf, const GElf_Sym *symbol, uint64_t *limit)
{
	unsigned type = GELF_ST_TYPE(symbol->st_info);
	if ((type != STT_OBJECT && type != STT_COMMON) || symbol->st_size == 0)
		return false;
	if (symbol->st_shndx == SHN_UNDEF || symbol->st_shndx >= SHN_LORESERVE)
		return false;
	GElf_Shdr header;
	Elf_Scn *section = elf_getscn(elf, symbol->st_shndx);
	if (section == NULL || gelf_getshdr(section, &header) == NULL || (header.sh_flags & SHF_ALLOC) == 0)
		return false;
	*limit = header.sh_addr + header.sh_size;
	return true;
}

static bool is_thread_variable(Elf *elf, const GElf_Sym *symbol, uint64_t *limit)
{
	(void)elf;
	*limit = 0; /* its size says where it ends */
	return GELF_ST_TYPE(symbol->st_info) == STT_TLS && symbol->st_size && symbol->st_shndx != SHN_UNDEF;
}

typedef bool symbol_choice(Elf *elf, const GElf_Sym *symbol, uint64_t *limit);

static uint32_t rank_of(const GElf_Sym *symbol)
{
	uint32_t rank = GELF_ST_TYPE(symbol->st_info) == STT_NOTYPE ? 8 : 0;
	if (symbol->st_size == 0)
		rank += 4;
	unsigned binding = GELF_ST_BIND(symbol->st_info);
	return rank + (binding == STB_GLOBAL ? 0 : binding == STB_WEAK ? 1 : 2);
}

static bool add_entry(struct symbol_table *table, struct symbol_entry entry)
{
	if (table->count == table->room) {
		size_t room = table->room == 0 ? 256 : table->room * 2;
		struct symbol_entry *bigger = realloc(table->entries, room * sizeof *bigger);
		if (bigger == NULL)
			return false;
		table->entries = bigger;
		table->room = room;
	}
	table->entries[table->count++] = entry;
	return true;
}

static bool add_section(struct symbol_table *table, Elf *elf, Elf_Scn *section, const GElf_Shdr *header,
			symbol_choice *is_wanted)
{
	Elf_Data *data = elf_getdata(section, NULL);
	size_t entry_bytes = gelf_fsize(elf, ELF_T_SYM, 1, EV_CURRENT);
	if (data == NULL || data->d_buf == NULL || entry_bytes == 0)
		return true;
	size_t count = data->d_size / entry_bytes;
	for (size_t i = 1; i < count && i < INT32_MAX; i++) {
		GElf_Sym symbol;
		if (gelf_getsym(data, (int)i, &symbol) == NULL)
			break;
		uint64_t limit;
		if (!is_wanted(elf, &symbol, &limit))
			continue;
		const char *name = elf_strptr(elf, header->sh_link, symbol.st_name);
		if (name == NULL || name[0] == '\0')
			continue;
		struct symbol_entry entry = {symbol.st_value, symbol.st_size, limit, name, rank_of(&symbol)};
		if (!add_entry(table, entry))
			return false;
	}
	return true;
}

static bool add_chosen(struct symbol_table *table, const struct elf_file *file, symbol_choice *is_wanted)
{
	Elf_Scn *section = NULL;
	while ((section = elf_nextscn(file->elf, section)) != NULL) {
		GElf_Shdr header;
		if (gelf_getshdr(section, &header) == NULL)
			continue;
		if ((header.sh_type == SHT_SYMTAB || header.sh_type == SHT_DYNSYM) &&
		    !add_section(table, file->elf, section, &header, is_wanted))
			return false;
	}
	return true;
}

bool symbol_table_add(struct symbol_table *table, const struct elf_file *file)
{
	return add_chosen(table, file, is_function);
}

bool symbol_table_add_variables(struct symbol_table *table, const struct elf_file *file)
{
	return add_chosen(table, file, is_variable);
}

bool symbol_table_add_thread_variables(struct symbol_table *table, const struct elf_file *file)
{
	return add_chosen(table, file, is_thread_variable);
}

static int compare_entries(const void *left, const void *right)
{
	const struct symbol_entry *a = left, *b = right;
	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	/* Whatever the order of the tables, the same file gives the same name: the shortest, then by letter. */
	size_t a_bytes = strlen(a->name), b_bytes = strlen(b->name);
	if (a_bytes != b_bytes)
		return a_bytes < b_bytes ? -1 : 1;
	return strcmp(a->name, b->name);
}

void symbol_table_sort(struct symbol_table *table)
{
	if (table->count == 0)
		return;
	qsort(table->entries, table->count, sizeof *table->entries, compare_entries);
	size_t kept = 1;
	for (size_t i = 1; i < table->count; i++) {
		if (table->entries[i].address != table->entries[kept - 1].address)
			table->entries[kept++] = table->entries[i];
	}
	table->count = kept;
}

const struct symbol_entry *symbol_table_find(const struct symbol_table *table, uint64_t address)
{
	size_t low = 0, high = table->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (table->entries[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return NULL;
	const struct symbol_entry *nearest = &table->entries[low - 1];
	for (size_t i = low, looked = 0; i > 0 && looked < LOOK_BACK; i--, looked++) {
		const struct symbol_entry *entry = &table->entries[i - 1];
		if (address - entry->address < entry->bytes)
			return entry;
	}
	return nearest->bytes == 0 && address < nearest->limit ? nearest : NULL;
}

void symbol_table_free(struct symbol_table *table)
{
	free(table->entries);
	memset(table, 0, sizeof *table);
}
