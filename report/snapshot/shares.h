/*
 * How many of a type's objects, or of its new objects, each holder explains.
 */
#ifndef MUDLARK_SHARES_H
#define MUDLARK_SHARES_H

#include "report/snapshot/read.h"

struct share {
	const struct snapshot_path *path;
	uint64_t objects;
};

enum { SHARES_MOST = 16 };

struct shares {
	const struct snapshot_held *held; /* NULL: the snapshot has no shares */
	uint64_t all;                     /* that there are to explain; 0: nothing is known */
	bool newer;                       /* only those that are newer than `before` are counted */
	bool estimated;                   /* by shortest ways: SHARES_BY_WAYS */
	struct share at[SHARES_MOST];     /* the largest first; those that explain nothing are left out */
	uint32_t count;
};

/*
 * Fills in those of a type, by its id. before: an earlier snapshot of the same process, so that what was born since is
 * counted; NULL, another process's, or nothing known of births: all that there is. False: the snapshot does not say.
 */
bool shares_of(struct shares *shares, const struct snapshot *snapshot, uint32_t type, const struct snapshot *before);

/* The holder among shares of at least half of the bytes of all objects of the type; NULL: there is none. */
const struct share *shares_most_bytes(const struct shares *shares);

/* A whole percent; 100 only for all, 0 only for none. */
unsigned share_percent(uint64_t objects, uint64_t all);

#endif
