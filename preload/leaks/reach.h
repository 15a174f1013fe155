/*
 * The search for leaks: which live blocks the program can still reach.
 *
 *   stop_world -> blocks -> roots -> passes (mark.h) -> components of what is left (condense.h) -> sums by site
 *
 * Roots are all readable and writable mappings that are not Mudlark's; the stacks of threads from their stack pointers
 * on; the rest of their mappings (thread-local storage, the argument of a thread that has not started); registers. The
 * search does not read freed blocks, bytes after a block's requested size, stacks of threads that have ended, the
 * frames of the calls through which the search was started (outside.h), and those of exit() and of the libc functions
 * that call handlers.
 *
 * Always roots: blocks that ld.so allocated (it keeps pointers into their middle), blocks that the program asked to
 * ignore, and blocks without a record, unless allocations are sampled.
 *
 * At the end of a process the search runs inline. For a process that continues, it runs in a copy (forked.h), and the
 * threads are stopped only while the copy is made.
 */
#ifndef MUDLARK_REACH_H
#define MUDLARK_REACH_H

#include "preload/leaks/mark.h"
#include "preload/leaks/paths.h"
#include "preload/process/stop.h"
#include "preload/unwind/outside.h"

#include <stdbool.h>
#include <stdint.h>

struct reach_count {
	uint64_t blocks, bytes;
};

struct reach_site {
	struct reach_count kind[REACH_KINDS]; /* [REACH_NONE]: lost with this site's definite ones */
};

/* What is lost with the definite leaks of `leader`, of one site. */
struct reach_indirect {
	uint32_t leader, site; /* site ids */
	struct reach_count count;
};

struct reach {
	struct reach_site *site; /* by site id; NULL: nothing was found out */
	uint32_t sites;
	uint32_t incomplete; /* enum snapshot_leaks_incomplete */
	struct reach_count total[REACH_KINDS];
	struct reach_count unrecorded;
	struct reach_indirect *indirect; /* a hash table, free places with leader 0; NULL: there is nothing */
	uint32_t indirect_places, indirect_pairs;
	uint64_t words, root_bytes, unread_bytes, scan_ns, stopped_ns;
	uint32_t threads_running, threads_in_kernel;
	struct reach_object *object; /* NULL: they were not asked for */
	struct reach_thread *thread; /* likewise */
	size_t objects, threads, object_bytes, thread_bytes;
	struct paths paths; /* why blocks are reachable; nothing when it was not asked for, or there was no memory */
};

/* What a search does otherwise than by itself; lsan_options.h has who says so. */
struct reach_choice {
	bool no_globals, no_stacks, no_registers, no_storage, no_regions; /* is no root; storage: thread-local */
	bool unaligned;                                                   /* pointers are looked for at every byte */
	bool list_objects, list_threads;
};

/* With list_objects: a block that leaked. */
struct reach_object {
	uintptr_t start;
	size_t size;
	uint32_t site, kind; /* site id, enum reach_kind */
};

/* With list_threads: a thread, and what was read of it; 0: nothing was. */
struct reach_thread {
	uint32_t tid, state; /* enum snapshot_searched */
	uintptr_t sp, stack_end, storage, storage_end;
};

/* The thread that searches, and for what. */
struct reach_self {
	struct outside outside; /* where its own stack begins to count, and its registers there */
	bool retained;          /* it asks for paths and retained sizes, too */
	bool process_ends;      /* behind it nothing but that comes */
	uint64_t not_copied;    /* bytes that the copy which searches has not got */
	struct reach_choice choice;
};

/* From the constructor: what of the address space is the library itself. */
void reach_init(void);

/*
 * Searches while the threads stand. Reads /proc/self. Caller holds no lock but the snapshot's. reach_end() unmaps, also
 * when there was no memory (then `incomplete` says so).
 */
void reach_take(struct reach *reach, const struct stopped *stopped, const struct reach_self *self, uint32_t sites,
		uint32_t cohorts, uint32_t inherited_epoch);
void reach_end(struct reach *reach);

#endif
