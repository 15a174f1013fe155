/*
 * From an address to functions, inline frames and lines, by DWARF.
 *
 *   unit map:  address -> compilation unit         built at open, from the units' ranges
 *   scope map: address -> innermost function scope built for a unit at its first hit, by one walk of its DIEs
 *   scope:     function or inlined call, with a link to the scope around it
 *
 * Glossary
 *   unit   a DWARF compilation unit. A split unit has its DIEs in a .dwo file and its lines in the main one.
 *   scope  a DW_TAG_subprogram or DW_TAG_inlined_subroutine that has code.
 *   text   the executable segments; ranges that start elsewhere belong to code that the linker dropped.
 *
 * Invariants
 *   a scope's parent has a smaller number; a subprogram has none; levels are at most DWARF_DEPTH_MAX.
 *   all work on one unit is linear in its size: what a hostile file could make larger is budgeted.
 *
 * Why not dwarf_getscopes() and dwarf_addrdie(): 1861 us an address, and no answer at all for clang's objects,
 * which have no .debug_aranges (libdw 0.188).
 */
#ifndef MUDLARK_SYMBOLIZE_DWARF_INDEX_H
#define MUDLARK_SYMBOLIZE_DWARF_INDEX_H

#include "symbolize/elf_file.h"
#include "symbolize/string_pool.h"
#include "symbolize/symbolize.h"

#include <elfutils/libdw.h>

struct dwarf_index;

/*
 * pool, dwarf and its file must outlive the index. Returns NULL when out of memory.
 */
struct dwarf_index *dwarf_index_open(Dwarf *dwarf, const struct elf_file *file, struct string_pool *pool);
void dwarf_index_close(struct dwarf_index *index);

/*
 * As symbol_module_resolve(), but the outermost symbol may be without a function name, and a result may have
 * lines only. max >= 1.
 */
size_t dwarf_index_resolve(struct dwarf_index *index, uint64_t address, bool no_inlines, struct symbol *out,
			   size_t max);

/*
 * Returns whether the address is in a unit whose language is C++: names are mangled, and those of local functions left
 * out.
 */
bool dwarf_index_is_cxx(struct dwarf_index *index, uint64_t address);

/* The first .dwo file that was needed and not found, NULL: none so far. The first unit is tried at open. */
const char *dwarf_index_missing_dwo(const struct dwarf_index *index);

/* Returns whether DWARF was met that cannot be read or that went over a budget. */
bool dwarf_index_damaged(const struct dwarf_index *index);

#endif
