/*
 * Why blocks are reachable: mudlark leaks --retained and --path.
 *
 * A row is a stack: what its own blocks that are reached take, and what would go with them. Its path is the shortest
 * one of its sites'. Rows are numbered by what they retain, and --path takes that number, or a pattern as --filter
 * does.
 */
#ifndef MUDLARK_LEAK_PATHS_H
#define MUDLARK_LEAK_PATHS_H

#include "report/views/reading.h"

/* path: what --path says; NULL: rows without paths. Returns EXIT_FINE or fills error. */
int leak_paths_print(struct reading *reading, const char *path, struct error *error);

#endif
