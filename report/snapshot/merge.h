/*
 * The snapshots of several processes as one, for what shows one: a parent and its workers in one table.
 *
 * Every id of the merged snapshot is that of a part plus what the parts before it have; so rows are merged where they
 * are merged in one process as well: by what their frames are, not by ids. Totals are sums, also the peaks, which the
 * processes need not have had at the same time. What is a process's own has no sum: a timeline, notes; META is the
 * first part's.
 *
 * Cohorts keep one thing only of their epochs: those that a part inherited at fork have epoch 1, the epoch inherited by
 * the whole; all others have 2.
 */
#ifndef MUDLARK_SNAPSHOT_MERGE_H
#define MUDLARK_SNAPSHOT_MERGE_H

#include "report/snapshot/read.h"

/*
 * Merges count snapshots, one at least, each of another process, and takes them, in any case: snapshot_free() frees
 * them with the result. NULL and error when they do not go together.
 */
struct snapshot *snapshot_merge(struct snapshot **parts, uint32_t count, struct error *error);

/*
 * Of several snapshots of one process keeps the newest, in the place of the first, and frees the others. Returns how
 * many are left.
 */
uint32_t snapshot_keep_newest(struct snapshot **snapshots, uint32_t count);

#endif
