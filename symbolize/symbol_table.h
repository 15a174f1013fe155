/*
 * Function symbols of one module, or its variables, or its thread-local variables, from .symtab, .dynsym and
 * MiniDebugInfo together, sorted by address.
 *
 * Used if DWARF has no answer. Of several symbols at one address, the best is kept: a function before a label, with a
 * size before without, global before weak before local.
 */
#ifndef MUDLARK_SYMBOLIZE_SYMBOL_TABLE_H
#define MUDLARK_SYMBOLIZE_SYMBOL_TABLE_H

#include "symbolize/elf_file.h"

struct symbol_entry {
	uint64_t address, bytes; /* bytes 0: up to the next symbol, but below limit */
	uint64_t limit;          /* end of the section */
	const char *name;        /* within the ELF file, may have @version at its end */
	uint32_t rank;           /* smaller is better */
};

struct symbol_table {
	struct symbol_entry *entries; /* strictly ascending address once sorted */
	size_t count, room;
};

/* Adds the file's tables; the file must outlive the table. Returns false when out of memory. */
bool symbol_table_add(struct symbol_table *table, const struct elf_file *file);
/* The same of variables: none that are thread-local, or only these, whose addresses are offsets in PT_TLS. */
bool symbol_table_add_variables(struct symbol_table *table, const struct elf_file *file);
bool symbol_table_add_thread_variables(struct symbol_table *table, const struct elf_file *file);
void symbol_table_sort(struct symbol_table *table);

/* The symbol whose bytes contain the address, or NULL. */
const struct symbol_entry *symbol_table_find(const struct symbol_table *table, uint64_t address);
void symbol_table_free(struct symbol_table *table);

#endif
