/*
 * The snapshots of several processes as one, for commands that show one: a parent and its workers in one table.
 *
 * An id of the merged snapshot is the id in its part plus the counts of all parts before it. Rows are therefore merged
 * as within one process: by what their frames are, not by ids. Totals are sums. So are peaks, although the processes
 * need not have reached them at the same time. Data of a single process are not summed: timeline and notes are dropped,
 * and META is the first part's.
 *
 * Cohorts keep only one property of their epochs: those that a part inherited at fork have epoch 1, the inherited epoch
 * of the whole; all others have 2.
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
