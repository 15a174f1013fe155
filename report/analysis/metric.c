/*
 * See metric.h. The order is total, in the last place by first use of the row, so that one snapshot always gives the
 * same report.
 *
 * Of 100,000 rows, 20 are printed. They are found with a heap and moved to the front. Sorting all rows, and moving 15
 * MB of them, took a fifth of the time of `mudlark show`.
 */
#include "report/analysis/metric.h"

#include <stdlib.h>
#include <string.h>

uint64_t metric_value(const struct figures *figures, enum metric metric)
{
	switch (metric) {
	case METRIC_LIVE_BYTES:
		return figures->live_bytes;
	case METRIC_LIVE_BLOCKS:
		return figures->live_blocks;
	case METRIC_ALLOC_BYTES:
		return figures->alloc_bytes;
	case METRIC_ALLOC_BLOCKS:
		return figures->alloc_blocks;
	case METRIC_PEAK_BYTES:
		return figures->peak_bytes;
	case METRIC_TEMPORARY_BLOCKS:
		return figures->temporary_blocks;
	}
	return 0;
}

void metric_pair(const struct figures *figures, enum metric metric, uint64_t *bytes, uint64_t *blocks)
{
	switch (metric) {
	case METRIC_ALLOC_BYTES:
	case METRIC_ALLOC_BLOCKS:
		*bytes = figures->alloc_bytes;
		*blocks = figures->alloc_blocks;
		return;
	case METRIC_PEAK_BYTES:
		*bytes = figures->peak_bytes;
		*blocks = figures->peak_blocks;
		return;
	case METRIC_TEMPORARY_BLOCKS:
		*bytes = 0;
		*blocks = figures->temporary_blocks;
		return;
	case METRIC_LIVE_BYTES:
	case METRIC_LIVE_BLOCKS:
		break;
	}
	*bytes = figures->live_bytes;
	*blocks = figures->live_blocks;
}

bool metric_is_bytes(enum metric metric)
{
	return metric == METRIC_LIVE_BYTES || metric == METRIC_ALLOC_BYTES || metric == METRIC_PEAK_BYTES;
}

const struct spread *metric_spread(const struct spreads *spreads, enum metric metric)
{
	switch (metric) {
	case METRIC_LIVE_BYTES:
		break;
	case METRIC_LIVE_BLOCKS:
		return &spreads->live_blocks;
	case METRIC_ALLOC_BYTES:
		return &spreads->alloc_bytes;
	case METRIC_ALLOC_BLOCKS:
		return &spreads->alloc_blocks;
	case METRIC_PEAK_BYTES:
		return &spreads->peak_bytes;
	case METRIC_TEMPORARY_BLOCKS:
		return &spreads->temporary_blocks;
	}
	return &spreads->live_bytes;
}

bool metric_has_bytes(enum metric metric)
{
	return metric != METRIC_TEMPORARY_BLOCKS;
}

const char *metric_title(enum metric metric)
{
	static const char *const titles[] = {"Live", "Live", "Allocated", "Allocated", "Peak", "Temporary"};
	return titles[metric];
}

const char *metric_name(enum metric metric)
{
	static const char *const names[] = {"live-bytes",   "live-blocks", "alloc-bytes",
					    "alloc-blocks", "peak-bytes",  "temporary-blocks"};
	return names[metric];
}

const char *grouping_name(enum grouping by)
{
	static const char *const names[] = {"stack", "line", "function", "file", "module", "type", "thread", "process"};
	return names[by];
}

const char *language_name(enum language language)
{
	static const char *const names[] = {"all", "native", "python"};
	return names[language];
}

size_t rows_with_figures(const struct aggregate *aggregate, uint32_t side, enum metric metric)
{
	size_t count = 0;
	for (size_t i = 0; i < aggregate->row_count; i++) {
		uint64_t bytes, blocks;
		metric_pair(&aggregate->rows[i].figures[side], metric, &bytes, &blocks);
		count += bytes || blocks;
	}
	return count;
}

size_t rows_to_print(const struct aggregate *aggregate, size_t top)
{
	return top && top < aggregate->row_count ? top : aggregate->row_count;
}

void sum_others(const struct aggregate *aggregate, size_t first, struct figures others[NAMES_MOST_SNAPSHOTS])
{
	memset(others, 0, NAMES_MOST_SNAPSHOTS * sizeof *others);
	for (size_t i = first; i < aggregate->row_count; i++)
		for (size_t side = 0; side < NAMES_MOST_SNAPSHOTS; side++)
			figures_add(&others[side], &aggregate->rows[i].figures[side]);
}

int64_t figure_change(uint64_t old_value, uint64_t new_value)
{
	return (int64_t)(new_value - old_value);
}

struct rank {
	uint64_t value, bytes, blocks;
	size_t position;
};

static int compare_ranks(const void *left, const void *right)
{
	const struct rank *a = left, *b = right;
	if (a->value != b->value)
		return a->value > b->value ? -1 : 1;
	if (a->bytes != b->bytes)
		return a->bytes > b->bytes ? -1 : 1;
	if (a->blocks != b->blocks)
		return a->blocks > b->blocks ? -1 : 1;
	return (a->position > b->position) - (a->position < b->position);
}

static int compare_backwards(const void *left, const void *right)
{
	return compare_ranks(right, left);
}

/* A heap: each is further back in the order than the two below it. Moves what is at the root to where it belongs. */
static void sink(struct rank *heap, size_t count)
{
	for (size_t at = 0, last = 0;; at = last) {
		for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++)
			if (compare_ranks(&heap[child], &heap[last]) > 0)
				last = child;
		if (last == at)
			return;
		struct rank moved = heap[at];
		heap[at] = heap[last];
		heap[last] = moved;
	}
}

/* Brings the first `top` of the order to the front, in order. */
static void select_ranks(struct rank *ranks, size_t count, size_t top)
{
	/* Sorted backwards, they are a heap. */
	qsort(ranks, top, sizeof *ranks, compare_backwards);
	for (size_t i = top; i < count; i++)
		if (top && compare_ranks(&ranks[i], &ranks[0]) < 0) {
			struct rank moved = ranks[0];
			ranks[0] = ranks[i];
			ranks[i] = moved;
			sink(ranks, top);
		}
	qsort(ranks, top, sizeof *ranks, compare_ranks);
}

/* Puts the rows of the first `top` of the order at the front; the others stay, in no useful order. */
static void order_rows(struct aggregate *aggregate, struct rank *ranks, size_t top)
{
	size_t count = aggregate->row_count;
	top = top && top < count ? top : count;
	select_ranks(ranks, count, top);
	struct row *front = must_allocate(top, sizeof *front);
	bool *chosen = must_allocate(top, sizeof *chosen); /* of the rows at the front */
	for (size_t i = 0; i < top; i++) {
		front[i] = aggregate->rows[ranks[i].position];
		if (ranks[i].position < top)
			chosen[ranks[i].position] = true;
	}
	for (size_t i = 0, left = 0; i < top; i++) {
		if (ranks[i].position < top)
			continue;
		while (chosen[left])
			left++;
		aggregate->rows[ranks[i].position] = aggregate->rows[left++];
	}
	if (top)
		memcpy(aggregate->rows, front, top * sizeof *front);
	free(front);
	free(chosen);
}

void rank_rows(struct aggregate *aggregate, uint32_t side, enum metric metric, size_t top)
{
	struct rank *ranks = must_allocate(aggregate->row_count, sizeof *ranks);
	for (size_t i = 0; i < aggregate->row_count; i++) {
		const struct figures *figures = &aggregate->rows[i].figures[side];
		ranks[i] = (struct rank){.value = metric_value(figures, metric), .position = i};
		metric_pair(figures, metric, &ranks[i].bytes, &ranks[i].blocks);
	}
	order_rows(aggregate, ranks, top);
	free(ranks);
}

void rank_changes(struct aggregate *aggregate, enum metric metric, size_t top)
{
	struct rank *ranks = must_allocate(aggregate->row_count, sizeof *ranks);
	size_t count = 0;
	for (size_t i = 0; i < aggregate->row_count; i++) {
		const struct figures *figures = aggregate->rows[i].figures;
		uint64_t old_bytes, new_bytes, old_blocks, new_blocks;
		metric_pair(&figures[0], metric, &old_bytes, &old_blocks);
		metric_pair(&figures[1], metric, &new_bytes, &new_blocks);
		if (old_bytes == new_bytes && old_blocks == new_blocks)
			continue;
		int64_t change = figure_change(metric_value(&figures[0], metric), metric_value(&figures[1], metric));
		ranks[count] = (struct rank){.value = change < 0 ? -(uint64_t)change : (uint64_t)change,
					     .bytes = new_bytes,
					     .blocks = new_blocks,
					     .position = count};
		aggregate->rows[count++] = aggregate->rows[i];
	}
	aggregate->row_count = count;
	order_rows(aggregate, ranks, top);
	free(ranks);
}
