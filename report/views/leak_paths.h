/*
 * Why blocks are reachable: mudlark leaks --retained and --path.
 *
 * A row is a stack: the size of its own reachable blocks, and of all that these retain. Its path is the shortest path
 * of its sites. Rows are ranked and numbered by what they retain. --path takes such a number, or a pattern as for
 * --filter.
 */
#ifndef MUDLARK_LEAK_PATHS_H
#define MUDLARK_LEAK_PATHS_H

#include "report/views/reading.h"

/* path: what --path says; NULL: rows without paths. Returns EXIT_FINE or fills error. */
int leak_paths_print(struct reading *reading, const char *path, struct error *error);

#endif
