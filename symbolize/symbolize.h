/*
 * From (module, address) to functions, files, lines and inline frames, offline.
 *
 * Usage: one struct symbolizer per process run; one symbol_module per loaded module that the caller knows of,
 * described by a struct module_identity taken from a snapshot. Nothing here needs the process or the machine
 * that wrote the snapshot. Files are untrusted input: a damaged one gives a note, never a crash. One thread at a time
 * for a symbolizer and its modules.
 *
 * Decision that shaped it: libdw's per-address scope functions take 1861 us an address on a 31 MB library;
 * walking each compilation unit once into sorted intervals takes 0.3 us. So we index, lazily by unit.
 */
#ifndef MUDLARK_SYMBOLIZE_H
#define MUDLARK_SYMBOLIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct symbolizer;
struct symbol_module;

struct symbolizer_options {
	const char *sysroot;           /* prefix for recorded paths; NULL: none */
	const char *const *debug_dirs; /* NULL-terminated list searched before /usr/lib/debug; NULL: none */
	const char *const *extra_dirs; /* NULL-terminated list of directories with modules moved from elsewhere */
	bool no_inlines;               /* leave inline frames out */
};

/* A snapshot's facts about a module. Strings and arrays are only read during symbolizer_module(). */
struct module_segment {
	uint64_t vaddr, offset, filesz, memsz, flags; /* one PT_LOAD */
};
struct module_identity {
	const char *path;
	const char *name;        /* what notes call it; NULL: as its file */
	const uint8_t *build_id; /* NULL when build_id_bytes is 0 */
	size_t build_id_bytes;
	uint64_t device, inode, size, mtime_ns; /* all 0 when not known */
	bool vdso;
	bool deleted;
	const struct module_segment *segments;
	size_t segment_count;
};

/* One name for an address. Strings belong to the symbolizer and live until symbolizer_close(). */
struct symbol {
	const char *function;     /* demangled, without parameter list and a clone's suffix; NULL: not known */
	const char *linkage_name; /* as in the symbol table, NULL when equal to function or not known */
	const char *file;         /* path as the compiler saw it, made absolute with DW_AT_comp_dir; NULL: not known */
	uint32_t line;            /* 0: not known */
	bool inlined;             /* this function was inlined into the next symbol */
};

enum { SYMBOL_MAX_INLINES = 64 };

/* Returns NULL when out of memory. options may be NULL. */
struct symbolizer *symbolizer_open(const struct symbolizer_options *options);
void symbolizer_close(struct symbolizer *symbolizer);

/*
 * Finds the module's file: sysroot + path, extra_dirs, build-id directories, debuglink, then debuginfod if (and only
 * if) DEBUGINFOD_URLS is set. A file is only used when its build-id equals the recorded one (without build-ids:
 * when size and mtime are the recorded ones). Never fails for a reason in the files: see symbol_module_note().
 * Returns NULL when out of memory. The symbolizer owns the result.
 */
struct symbol_module *symbolizer_module(struct symbolizer *symbolizer, const struct module_identity *identity);

/*
 * Why names of this module may be missing, in one line with the fix ("libfoo.so: the file has another build-id
 * (have 12ab, need 34cd): install the version that ran or give --extra-dir"), or NULL when all is well.
 * Units are read when an address hits them, so that a missing .dwo file may only be known after resolving: ask again
 * then.
 */
const char *symbol_module_note(const struct symbol_module *module);

/*
 * Names for one ELF virtual address of the module. For a return address the caller passes address - 1.
 * Fills out[0..n-1], innermost (most inlined) first, and returns n <= max; 0 when nothing is known.
 * max must be at least 1; when there are more inline levels than max, the outermost is kept as the last.
 */
size_t symbol_module_resolve(struct symbol_module *module, uint64_t vaddr, struct symbol *out, size_t max);

/* The variable, not a thread-local one, that has this ELF virtual address, and the offset in it; NULL: not known. */
const char *symbol_module_variable(struct symbol_module *module, uint64_t vaddr, uint64_t *offset);
/* The thread-local variable that is at `place` from the beginning of the module's thread-local storage; likewise. */
const char *symbol_module_thread_variable(struct symbol_module *module, uint64_t place, uint64_t *offset);

#endif
