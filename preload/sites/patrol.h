/*
 * A look at all blocks with guard=1: every canary, and all that waits in the quarantine.
 *
 * Runs at each snapshot, before its tables are bounded, so that the snapshot has what it finds. Threads go on meanwhile. A block
 * that looks damaged is looked at again with its record read anew: one that was just freed, resized or handed out then
 * is as it should be. Large blocks are read by the kernel, since they may be unmapped at any moment; where it does not
 * (a container's filter), they are checked at free only.
 *
 * Reads 32 bytes and a record of each block, and 16 MiB of the quarantine: some 10 ns a block.
 */
#ifndef MUDLARK_PATROL_H
#define MUDLARK_PATROL_H

#include "preload/heap/damage.h"
#include "preload/heap/guard.h"
#include "preload/heap/pool.h"

/* Site of a cohort's blocks; 0: not known. */
uint32_t patrol_site(uint32_t cohort);

/*
 * What has happened to the canary of a guarded slab's slot, whose block has `bytes`. What begins with the block's end
 * was written behind it; what ends with the slot and leaves the block's end alone was written before the next block, if
 * one lives there.
 */
struct damage patrol_describe(struct slab *slab, uint32_t index, size_t bytes, uint32_t cohort,
			      struct guard_change change);

/* Notes what it finds: damage_note(). Takes RANK_QUARANTINE and RANK_CENTRAL, one after the other. */
void patrol(void);

#endif
