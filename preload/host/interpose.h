/* What interpose.c has besides the exported functions. */
#ifndef MUDLARK_INTERPOSE_H
#define MUDLARK_INTERPOSE_H

#include "preload/python/objects.h"

/* malloc and its kin for CPython's objects. */
extern const struct python_allocator interpose_objects;

#endif
