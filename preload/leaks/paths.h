/*
 * Why blocks are reachable, and what they retain: a shortest path for each site, and each stack's retained size.
 *
 *   trace (parents, pointers) --> path of the block of each site that was reached first
 *                             \-> dominators --> sum over each subtree --> by stack, nested ones once
 *
 * Similar neighbours on a path (the nodes of a list) are one step. Of a path that is still too long, the ends are kept.
 * The total length of all paths that is followed is bounded; paths beyond that are counted.
 */
#ifndef MUDLARK_PATHS_H
#define MUDLARK_PATHS_H

#include "preload/base/encode.h"
#include "preload/leaks/mark.h"
#include "preload/process/stop.h"

struct path_step {
	uint32_t site; /* 0: not recorded */
	uint64_t bytes, offset, times;
};

enum { PATH_END_STEPS = 8 };

/* What of the program a root is in: as in PLACES. */
struct path_place {
	uint32_t module;  /* 0: not known */
	bool exact;       /* of a frame: FRAME_EXACT */
	uint64_t address; /* of a frame, as in FRAMES; or the offset among the module's thread-local variables */
};

struct path {
	enum snapshot_root root; /* 0: none */
	uint32_t thread;
	uint64_t place, bytes;
	struct path_place in; /* of ROOT_STACK and ROOT_REGISTER a frame, of ROOT_THREAD a variable */
	uint64_t left_out;    /* blocks between the two ends of the steps */
	uint32_t steps, near_root;
	struct path_step step[2 * PATH_END_STEPS]; /* from the root on */
};

struct path_retained {
	uint64_t blocks, bytes;
};

struct paths {
	struct path *path;              /* by site */
	struct path_retained *retained; /* by site, the first one of a stack; NULL: nothing is known */
	uint32_t sites;
	uint64_t left_out;          /* sites without a path for its length */
	uint32_t frames, variables; /* paths that begin in one that is known */
};

struct reach_self;

/*
 * From a mark that is done, and has a trace. site_of: of a cohort, 0 for none. false when there is no memory.
 * paths_end() unmaps, also after a failure.
 */
bool paths_find(struct paths *paths, struct mark *mark, const struct stopped *stopped, const struct reach_self *self,
		uint32_t sites, uint32_t (*site_of)(uint32_t cohort));
void paths_end(struct paths *paths);

/* At the end of FRAMES: paths->frames of them, with ids from first_frame on. */
void paths_encode_frames(struct encoder *encoder, const struct paths *paths, uint32_t first_frame);
/* PATHS, RETAINED and PLACES. */
void paths_encode(struct encoder *encoder, const struct paths *paths, uint32_t first_frame);

#endif
