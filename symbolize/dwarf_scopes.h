/*
 * The function scopes of one compilation unit, read by one walk over its DIEs. See dwarf_index.h for the words.
 */
#ifndef MUDLARK_SYMBOLIZE_DWARF_SCOPES_H
#define MUDLARK_SYMBOLIZE_DWARF_SCOPES_H

#include "symbolize/interval_map.h"

#include <elfutils/libdw.h>
#include <stdbool.h>

#define DWARF_SCOPE_NONE UINT32_MAX

/* DIEs nested deeper are not looked at: compilers stay below 100. */
enum { DWARF_DEPTH_MAX = 512 };

struct code_bounds {
	uint64_t start, end;
};

struct dwarf_scope {
	Dwarf_Die die;
	uint32_t parent; /* the scope that this one was inlined into; DWARF_SCOPE_NONE: a function of its own */
	bool named;      /* the names were looked up, which is done at the first hit */
	const char *function, *linkage_name;
};

struct dwarf_scopes {
	struct dwarf_scope *scopes;
	size_t count, room;
	struct interval_map map; /* owner: number of a scope */
};

/*
 * Reads the scopes below the unit DIE `root`. Ranges that start outside of text are left out, and at most *ranges_left
 * are read, which goes down by as many. Returns false when out of memory, over budget or damaged: what was
 * read until then is usable.
 */
bool dwarf_scopes_read(struct dwarf_scopes *out, Dwarf_Die *root, const struct code_bounds *text, size_t *ranges_left);
void dwarf_scopes_free(struct dwarf_scopes *scopes);

#endif
