/*
 * Whose line it is: what a frame is to the question who owns a block.
 *
 *   ROLE_OWNER        anything else: it wanted the memory
 *   ROLE_INTERPRETER  CPython and its standard library, Python code and extension modules alike
 *   ROLE_WRAPPER      allocates on behalf of its caller: wrappers.h, and what the user named (--skip, config.h)
 *   ROLE_RUNTIME      the C and C++ runtimes and the loader, by module
 *
 * A block belongs to the innermost ROLE_OWNER of its stack. Without one it belongs to the innermost frame of the next
 * role in this order that is there: a stack is never without an owner because all of it was passed over.
 *
 * The role depends on where the frame is: its module, its function's name, the place of its Python file. It never
 * depends on whether debug information is there: what has a line only with it must not move a row to another function.
 * The one thing that debug information adds are functions that were inlined. Those of library headers are passed over
 * for the function that they were inlined into, which is what remains without it. Others own what they allocate by line
 * and stack, and reports name the function whose frame it is beside them; by function that one owns it
 * (location_frame()), so that rows are the same without debug information.
 *
 * All commands ask names.h, which asks here: there is no second rule.
 */
#ifndef MUDLARK_OWNER_H
#define MUDLARK_OWNER_H

#include "report/base/memory.h"

#include <stdbool.h>

enum frame_role { ROLE_OWNER, ROLE_INTERPRETER, ROLE_WRAPPER, ROLE_RUNTIME, FRAME_ROLES };

struct location;

/* Patterns that the user gave, as filter.h matches them. The strings are the caller's, or in `texts`. */
struct skips {
	const char **patterns;
	size_t count, capacity;
	struct arena texts;
};
void skips_add(struct skips *skips, const char *pattern);
void skips_free(struct skips *skips);

/*
 * Returns whether the module is part of the C or C++ runtime or the loader, by its name: libc.so.6,
 * libstdc++.so.6.0.30.
 */
bool owner_is_runtime_module(const char *module_name);

/*
 * interpreter: the location is CPython's, or of its standard library. runtime: its module is a runtime one. skips may
 * be NULL.
 */
enum frame_role owner_role(const struct location *location, bool interpreter, bool runtime, const struct skips *skips);

#endif
