/*
 * The location of CPython's standard library: everything in it belongs to the interpreter.
 *
 * Only the location decides, never the name of a module: a package of the program may be called json. The directories
 * of a process are found in its snapshot, because the machine may be another one:
 *   below the interpreter's own prefix     PREFIX/lib/python3.11, PREFIX/lib64/python3.11
 *   where its `encodings` package is       which every interpreter loads from there before anything else, even if the
 *                                          prefix is reached by a symbolic link
 * In them, site-packages and dist-packages are not part of the library: they contain what was installed.
 */
#ifndef MUDLARK_PYTHON_LIBRARY_H
#define MUDLARK_PYTHON_LIBRARY_H

#include "report/snapshot/read.h"

struct python_library {
	char **directories; /* without a slash at the end */
	size_t count, capacity;
};

/* interpreter: id of its module; 0: not known, and then there is no library. */
void python_library_find(struct python_library *library, const struct snapshot *snapshot, uint32_t interpreter);
/* Returns whether this file of Python code, or this extension module, belongs to the library; "<frozen os>" does. */
bool python_library_has(const struct python_library *library, const char *path);
void python_library_free(struct python_library *library);

#endif
