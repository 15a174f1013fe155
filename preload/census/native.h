/*
 * References in memory that no tp_traverse reports.
 *
 *   object of C code --word--> object                     numpy's ndarray.base, datetime's tzinfo, a code's constants
 *                    --word--> block --word--> object      an array of objects; what a C++ object holds for its Python
 *                                  \--> block ...          wrapper: up to three blocks deep
 *
 * A word counts as a reference if it is the address of an object whose count is higher than all references found so
 * far, and each such word explains one. Weak references are left out: their pointers are not counted.
 *
 * In the other direction, native_seek() counts, for objects that lack references, the words in all live memory that
 * lead to them. If there are no more words than references found, nothing is left that could release them. This is what
 * a missing Py_DECREF looks like; a pointer in C code's memory is a holder.
 */
#ifndef MUDLARK_CENSUS_NATIVE_H
#define MUDLARK_CENSUS_NATIVE_H

#include <stdbool.h>
#include <stdint.h>

struct census_graph;

/* Adds what is found to graph->extra and takes it from graph->external. False: there is no memory. */
bool native_references(struct census_graph *graph);

/*
 * Counts in seen[object], of objects with OBJECT_SUSPECT, the words that lead to them: in live blocks and in modules'
 * data. False: that cannot be known.
 */
bool native_seek(const struct census_graph *graph, uint32_t *seen);

#endif
