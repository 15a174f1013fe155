/*
 * Modules and the names for their addresses: puts the parts together. See symbolize.h.
 *
 *   locate ---> elf_file (module, debug, shared by dwz, MiniDebugInfo)
 *                  |
 *                  +--> dwarf_index    functions, inline frames, lines
 *                  +--> go_table       the same for Go code without DWARF
 *                  +--> symbol_table   names where neither has one; read when first needed
 *                  +--> notes          what is missing, and the fix
 */
#include "symbolize/symbolize.h"

#include "symbolize/demangle.h"
#include "symbolize/dwarf_index.h"
#include "symbolize/go_table.h"
#include "symbolize/locate.h"
#include "symbolize/notes.h"
#include "symbolize/symbol_table.h"
#include "symbolize/vdso.h"

#include <elfutils/libdwelf.h>
#include <stdlib.h>
#include <string.h>

struct symbol_module {
	struct symbol_module *next;
	struct symbolizer *symbolizer;
	struct elf_file *file;      /* the module that ran, NULL: not found */
	struct elf_file *debug;     /* separate debug file, NULL: none */
	struct elf_file *alternate; /* shared by dwz, NULL: none */
	struct elf_file *minidebug; /* NULL: none */
	Dwarf *dwarf;               /* of debug, else of file */
	Dwarf *alternate_dwarf;
	struct dwarf_index *index; /* NULL: no DWARF */
	struct go_table *go;       /* NULL: no Go code */
	struct symbol_table symbols, variables, thread_variables;
	bool symbols_read, variables_read;
	struct locate_result located;
	const char *missing_alternate;
	struct module_identity identity; /* for notes: path is the pool's, build_id is copied, no segments */
	uint8_t build_id[64];
	const char *note;
};

struct symbolizer {
	struct locate_places places;
	struct debuginfod debuginfod;
	bool no_inlines;
	struct string_pool pool;
	struct symbol_module *modules; /* newest first */
};

static void free_list(char **list)
{
	for (char **item = list; item != NULL && *item != NULL; item++)
		free(*item);
	free(list);
}

/* Copies a NULL-terminated list and adds `last` when it is not NULL. Returns NULL when out of memory. */
static char **copy_list(const char *const *list, const char *last)
{
	size_t count = 0;
	while (list != NULL && list[count] != NULL)
		count++;
	char **copy = calloc(count + 2, sizeof *copy);
	if (copy == NULL)
		return NULL;
	for (size_t i = 0; i < count + (last != NULL); i++) {
		copy[i] = strdup(i < count ? list[i] : last);
		if (copy[i] == NULL) {
			free_list(copy);
			return NULL;
		}
	}
	return copy;
}

struct symbolizer *symbolizer_open(const struct symbolizer_options *options)
{
	static const struct symbolizer_options none;
	if (options == NULL)
		options = &none;
	struct symbolizer *symbolizer = calloc(1, sizeof *symbolizer);
	if (symbolizer == NULL)
		return NULL;
	symbolizer->no_inlines = options->no_inlines;
	symbolizer->places.debug_dirs = copy_list(options->debug_dirs, "/usr/lib/debug");
	symbolizer->places.extra_dirs = copy_list(options->extra_dirs, NULL);
	bool has_sysroot = options->sysroot != NULL && options->sysroot[0] != '\0';
	if (has_sysroot)
		symbolizer->places.sysroot = strdup(options->sysroot);
	if (symbolizer->places.debug_dirs == NULL || symbolizer->places.extra_dirs == NULL ||
	    (has_sysroot && symbolizer->places.sysroot == NULL)) {
		symbolizer_close(symbolizer);
		return NULL;
	}
	return symbolizer;
}

static void close_module(struct symbol_module *module)
{
	dwarf_index_close(module->index);
	go_table_close(module->go);
	symbol_table_free(&module->symbols);
	symbol_table_free(&module->variables);
	symbol_table_free(&module->thread_variables);
	dwarf_end(module->dwarf);
	dwarf_end(module->alternate_dwarf);
	elf_file_close(module->minidebug);
	elf_file_close(module->alternate);
	elf_file_close(module->debug);
	elf_file_close(module->file);
	free(module);
}

void symbolizer_close(struct symbolizer *symbolizer)
{
	if (symbolizer == NULL)
		return;
	while (symbolizer->modules != NULL) {
		struct symbol_module *module = symbolizer->modules;
		symbolizer->modules = module->next;
		close_module(module);
	}
	debuginfod_close(&symbolizer->debuginfod);
	string_pool_close(&symbolizer->pool);
	free_list(symbolizer->places.debug_dirs);
	free_list(symbolizer->places.extra_dirs);
	free(symbolizer->places.sysroot);
	free(symbolizer);
}

/* Opens the file that dwz moved shared DIEs to, when `debug` has one. */
static void open_alternate(struct symbol_module *module, const struct elf_file *debug)
{
	struct symbolizer *symbolizer = module->symbolizer;
	const char *name;
	const void *build_id;
	ssize_t bytes = dwelf_dwarf_gnu_debugaltlink(module->dwarf, &name, &build_id);
	if (bytes <= 0)
		return;
	module->alternate =
		locate_alternate(&symbolizer->places, &symbolizer->debuginfod, debug, name, build_id, (size_t)bytes);
	if (module->alternate != NULL)
		module->alternate_dwarf = dwarf_begin_elf(module->alternate->elf, DWARF_C_READ, NULL);
	if (module->alternate_dwarf != NULL)
		dwarf_setalt(module->dwarf, module->alternate_dwarf);
	else
		module->missing_alternate = string_pool_add_text(&symbolizer->pool, name);
	if (module->alternate_dwarf != NULL)
		return;
	/* libdw looks again by itself, for just the name. */
	char *directory = elf_file_directory(debug);
	if (!elf_file_is_harmless(directory, name)) {
		dwarf_end(module->dwarf);
		module->dwarf = NULL;
	}
	free(directory);
}

/* Returns false when out of memory. */
static bool open_dwarf(struct symbol_module *module)
{
	struct symbolizer *symbolizer = module->symbolizer;
	if (module->file == NULL || !module->file->has_dwarf)
		module->debug =
			locate_debug(&symbolizer->places, &symbolizer->debuginfod, &module->identity, module->file);
	struct elf_file *debug = module->debug != NULL ? module->debug : module->file;
	if (debug == NULL || !debug->has_dwarf)
		return true;
	module->dwarf = dwarf_begin_elf(debug->elf, DWARF_C_READ, NULL);
	if (module->dwarf == NULL)
		return true;
	open_alternate(module, debug);
	if (module->dwarf == NULL)
		return true;
	module->index = dwarf_index_open(module->dwarf, debug, &symbolizer->pool);
	return module->index != NULL;
}

static void read_symbols(struct symbol_module *module)
{
	if (module->symbols_read)
		return;
	module->symbols_read = true;
	if (module->file != NULL) {
		symbol_table_add(&module->symbols, module->file);
		module->minidebug = elf_file_minidebug(module->file);
	}
	if (module->minidebug != NULL)
		symbol_table_add(&module->symbols, module->minidebug);
	if (module->debug != NULL)
		symbol_table_add(&module->symbols, module->debug);
	symbol_table_sort(&module->symbols);
}

/* A note about missing .dwo files can come up only when a unit is hit, so this is done again then. */
static void write_note(struct symbol_module *module)
{
	struct symbolizer *symbolizer = module->symbolizer;
	const struct elf_file *main = module->file, *debug = module->debug;
	struct note_facts facts = {
		.identity = &module->identity,
		.located = &module->located,
		.has_file = main != NULL || debug != NULL,
		.has_dwarf = module->index != NULL,
		.unreadable_dwarf = module->index == NULL && ((main != NULL && main->has_dwarf) || debug != NULL),
		.unknown_compression =
			(main != NULL && main->unknown_compression) || (debug != NULL && debug->unknown_compression),
		.truncated = (main != NULL && main->truncated) || (debug != NULL && debug->truncated),
		.missing_alternate = module->missing_alternate,
		.debuginfod_wanted = debuginfod_wanted(),
		.debuginfod_unavailable = symbolizer->debuginfod.unavailable,
	};
	if (module->index != NULL) {
		facts.damaged = dwarf_index_damaged(module->index);
		facts.missing_dwo = dwarf_index_missing_dwo(module->index);
	} else if (facts.has_file) {
		read_symbols(module);
		facts.has_symbols = module->symbols.count != 0;
	}
	module->note = note_for(&symbolizer->pool, &facts);
}

static void copy_identity(struct symbol_module *module, const struct module_identity *identity)
{
	module->identity = *identity;
	module->identity.path = string_pool_add_text(&module->symbolizer->pool, identity->path);
	module->identity.name = string_pool_add_text(&module->symbolizer->pool, identity->name);
	module->identity.segments = NULL;
	module->identity.segment_count = 0;
	if (module->identity.build_id_bytes > sizeof module->build_id || identity->build_id == NULL)
		module->identity.build_id_bytes = 0;
	if (module->identity.build_id_bytes != 0)
		memcpy(module->build_id, identity->build_id, module->identity.build_id_bytes);
	module->identity.build_id = module->identity.build_id_bytes == 0 ? NULL : module->build_id;
}

struct symbol_module *symbolizer_module(struct symbolizer *symbolizer, const struct module_identity *identity)
{
	struct symbol_module *module = calloc(1, sizeof *module);
	if (module == NULL)
		return NULL;
	module->symbolizer = symbolizer;
	copy_identity(module, identity);
	if (module->identity.vdso) {
		module->file = vdso_open(module->identity.build_id, module->identity.build_id_bytes);
	} else {
		module->file = locate_module(&symbolizer->places, &module->identity, &module->located);
		if (!open_dwarf(module)) {
			close_module(module);
			return NULL;
		}
		if (module->file == NULL && module->debug == NULL)
			module->file = locate_remote_module(&symbolizer->debuginfod, &module->identity);
		if (module->file != NULL)
			module->go = go_table_open(module->file);
	}
	write_note(module);
	module->next = symbolizer->modules;
	symbolizer->modules = module;
	return module;
}

const char *symbol_module_note(const struct symbol_module *module)
{
	return module->note;
}

/* Fills in what the symbol table knows of the function at the address; with only_mangled, when that is a mangled name.
 */
static void name_by_symbol(struct symbol_module *module, uint64_t vaddr, bool only_mangled, struct symbol *out)
{
	read_symbols(module);
	const struct symbol_entry *entry = symbol_table_find(&module->symbols, vaddr);
	if (entry == NULL)
		return;
	/* In a function that DWARF names, the suffix of a clone (.cold, .constprop.0) is not a part of the name. */
	struct string_pool *pool = &module->symbolizer->pool;
	const char *name = string_pool_add(pool, entry->name, strcspn(entry->name, only_mangled ? "@." : "@"));
	if (name == NULL || name[0] == '\0')
		return;
	const char *demangled = demangle(pool, name);
	if (only_mangled && demangled == NULL)
		return;
	/* As debug information names it: the demangler leaves a clone's suffix out itself. */
	size_t length = strlen(name), plain = plain_length(name);
	if (demangled == NULL && plain < length)
		demangled = string_pool_add(pool, name, plain);
	out->function = demangled != NULL ? demangled : name;
	out->linkage_name = demangled != NULL ? name : NULL;
}

size_t symbol_module_resolve(struct symbol_module *module, uint64_t vaddr, struct symbol *out, size_t max)
{
	size_t count = 0;
	if (module->index != NULL) {
		bool was_damaged = dwarf_index_damaged(module->index);
		const char *missing_dwo = dwarf_index_missing_dwo(module->index);
		count = dwarf_index_resolve(module->index, vaddr, module->symbolizer->no_inlines, out, max);
		if (dwarf_index_damaged(module->index) != was_damaged ||
		    dwarf_index_missing_dwo(module->index) != missing_dwo)
			write_note(module);
	}
	if (count == 0 && module->go != NULL)
		count = go_table_resolve(module->go, vaddr, module->symbolizer->no_inlines, &module->symbolizer->pool,
					 out, max);
	if (count == 0)
		memset(&out[0], 0, sizeof out[0]);
	struct symbol *outermost = &out[count == 0 ? 0 : count - 1];
	if (outermost->function == NULL)
		name_by_symbol(module, vaddr, false, outermost);
	else if (outermost->linkage_name == NULL && module->index != NULL && dwarf_index_is_cxx(module->index, vaddr))
		/* gcc gives functions of anonymous namespaces, lambdas and local classes only a bare name: operator().
		 */
		name_by_symbol(module, vaddr, true, outermost);
	return count == 0 && outermost->function != NULL ? 1 : count;
}

static void add_variables(struct symbol_module *module, const struct elf_file *file)
{
	if (file == NULL)
		return;
	symbol_table_add_variables(&module->variables, file);
	symbol_table_add_thread_variables(&module->thread_variables, file);
}

static void read_variables(struct symbol_module *module)
{
	if (module->variables_read)
		return;
	module->variables_read = true;
	add_variables(module, module->file);
	add_variables(module, module->debug);
	symbol_table_sort(&module->variables);
	symbol_table_sort(&module->thread_variables);
}

static const char *name_variable(struct symbol_module *module, const struct symbol_table *table, uint64_t address,
				 uint64_t *offset)
{
	const struct symbol_entry *entry = symbol_table_find(table, address);
	if (entry == NULL)
		return NULL;
	struct string_pool *pool = &module->symbolizer->pool;
	const char *name = string_pool_add(pool, entry->name, strcspn(entry->name, "@"));
	const char *demangled = name == NULL ? NULL : demangle(pool, name);
	*offset = address - entry->address;
	return demangled != NULL ? demangled : name;
}

const char *symbol_module_variable(struct symbol_module *module, uint64_t vaddr, uint64_t *offset)
{
	read_variables(module);
	return name_variable(module, &module->variables, vaddr, offset);
}

const char *symbol_module_thread_variable(struct symbol_module *module, uint64_t place, uint64_t *offset)
{
	read_variables(module);
	return name_variable(module, &module->thread_variables, place, offset);
}
