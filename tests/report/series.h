/*
 * A series of synthetic snapshots of one process: what lives of each stack, by the epoch of its birth.
 */
#ifndef TESTS_SERIES_H
#define TESTS_SERIES_H

#include "report/analysis/growth.h"
#include "tests/report/synthetic.h"

/* Blocks of 100 bytes of the stack (1 .. 4) that were born in `birth` and live at the end of `epoch`. */
typedef uint64_t series_blocks(uint32_t stack, uint32_t birth, uint32_t epoch);

enum { SERIES_BLOCK_BYTES = 100 };

/* The file of snapshot number `epoch` of process pid. marks: how many iterations it marked so far. */
static inline void series_file(uint64_t pid, uint32_t epoch, uint64_t marks, enum snapshot_trigger trigger,
			       series_blocks *blocks, struct buffer *file)
{
	struct synthetic *s = synthetic_new(pid, 0, "AAAAAAAA");
	struct snapshot_cohort *cohorts = calloc((size_t)4 * epoch, sizeof *cohorts);
	s->snapshot.numbers[META_TRIGGER] = trigger;
	s->snapshot.numbers[META_EPOCH] = s->snapshot.numbers[META_NUMBER] = epoch;
	s->snapshot.numbers[META_MARKS] = marks;
	s->snapshot.numbers[META_ELAPSED_NS] = epoch * UINT64_C(1000000000);
	s->snapshot.cohorts = cohorts;
	for (uint32_t stack = 1; stack <= 4; stack++) {
		uint32_t id = ++s->snapshot.site_count;
		s->sites[id] =
			(struct snapshot_site){.stack = stack, .thread = 1, .alloc_blocks = 1000, .alloc_bytes = 1};
		for (uint32_t birth = 1; birth <= epoch; birth++) {
			uint64_t count = blocks(stack, birth, epoch);
			if (!count)
				continue;
			cohorts[s->snapshot.cohort_count++] =
				(struct snapshot_cohort){id, birth, count, count * SERIES_BLOCK_BYTES};
			s->snapshot.totals[TOTAL_LIVE_BLOCKS] += count;
			s->snapshot.totals[TOTAL_LIVE_BYTES] += count * SERIES_BLOCK_BYTES;
		}
	}
	synthetic_file(s, true, 100, file);
	free(cohorts);
	free(s);
}

/* The same, decoded; taken by interval. */
static inline struct snapshot *series_snapshot(uint64_t pid, uint32_t epoch, uint64_t marks, series_blocks *blocks)
{
	struct buffer file = {0};
	struct error error = {0};
	char name[32];
	snprintf(name, sizeof name, "series.%u.mud", epoch);
	series_file(pid, epoch, marks, TRIGGER_INTERVAL, blocks, &file);
	struct snapshot *snapshot = snapshot_decode(file.data, file.length, name, 0, &error);
	buffer_free(&file);
	return snapshot;
}

/* Stack 1 leaks 2 blocks an epoch under churn, 2 is a cache that stopped at epoch 9, 3 churns, 4 was made once. */
static inline uint64_t series_usual(uint32_t stack, uint32_t birth, uint32_t epoch)
{
	switch (stack) {
	case 1:
		return birth == epoch ? 42 : 2;
	case 2:
		return birth < 10 ? 20 : 0;
	case 3:
		return birth == epoch ? 40 : 0;
	default:
		return birth == 1 ? 7 : 0;
	}
}

/* Epochs 1 .. count. */
static inline void series_make(struct series *series, uint32_t count, uint64_t marks_per_epoch, series_blocks *blocks)
{
	*series = (struct series){.kind = SERIES_INTERVAL, .found = count};
	for (uint32_t i = 0; i < count; i++)
		series_add(series, series_snapshot(77, i + 1, (i + 1) * marks_per_epoch, blocks), i);
}

#endif
