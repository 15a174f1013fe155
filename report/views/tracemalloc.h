/*
 * Rows in the format of Python's tracemalloc, for people and scripts that read it:
 *
 *   app.py:12: size=1368 KiB (+684 KiB), count=14000 (+7000), average=100 B
 *
 * as str() of tracemalloc.StatisticDiff (diff) or tracemalloc.Statistic (show), with its units and its rounding. A row
 * without a source line appears under its module's path and line 0, because tracemalloc uses line 0 for unknown lines.
 */
#ifndef MUDLARK_TRACEMALLOC_H
#define MUDLARK_TRACEMALLOC_H

#include "report/views/present.h"

/* A row's figures. */
struct tracemalloc_figures {
	uint64_t size, count;
	int64_t size_diff, count_diff; /* only with changes */
};

/* Appends what follows "file:line: ", without a line break. */
void tracemalloc_figures(struct buffer *out, const struct tracemalloc_figures *figures, bool changes);

/* Row writers of show and diff. */
void tracemalloc_show(const struct reading *reading, const struct aggregate *aggregate, FILE *stream);
void tracemalloc_diff(const struct reading *reading, const struct aggregate *aggregate, FILE *stream);

#endif
