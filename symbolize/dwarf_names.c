/*
 * Names of functions and files from DWARF. See dwarf_names.h.
 *
 * dwarf_attr_integrate() follows abstract origins and specifications, also into other units (-flto) and into the
 * file that dwz shares; it gives up after 16 links, so that a cycle of DIEs ends.
 */
#include "symbolize/dwarf_names.h"

#include "symbolize/demangle.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

static const char *integrated_text(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attribute;
	return dwarf_formstring(dwarf_attr_integrate(die, name, &attribute));
}

void dwarf_name_scope(struct string_pool *pool, struct dwarf_scope *scope)
{
	if (scope->named)
		return;
	scope->named = true;
	const char *linkage = integrated_text(&scope->die, DW_AT_linkage_name);
	if (linkage == NULL)
		linkage = integrated_text(&scope->die, DW_AT_MIPS_linkage_name);
	if (linkage != NULL && linkage[0] == '\0')
		linkage = NULL;
	const char *function = linkage == NULL ? NULL : demangle(pool, linkage);
	if (function == NULL) {
		const char *name = integrated_text(&scope->die, DW_AT_name);
		function = string_pool_add_text(pool, name != NULL && name[0] != '\0' ? name : linkage);
	}
	linkage = string_pool_add_text(pool, linkage);
	scope->function = function;
	scope->linkage_name = linkage == function ? NULL : linkage;
}

const char *dwarf_absolute_path(struct string_pool *pool, const char *directory, const char *path)
{
	if (path == NULL || path[0] == '\0')
		return NULL;
	if (path[0] == '/' || directory == NULL || directory[0] == '\0')
		return string_pool_add_text(pool, path);
	size_t directory_bytes = strlen(directory), path_bytes = strlen(path);
	char *joined = malloc(directory_bytes + 1 + path_bytes);
	if (joined == NULL)
		return NULL;
	memcpy(joined, directory, directory_bytes);
	joined[directory_bytes] = '/';
	memcpy(joined + directory_bytes + 1, path, path_bytes);
	const char *result = string_pool_add(pool, joined, directory_bytes + 1 + path_bytes);
	free(joined);
	return result;
}
