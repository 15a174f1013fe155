/*
 * CPython's objects as blocks of ours.
 *
 * pymalloc cuts objects of up to 512 bytes out of arenas that it maps itself, so a malloc that is watched sees none of
 * them. PyMem_SetAllocator puts our functions under the domains OBJ and MEM. Our constructor calls it before
 * Py_Initialize, so that no block is ever freed by another allocator than its own. It works with -I and -E, where
 * PYTHONMALLOC is ignored. -X dev, PYTHONMALLOC=debug and the like install their own hooks over what they take for the
 * default, which forgets ours: objects are then pymalloc's, and the snapshot reports this. An allocator that is put
 * over another one, such as tracemalloc and those hooks, is looked through: the owner of the blocks counts.
 *
 * An interpreter that is loaded by dlopen keeps pymalloc: when it is noticed, it has already begun to allocate.
 */
#ifndef MUDLARK_PYTHON_OBJECTS_H
#define MUDLARK_PYTHON_OBJECTS_H

#include "preload/interface/snapshot_format.h"

#include <stdbool.h>
#include <stddef.h>

/* PyMemAllocatorEx, the same since 3.5 (Include/cpython/pymem.h, PEP 445). */
struct python_allocator {
	void *context;
	void *(*malloc)(void *context, size_t size);
	void *(*calloc)(void *context, size_t count, size_t size);
	void *(*realloc)(void *context, void *p, size_t size);
	void (*free)(void *context, void *p);
};

/*
 * From the constructor, after python_look(). Does nothing where there is no interpreter. replace: by ours, which stays
 * the caller's and valid.
 */
void python_objects_init(const struct python_allocator *ours, bool replace);

/* Whose the objects are now. */
enum snapshot_objects python_objects_state(void);

#endif
