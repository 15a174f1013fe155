/*
 * Names that DWARF gives to functions and files, as pool strings.
 */
#ifndef MUDLARK_SYMBOLIZE_DWARF_NAMES_H
#define MUDLARK_SYMBOLIZE_DWARF_NAMES_H

#include "symbolize/dwarf_scopes.h"
#include "symbolize/string_pool.h"

/* Sets the scope's function and linkage_name, NULL where unknown. Done once a scope. */
void dwarf_name_scope(struct string_pool *pool, struct dwarf_scope *scope);

/* Returns path as it is when absolute or without a directory, else directory/path; NULL for NULL. */
const char *dwarf_absolute_path(struct string_pool *pool, const char *directory, const char *path);

#endif
