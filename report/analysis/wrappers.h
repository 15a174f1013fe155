/*
 * Functions that allocate on behalf of their caller, known by name.
 *
 * A row is to name the code that wanted the memory, not the function through which a project calls malloc. Which
 * functions these are cannot be seen in a stack, and nothing is guessed: a function is passed over when its name is in
 * the list of wrappers.c, and otherwise only when the user names it (--skip, a configuration file). The list holds
 *   wrappers of malloc and its kin    xmalloc, zmalloc, g_malloc, CRYPTO_malloc, operator new of any class
 *   copies of strings and memory      xstrdup, g_strdup
 *   pools that hand out memory        ngx_palloc, palloc: the pool takes a block when its caller asks for memory
 *   containers of C++ and Rust        everything in std::, __gnu_cxx::, alloc::, core::, hashbrown::
 *   Go's runtime and its cgo stubs
 * and no function that makes something of the memory (an object with a name of its own, a parsed file).
 *
 * man/mudlark-owner.7.scd prints the list; a test holds the two together.
 */
#ifndef MUDLARK_WRAPPERS_H
#define MUDLARK_WRAPPERS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Returns whether the function is in the list. function: demangled, without parameters; linkage_name: as in the symbol
 * table, or NULL. What compilers add to a clone's name is not looked at.
 */
bool wrapper_is_known(const char *function, const char *linkage_name);

/* An entry of the list. */
struct wrapper {
	const char *name; /* of a function, without template arguments; of wrapper_patterns() with '*' for any text */
	const char *from; /* whose function it is */
};
const struct wrapper *wrapper_names(size_t *count);
const struct wrapper *wrapper_patterns(size_t *count);

#endif
