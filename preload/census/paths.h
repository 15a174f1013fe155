/*
 * The holders of a type's objects: the shortest path from a module, a running frame or a thread to each.
 *
 * One search along references, breadth first and from all roots at once: the object from which an object is reached
 * first is its parent, and the chain of parents is a shortest referrer path. So no reverse edges are needed, and a
 * million objects take one more pass over them. Objects that no such root reaches are searched from what C code or the
 * interpreter holds. What is left then is held by nothing, and waits for the collector.
 *
 * Paths are combined by where they lead through: an object's mark consists of its parent's mark and its type, and of
 * its identity if the parent is a module or another namespace. So a list of 10,000 is one path, and two caches are two.
 * A chain of similar objects has one mark, however long it is.
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
