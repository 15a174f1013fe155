/*
 * A survey of the heap: the live blocks and bytes of each cohort, counted by walking the records of all slabs and all
 * large blocks. Snapshots and the peak get their live counts only from here.
 *
 * The walk holds the pools' central lock, so that no slab vanishes; threads continue with the slabs that they have. A
 * block that is allocated or freed meanwhile may or may not be seen. About 4 ns a block.
 */
#ifndef MUDLARK_SURVEY_H
#define MUDLARK_SURVEY_H

#include "preload/base/lock.h"
#include "preload/heap/pool.h"

#include <stdbool.h>
#include <stdint.h>

struct survey_count {
	uint64_t blocks, bytes;
};

struct survey {
	struct survey_count *cohort; /* by cohort id */
	uint32_t cohorts;            /* ids below this were there when the survey began */
	struct survey_count total;   /* of recorded blocks */
	struct pool_usage usage;
	size_t mapped_bytes; /* of `cohort` */
};

/* One survey at a time; also serialises snapshots. */
extern struct lock survey_lock;

/*
 * Counts cohorts below `cohorts`. Caller holds survey_lock. Returns false if there is no memory. survey_end() unmaps.
 */
bool survey_take(struct survey *survey, uint32_t cohorts);
void survey_end(struct survey *survey);

#endif
