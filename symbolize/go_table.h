/*
 * Functions, files and lines of Go code, from the table that every Go program carries for its own tracebacks.
 *
 *   .gopclntab   header, function names, compilation units' file lists, file names, tables by pc, functions by entry
 *   functab      entry offset -> _func: name, file table, line table, inline index table, where its inline tree is
 *   moduledata   the runtime's own description of the image: where the text and the inline trees (go.func.*) begin
 *
 * `go build -ldflags="-s -w"` and `strip` leave it in place, so that Go code has lines without DWARF. The layouts of Go
 * 1.2, 1.16, 1.18 and 1.20 are distinguished by their magic number (src/debug/gosym/pclntab.go, src/runtime/symtab.go of
 * these releases). Inlined calls are known from 1.18 on, if the moduledata is found; without it a line is that of the
 * inlined code, and the function the one around it.
 *
 * The file is untrusted: every offset is checked against the section, whatever the table says of itself.
 */
#ifndef MUDLARK_SYMBOLIZE_GO_TABLE_H
#define MUDLARK_SYMBOLIZE_GO_TABLE_H

#include "symbolize/elf_file.h"
#include "symbolize/string_pool.h"
#include "symbolize/symbolize.h"

struct go_table;

/* The table of the file, which must outlive it. NULL: there is none, it cannot be read, or out of memory. */
struct go_table *go_table_open(const struct elf_file *file);
void go_table_close(struct go_table *table);

/*
 * Names of the address, innermost first, at most max of them; 0: no Go function has it. Texts are the pool's. The
 * outermost one is the function that has the code; with no_inlines it is the only one.
 */
size_t go_table_resolve(const struct go_table *table, uint64_t address, bool no_inlines, struct string_pool *pool,
			struct symbol *out, size_t max);

#endif
