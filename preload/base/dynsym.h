/*
 * The symbols that one loaded module exports, found in its own tables.
 *
 * dlsym takes ld.so's lock and may allocate: it cannot be called inside malloc, nor for a library that was loaded with
 * RTLD_LOCAL. The tables that ld.so itself uses (DT_SYMTAB, DT_STRTAB, DT_GNU_HASH; System V gABI, chapter 5, and the
 * GNU hash section that binutils define) are mapped for as long as the module is. No lock, no memory.
 */
#ifndef MUDLARK_DYNSYM_H
#define MUDLARK_DYNSYM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct link_map;

struct dynsym {
	const void *symbols; /* DT_SYMTAB */
	const char *strings;
	const uint32_t *gnu_hash;
	uintptr_t bias;
};

/* The tables of the module. False: it has none that are understood. The module must stay loaded. */
bool dynsym_open(struct dynsym *tables, const struct link_map *map);

/* Address of an exported function or object; 0: there is none of this name. *bytes, unless NULL, is its size. */
uintptr_t dynsym_find(const struct dynsym *tables, const char *name, size_t *bytes);

/* All of this name: a library has one for each of its versions. Returns how many were written, at most `most`. */
struct dynsym_match {
	uintptr_t address;
	size_t bytes;
};
size_t dynsym_find_all(const struct dynsym *tables, const char *name, struct dynsym_match *out, size_t most);

#endif
