/*
 * The leaks of a snapshot by kind.
 */
#ifndef MUDLARK_LEAK_KINDS_H
#define MUDLARK_LEAK_KINDS_H

#include "report/snapshot/read.h"

enum { LEAK_KINDS = LEAK_INDIRECT + 1 };

struct leak_sums {
	uint64_t blocks[LEAK_KINDS], bytes[LEAK_KINDS]; /* by enum snapshot_leak_kind */
};
struct leak_sums leak_sums_of(const struct snapshot *snapshot);

/*
 * Makes the sites' figures those of the leaks of one kind, as if these were all that there is: live for the blocks
 * themselves, allocated for what is lost with them.
 */
void leak_show_kind(struct snapshot *snapshot, int kind);

#endif
