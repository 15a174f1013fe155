/*
 * The origin of allocations: stacks, sites and cohorts.
 *
 *   frame    (parent frame, module, address in it): a trie, so that 100,000 stacks that share their outer frames cost
 *            megabytes. A module that is loaded again elsewhere has the same frames (modules.h)
 *   stack    the id of its innermost frame: the trie compares exactly, so equal ids are equal stacks. Stacks whose outer
 *            frames are missing have a separate trie
 *   site     (stack, thread, class), with the counters of its allocations; the class is that of their size when
 *            allocations are sampled (sample.h), and 0 otherwise
 *   cohort   (site, epoch): the id in each live block's record
 *
 * All are tables that only grow and never move (meta.h) with hash sets over them (id_table.h): a lookup takes no lock,
 * and an insertion happens once for each new stack. Each heap has a cache in front of them (record.c), so that most
 * allocations use none of this.
 *
 * Cohorts of past epochs without live blocks are reused: a process that writes a snapshot per second for a year keeps
 * only as many cohorts as it has rows to show.
 *
 * The table of frames holds 16 M frames, 192 MB. A program that fills three quarters of it keeps 16 frames of further
 * stacks, later 4, then only the innermost one: such stacks are cut, and counted.
 *
 * Cohort ids 1 and 2 are reserved: COHORT_UNKNOWN for blocks whose stack is not known, at site 1, and COHORT_IGNORED
 * for blocks that the program asked to ignore.
 */
#ifndef MUDLARK_STACKS_H
#define MUDLARK_STACKS_H

#include "preload/base/id_table.h"
#include "preload/base/meta.h"
#include "preload/sites/threads.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	COHORT_UNKNOWN = 1,
	COHORT_IGNORED = 2,
	SITE_UNKNOWN = 1,
	FRAME_PC_BITS = 57,
	FRAME_MODULE_BITS = 14,
	FRAME_MODULE_PYTHON = (1 << FRAME_MODULE_BITS) - 2, /* of a Python frame, whose pc is code and offset */
};

/* Fields cross the words: a program has half as many frames again as stacks, so what each takes counts. */
struct frame_node {
	uint64_t pc : FRAME_PC_BITS;         /* - the module's load bias; no processor has more bits of address */
	uint64_t cut : 1;                    /* frames further out than the trie's root are missing */
	uint64_t module : FRAME_MODULE_BITS; /* modules.h; 0: none; FRAME_MODULE_PYTHON */
	uint64_t parent : META_TABLE_BITS;
} __attribute__((packed, aligned(4)));
_Static_assert(sizeof(struct frame_node) == 12, "three words");

struct site {
	uint32_t stack;
	uint32_t key_low; /* of the captured stack's key, for the cache in front (record.c) */
	uint32_t peak_capture;
	uint16_t thread;
	uint16_t class;
	/* Written by that thread alone, unless site_is_shared(). */
	_Atomic uint64_t alloc_blocks, alloc_bytes, temporary_blocks;
	_Atomic uint32_t cohort, cohort_epoch; /* the cohort is that epoch's; written under the sites' lock */
	uint64_t peak_blocks, peak_bytes;      /* of capture number peak_capture; written under the snapshot lock */
};
_Static_assert(sizeof(struct site) == 64, "counting touches one cache line");

/* Returns whether several threads count there: those beyond the table of threads, and all when this table is full. */
static inline bool site_is_shared(const struct site *site)
{
	return site->thread == THREADS_MAX || site->thread == 0;
}

struct cohort {
	uint32_t site;  /* of a free cohort: the next free one */
	uint32_t epoch; /* 0: free */
};

extern struct meta_table frame_table, site_table, cohort_table;

static inline struct site *site_at(uint32_t id)
{
	return meta_table_at(&site_table, id);
}

/* Makes the two reserved cohorts. Returns false if there is no memory: then nothing can be recorded. */
bool stacks_init(void);

/*
 * Id of the stack with these return addresses, outermost first, or of its innermost frames when the table is nearly
 * full or there is no memory; 0 when there is room for none. node, unless NULL, has the ids of the frames that are
 * known already (0: not), and gets the others. Cut stacks have no node.
 */
uint32_t stacks_intern(const uintptr_t *ip, uint32_t *node, uint32_t depth, bool cut);

/* A frame of either kind. The pc of a Python frame is its address in the snapshot: snapshot_format.h, FRAMES. */
struct stack_frame {
	uint64_t pc;
	bool python;
};

/*
 * A thread's last stack with Python frames, and its place in the trie: the next one shares most of its outer
 * frames. Innermost first; the trie's ids from the outermost frame inwards.
 */
struct mixed_stack {
	uint32_t depth;      /* of the last one; 0: none */
	uint32_t generation; /* of the modules, that its frames are in */
	bool cut;
	struct stack_frame *frame, *last;
	uint32_t *node;
};

/* The same for frame[0 .. depth - 1], which becomes the last one. */
uint32_t stacks_intern_mixed(struct mixed_stack *stack, uint32_t depth, bool cut);

/* Id of the site, added if it is new; SITE_UNKNOWN when a table is full. */
uint32_t sites_intern(uint32_t stack, uint32_t thread, unsigned class);

/* The site's cohort for the epoch, added if it is new; COHORT_UNKNOWN when a table is full. */
uint32_t sites_cohort(uint32_t site, uint32_t epoch);

/*
 * Cohorts born before `epoch` for which lives() says no are free to be used again. Called under the snapshot lock
 * when no allocation that began in such an epoch is still under way.
 */
void cohorts_recycle(uint32_t epoch, bool (*lives)(uint32_t cohort, const void *context), const void *context);

/* This file's locks, in rank order: for fork. */
void stacks_locks(void (*add)(struct lock *lock));

#endif
