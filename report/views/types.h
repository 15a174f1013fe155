/*
 * Objects of CPython by type: show and diff --by type.
 *
 * A row is a type's name; types that share it are one row. Below it are the lines that allocated most of its objects
 * and, if the newer snapshot has referrer paths, the reason why they are held.
 */
#ifndef MUDLARK_TYPES_H
#define MUDLARK_TYPES_H

#include "report/text/json_write.h"
#include "report/views/reading.h"

#include <stdio.h>

/* Loads `count` snapshots and writes their types, or what changed between two. Returns EXIT_FINE or fills error. */
int types_present(struct reading *reading, const char *const *paths, uint32_t count, bool changes, struct error *error);

/* Fills error when the snapshot has no census, with the reason and what to do. */
int types_need_census(const struct snapshot *snapshot, const char *path, struct error *error);

/* The collector's figures, and what the census counted in all. */
void collector_print(const struct snapshot *snapshot, FILE *stream);
void collector_json(const struct snapshot *snapshot, struct json *json);

#endif
