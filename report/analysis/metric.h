/*
 * The six metrics that rank rows, and their names.
 *
 * Each metric belongs to a pair (size, count) that a table shows together; temporary blocks have no size.
 */
#ifndef MUDLARK_METRIC_H
#define MUDLARK_METRIC_H

#include "report/analysis/aggregate.h"

enum metric {
	METRIC_LIVE_BYTES,
	METRIC_LIVE_BLOCKS,
	METRIC_ALLOC_BYTES,
	METRIC_ALLOC_BLOCKS,
	METRIC_PEAK_BYTES,
	METRIC_TEMPORARY_BLOCKS,
};

/* In the order of enum metric and of enum grouping. */
#define METRIC_CHOICES "live-bytes|live-blocks|alloc-bytes|alloc-blocks|peak-bytes|temporary-blocks"
#define GROUPING_CHOICES "stack|line|function|file|module|type|thread|process"
#define LANGUAGE_CHOICES "all|native|python|c" /* c is another word for native */
#define COLOR_CHOICES "auto|always|never"

uint64_t metric_value(const struct figures *figures, enum metric metric);
/* The bytes and blocks that are shown beside the metric. Without a size (temporary blocks) *bytes is 0. */
void metric_pair(const struct figures *figures, enum metric metric, uint64_t *bytes, uint64_t *blocks);
bool metric_has_bytes(enum metric metric);
/* Returns whether the metric itself counts bytes, not blocks. */
bool metric_is_bytes(enum metric metric);
/* How uncertain the metric's value is, of estimated figures. */
const struct spread *metric_spread(const struct spreads *spreads, enum metric metric);
/* "Live", "Allocated", ... */
const char *metric_title(enum metric metric);
/* As in METRIC_CHOICES, GROUPING_CHOICES and LANGUAGE_CHOICES. */
const char *metric_name(enum metric metric);
const char *grouping_name(enum grouping by);
const char *language_name(enum language language);
/* new - old, in two's complement. */
int64_t figure_change(uint64_t old_value, uint64_t new_value);

/*
 * Puts the rows with the largest value on side first; then by the metric's bytes and blocks. Only the first `top` rows
 * are in order, what follows them comes as it may; 0: all.
 */
void rank_rows(struct aggregate *aggregate, uint32_t side, enum metric metric, size_t top);
/* The same for the largest absolute change; drops the rows whose metric and pair are unchanged. */
void rank_changes(struct aggregate *aggregate, enum metric metric, size_t top);

/* How many of the rows have something to show in the metric's pair. Ranked by it, they are the first. */
size_t rows_with_figures(const struct aggregate *aggregate, uint32_t side, enum metric metric);
/* How many rows are printed when the largest `top` are asked for; 0: all. */
size_t rows_to_print(const struct aggregate *aggregate, size_t top);
/* The exact sums of the rows from the first one on, by side. */
void sum_others(const struct aggregate *aggregate, size_t first, struct figures others[NAMES_MOST_SNAPSHOTS]);

#endif
