/*
 * Who holds the objects of a type: the shortest way from a module, a running frame or a thread to each.
 *
 * One search along references, from all roots at once, breadth first: what it comes from first is an object's parent,
 * and the chain of parents is a shortest referrer path. So no reverse edges are needed, and a million objects take one
 * more pass over them. What no such root reaches is searched from what C code or the interpreter holds; what is left
 * then is held by nothing, and waits for the collector.
 *
 * Paths are put together by where they lead through: an object's mark is made of its parent's mark and its type, and of
 * its identity where the parent is a module or another namespace. So a list of 10,000 is one path, and two caches are
 * two. A chain of like objects has one mark, however long it is.
 */
#ifndef MUDLARK_CENSUS_PATHS_H
#define MUDLARK_CENSUS_PATHS_H

#include <stdint.h>

struct census;
struct census_paths;
struct encoder;

/* For the types that census->request asks for. NULL: there is no memory. */
struct census_paths *census_paths_find(struct census *census, uintptr_t interp);
void census_paths_encode(struct encoder *encoder, struct census_paths *paths);
void census_paths_free(struct census_paths *paths);

#endif
