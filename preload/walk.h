/*
 * The memoised walk: the calling thread's return addresses, at the price of what changed since the last walk.
 *
 * A walk is a pure function of the registers that it starts with and of the stack words that it reads: return
 * addresses, saved frame pointers, and the CFA of frames that aligned their stack. So the last walk is kept, frame by
 * frame, with those words and where they stood. A new walk goes by the rules (rules.h) only until it comes to a frame
 * that the last one had too; when all the words that lead on from there are unchanged, the rest of the walk is
 * the same, and so is the hash of it.
 *
 *   frame 0              the outermost one that is kept; the stack's end when `rooted`
 *   frame count - 1      the hook's caller
 *   ip[k]                was read from at[k], the word below the frame's sp
 *   node[k]              of the trie of stacks (stacks.h) for frames 0 to k, 0 when it is not known; only when rooted
 *   frame[k].sum         of the addresses from ip[0] to ip[k]: a polynomial, so that the sum of the innermost n is
 * found from two of them frame[k].needs_fp    whether the walk from there outwards depends on the frame pointer word[]
 * the other words: saved frame pointers that some frame further out needs, CFAs
 *
 * What is compared is memory, at each walk: longjmp, exceptions, and frames that reuse the same place are seen as what
 * they are. What a rule cannot express is left to the caller, who asks libunwind.
 *
 * Only walks on the thread's own stack are made here: its bounds are known, so nothing outside of it is read.
 */
#ifndef MUDLARK_WALK_H
#define MUDLARK_WALK_H

#include "preload/registers.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct walk_frame {
	uint64_t sum;
	uintptr_t sp, fp;
	uint32_t words; /* how many of word[] belong to the steps from frames 0 .. this one */
	bool needs_fp;
};

struct walk_word {
	uintptr_t at, value;
};

struct walk_step;

struct walk {
	uint32_t count;
	uint32_t depth; /* frames that are asked for */
	uint32_t capacity;
	uint32_t generation; /* of the modules, that the rules were for */
	bool rooted;
	uintptr_t high; /* end of the stack that was walked */
	uint64_t power; /* of the polynomial's base: to `depth` */
	/* Comparing goes over the first two only. */
	uintptr_t *ip, *at;
	uint32_t *node;
	struct walk_frame *frame;
	struct walk_word *word;
	struct walk_step *step; /* the walk under way, innermost first */
};

/* Bytes for walks of up to `depth` frames; walk_init() lays a walk out in that much zeroed memory. */
size_t walk_bytes(uint32_t depth);
struct walk *walk_init(void *memory, uint32_t depth);

/* Forgets the last walk: the thread is another one. */
static inline void walk_forget(struct walk *walk)
{
	walk->count = 0;
}

/*
 * Walks from `start` on a stack that may be read from start->sp to `high`. Afterwards the walk is rooted, or has more
 * than `depth` frames. False when one of the first depth + 1 frames has no rule: then nothing has changed.
 */
bool walk_stack(struct walk *walk, const struct registers *start, uintptr_t high, uint32_t generation);

/* Fills the walk with a stack that others walked: n <= depth + 1 addresses, innermost first. To be forgotten next. */
void walk_fill(struct walk *walk, const uintptr_t *pcs, uint32_t n);

/*
 * Hash of the addresses of the innermost frames, `depth` of them if there are more: equal for equal addresses, however
 * they were walked.
 */
uint64_t walk_hash(const struct walk *walk);

#endif
