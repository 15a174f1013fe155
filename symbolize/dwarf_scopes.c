/*
 * One walk over a unit's DIEs, with an explicit stack. See dwarf_scopes.h.
 *
 * What libdw leaves to its caller in damaged input: DW_AT_sibling may point backwards (an endless list) or past
 * the unit, so the walk only goes forward and stops at the unit's end. Without DW_AT_sibling libdw finds
 * a sibling by reading all DIEs between, which is quadratic in a deep tree; that reading has a budget.
 */
#include "symbolize/dwarf_scopes.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of DIEs read again to find siblings, in multiples of the unit's size. clang's C++ stays below 12. */
enum { REREAD_MAX = 64 };

struct level {
	Dwarf_Die die;
	uint32_t scope;        /* scope around the DIEs of this level */
	uint32_t inline_level; /* of a scope that would be added here */
};

struct walk {
	struct dwarf_scopes *out;
	const struct code_bounds *text;
	size_t *ranges_left;
	const char *end; /* of the unit's DIEs in memory */
	uint64_t reread_left;
	struct level stack[DWARF_DEPTH_MAX];
};

static bool find_end(Dwarf_Die *root, struct walk *walk)
{
	Dwarf_Off die_offset = dwarf_dieoffset(root);
	Dwarf_Off unit_offset = die_offset - dwarf_cuoffset(root);
	Dwarf_Off next;
	size_t header_bytes;
	Dwarf *dwarf = dwarf_cu_getdwarf(root->cu);
	if (dwarf_next_unit(dwarf, unit_offset, &next, &header_bytes, NULL, NULL, NULL, NULL, NULL, NULL) != 0 ||
	    next <= die_offset)
		return false;
	walk->end = (const char *)root->addr + (next - die_offset);
	walk->reread_left = (next - die_offset) * REREAD_MAX;
	return true;
}

/* Returns the scope's number, DWARF_SCOPE_NONE when out of memory. */
static uint32_t add_scope(struct dwarf_scopes *out, const Dwarf_Die *die, uint32_t parent)
{
	if (out->count == out->room) {
		size_t room = out->room == 0 ? 64 : out->room * 2;
		struct dwarf_scope *bigger = realloc(out->scopes, room * sizeof *bigger);
		if (bigger == NULL)
			return DWARF_SCOPE_NONE;
		out->scopes = bigger;
		out->room = room;
	}
	if (out->count >= DWARF_SCOPE_NONE)
		return DWARF_SCOPE_NONE;
	out->scopes[out->count] = (struct dwarf_scope){.die = *die, .parent = parent};
	return (uint32_t)out->count++;
}

/* Adds a scope for the DIE when it has code. Returns false when the walk must stop. */
static bool enter_scope(struct walk *walk, Dwarf_Die *die, const struct level *at, bool inlined, struct level *below)
{
	uint32_t parent = inlined ? at->scope : DWARF_SCOPE_NONE;
	uint32_t inline_level = inlined ? at->inline_level : 0;
	uint32_t scope = DWARF_SCOPE_NONE;
	Dwarf_Addr base, start, end;
	ptrdiff_t position = 0;
	while ((position = dwarf_ranges(die, position, &base, &start, &end)) > 0) {
		if (*walk->ranges_left == 0)
			return false;
		--*walk->ranges_left;
		if (start >= end || start < walk->text->start || start >= walk->text->end)
			continue;
		if (scope == DWARF_SCOPE_NONE) {
			scope = add_scope(walk->out, die, parent);
			if (scope == DWARF_SCOPE_NONE)
				return false;
		}
		if (!interval_map_add(&walk->out->map, start, end, inline_level, scope))
			return false;
	}
	if (scope != DWARF_SCOPE_NONE) {
		below->scope = scope;
		below->inline_level = inline_level + 1;
	}
	return true;
}

/* Looks at one DIE. Returns false when the walk must stop; *descend tells whether its children may have scopes. */
static bool visit(struct walk *walk, struct level *at, struct level *below, bool *descend)
{
	below->scope = at->scope;
	below->inline_level = at->inline_level;
	*descend = true;
	switch (dwarf_tag(&at->die)) {
	case DW_TAG_subprogram:
		return enter_scope(walk, &at->die, at, false, below);
	case DW_TAG_inlined_subroutine:
		return enter_scope(walk, &at->die, at, at->scope != DWARF_SCOPE_NONE, below);
	case DW_TAG_lexical_block:
	case DW_TAG_namespace:
	case DW_TAG_module:
	case DW_TAG_class_type:
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
	case DW_TAG_try_block:
	case DW_TAG_catch_block:
	case DW_TAG_with_stmt:
	case DW_TAG_common_block:
		return true;
	default:
		*descend = false;
		return true;
	}
}

static bool inside(const struct walk *walk, const Dwarf_Die *previous, const Dwarf_Die *die)
{
	return (const char *)die->addr > (const char *)previous->addr && (const char *)die->addr < walk->end;
}

/*
 * Replaces the DIE by its next sibling. Returns 1 at the end of the list, -1 when the walk must stop. At the end
 * libdw leaves the address of the list's terminator in `next`, which tells how far it had to read.
 */
static int next_sibling(struct walk *walk, Dwarf_Die *die)
{
	Dwarf_Die next = {.addr = NULL};
	int result = dwarf_siblingof(die, &next);
	if (inside(walk, die, &next)) {
		uint64_t passed = (uint64_t)((const char *)next.addr - (const char *)die->addr);
		if (passed > walk->reread_left)
			return -1;
		walk->reread_left -= passed;
	} else if (result == 0) {
		return -1;
	}
	if (result != 0)
		return 1;
	*die = next;
	return 0;
}

static bool walk_unit(struct walk *walk, Dwarf_Die *root)
{
	size_t depth = 0;
	int result = dwarf_child(root, &walk->stack[0].die);
	if (result != 0 || !inside(walk, root, &walk->stack[0].die))
		return result > 0;
	walk->stack[0].scope = DWARF_SCOPE_NONE;
	walk->stack[0].inline_level = 0;
	for (;;) {
		struct level *at = &walk->stack[depth], below;
		bool descend;
		if (!visit(walk, at, &below, &descend))
			return false;
		if (descend && depth + 1 < DWARF_DEPTH_MAX && dwarf_child(&at->die, &below.die) == 0 &&
		    inside(walk, &at->die, &below.die)) {
			walk->stack[++depth] = below;
			continue;
		}
		while ((result = next_sibling(walk, &walk->stack[depth].die)) > 0) {
			if (depth == 0)
				return true;
			depth--;
		}
		if (result < 0)
			return false;
	}
}

bool dwarf_scopes_read(struct dwarf_scopes *out, Dwarf_Die *root, const struct code_bounds *text, size_t *ranges_left)
{
	struct walk *walk = malloc(sizeof *walk);
	if (walk == NULL)
		return false;
	walk->out = out;
	walk->text = text;
	walk->ranges_left = ranges_left;
	bool whole = find_end(root, walk) && walk_unit(walk, root);
	free(walk);
	return interval_map_build(&out->map) && whole;
}

void dwarf_scopes_free(struct dwarf_scopes *scopes)
{
	free(scopes->scopes);
	interval_map_free(&scopes->map);
	memset(scopes, 0, sizeof *scopes);
}
