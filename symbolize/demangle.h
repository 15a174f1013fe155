/*
 * Readable names of C++ and Rust (legacy and v0) symbols, without parameter lists or with them.
 *
 * Names are untrusted: input and output are bounded, because a mangled name of 100 bytes with back references
 * can stand for gigabytes.
 */
#ifndef MUDLARK_SYMBOLIZE_DEMANGLE_H
#define MUDLARK_SYMBOLIZE_DEMANGLE_H

#include "symbolize/string_pool.h"

/* Returns the pool's string, or NULL when the name is not mangled, too long, or out of memory. */
const char *demangle(struct string_pool *pool, const char *name);

/*
 * The whole declaration: with parameters, and with what an instance of a template returns, as sanitizers print it.
 * Rust's names have neither. malloced; NULL likewise.
 */
char *demangle_signature(const char *name);

/*
 * Returns the length of a function's name without what compilers add to the name of a clone: ".constprop.0", ".part.0",
 * ".cold", ".llvm.123", or " [clone ..." in a demangled name. Debug information has the name without it.
 */
size_t plain_length(const char *name);

#endif
