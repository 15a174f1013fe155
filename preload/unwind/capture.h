/*
 * From registers to a stack: the thread's current calls.
 *
 * This is the interface between the allocator's hooks and the walk. It returns the stack's hash, by which the heap's
 * cache recognises the stack, and the return addresses for the first time, when the cache does not know it. The
 * memoised walk (walk.h) finds nearly all stacks, through signal handlers and on any stack; libunwind (unwind.h) finds
 * those with a frame that has no rule.
 */
#ifndef MUDLARK_CAPTURE_H
#define MUDLARK_CAPTURE_H

#include "preload/arch/registers.h"
#include "preload/base/options.h"
#include "preload/heap/heap.h"
#include "preload/process/modules.h"
#include "preload/unwind/unwind.h"
#include "preload/unwind/walk.h"

#include <stdbool.h>
#include <stdint.h>

struct captured_stack {
	uint64_t hash;                  /* of the return addresses */
	uint64_t key;                   /* the hash, and which modules are loaded: the same key is the same stack */
	const uintptr_t *ip;            /* outermost first, the caller of the hook last; valid until the next capture */
	const struct walk_frame *frame; /* where each lies; NULL: not known, or not on the thread's own stack */
	uintptr_t high;                 /* and the frame that called the outermost one, or the stack's end */
	uint32_t *node; /* of each: its id in the trie of stacks, 0 where it is not known; to be filled in */
	uint32_t depth;
	uint32_t generation; /* of the modules */
	bool cut;            /* outer frames are missing; then `node` is NULL */
	bool whole;          /* it is capture->walk, all of it: the same words are the same stack (memo.h) */
};

/* Frames kept of a stack, 1 .. DEPTH_MAX. Constant once threads capture. */
extern uint32_t capture_depth;

/* Compare each stack with libunwind's, and count those that differ. */
extern bool capture_check;

/* What a heap needs to capture. */
struct capture {
	struct walk *walk;
	struct walk *unwound; /* libunwind's stacks; NULL before the first */
	uintptr_t *pcs;       /* libunwind's result, before our own frames are taken off */
};

/* Its memory must be zeroed. capture_forget(): the heap's thread is another one now. */
size_t capture_bytes(void);
struct capture *capture_init(void *memory);
void capture_forget(struct capture *capture);

/*
 * The stack that called the hook with these registers. Called between enter and leave. Counts what it cannot do; a
 * stack that cannot be walked is the caller alone.
 */
void capture_stack(struct heap *heap, const struct registers *caller, struct capture *capture,
		   struct captured_stack *out);

/* Captures compared, those that were libunwind's anyway, and those in which libunwind stopped short of our walk. */
struct capture_checks {
	uint64_t compared, slow, short_of;
};
struct capture_checks capture_checks(void);

#endif
