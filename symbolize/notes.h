/*
 * The one line that states why names of a module may be missing, and the fix.
 */
#ifndef MUDLARK_SYMBOLIZE_NOTES_H
#define MUDLARK_SYMBOLIZE_NOTES_H

#include "symbolize/locate.h"
#include "symbolize/string_pool.h"

/* The facts about a module after its files were looked for. */
struct note_facts {
	const struct module_identity *identity;
	const struct locate_result *located; /* why the module's own file was not used */
	bool has_file;                       /* a file of the module was found: its own, or a debug file */
	bool has_dwarf;
	bool unreadable_dwarf; /* there is DWARF, but libdw cannot open it */
	bool unknown_compression;
	bool has_symbols; /* any function symbol, when has_dwarf is false */
	bool truncated;
	bool damaged;                  /* DWARF that cannot be read */
	const char *missing_dwo;       /* NULL: none */
	const char *missing_alternate; /* NULL: none */
	bool debuginfod_wanted, debuginfod_unavailable;
};

/* Returns the pool's string, or NULL when all is well or out of memory. */
const char *note_for(struct string_pool *pool, const struct note_facts *facts);

#endif
