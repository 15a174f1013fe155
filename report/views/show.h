/*
 * The show report, also for `export --format json`, which is show's JSON with all rows.
 */
#ifndef MUDLARK_SHOW_H
#define MUDLARK_SHOW_H

#include "report/views/reading.h"

/* Writes schema mudlark.show/1, or /2 if frames are stored in a table, of the ranked rows. */
void show_json(const struct reading *reading, const struct aggregate *aggregate, FILE *stream);

#endif
