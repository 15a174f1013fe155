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
 *   ip[k]                was read from at[k], the word below the frame's sp. Of a call that a signal interrupted it is
 *                        the instruction's address + 1, which is looked up like a return address; then at[k] is where
 *                        ip[k] itself is kept, and what the signal saved is among word[]
 *   node[k]              of the trie of stacks (stacks.h) for frames 0 to k, 0 when it is not known; only when rooted
 *   frame[k].sum         of the addresses from ip[0] to ip[k]: a polynomial, so that the sum of the innermost n is
 *                        found from two of them
 *   frame[k].needs_fp    whether the walk from there outwards depends on the frame pointer
 *   word[]               the other words: saved frame pointers that some frame further out needs, CFAs, registers that
 *                        signals saved
 *   part[]               stretches of frames that lie on one stack; within each, sp ascends outwards
 *
 * What is compared is memory, at each walk: longjmp, exceptions, and frames that reuse the same place are seen as what
 * they are. What a rule cannot express is left to the caller, who asks libunwind.
 *
 * A walk goes through the frames of signal handlers, and from a signal stack to the one that was interrupted. On other
 * stacks than the thread's own, nothing is read that is not known to be readable now (bounds.h): the pages that the last
 * walk's words are on are asked for again before they are compared.
 */
#ifndef MUDLARK_WALK_H
#define MUDLARK_WALK_H

#include "preload/arch/registers.h"
#include "preload/unwind/bounds.h"

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

/* Frames on one stack: a walk by more than that many is libunwind's. Signals in it: likewise. */
enum { WALK_PARTS_MAX = 6, WALK_SIGNALS_MAX = 16 };

struct walk_part {
	uint32_t from; /* its outermost frame */
	bool own;      /* on the thread's own stack */
};

struct walk {
	uint32_t count;
	uint32_t depth; /* frames that are asked for */
	uint32_t capacity;
	uint32_t generation; /* of the modules, that the rules were for */
	uint32_t words_max;
	uint32_t parts;
	bool rooted;
	bool own;       /* all of it on the thread's own stack */
	bool unfit;     /* not to be gone on from */
	uintptr_t high; /* end of the thread's own stack; 0: not known */
	uint64_t power; /* of the polynomial's base: to `depth` */
	uint64_t hash;  /* walk_hash(), 0 when it has to be found */
	/* Comparing goes over the first two only. */
	uintptr_t *ip, *at;
	uint32_t *node;
	struct walk_frame *frame;
	struct walk_word *word;
	struct walk_step *step;                /* the walk under way, innermost first */
	struct walk_part part[WALK_PARTS_MAX]; /* the outermost first */
	uint32_t pages;                        /* of stacks that are not the thread's own, with words of the walk */
	uintptr_t page[BOUNDS_PAGES_MAX];
	struct bounds bounds; /* of the walk under way */
};

/* Bytes for walks of up to `depth` frames; walk_init() lays a walk out in that much zeroed memory. */
size_t walk_bytes(uint32_t depth);
struct walk *walk_init(void *memory, uint32_t depth);

/* Forgets the last walk: the thread is another one. */
static inline void walk_forget(struct walk *walk)
{
	walk->count = walk->parts = walk->pages = 0;
	walk->own = true;
	walk->unfit = false;
}

/*
 * Walks from `start`, on whatever stack; `own` is the thread's own, empty if it is not known. Afterwards the walk is
 * rooted, or has more than `depth` frames. Returns false if one of the first depth + 1 frames has no rule or cannot be
 * read, or if there are no rules now; the last walk may be forgotten then.
 */
bool walk_stack(struct walk *walk, const struct registers *start, struct stack_range own, uint32_t generation);

/*
 * One step by rule, from a frame to its caller, without the memo; rules_hold() said that there are rules. False: there
 * is no rule for it, or the stack ends; *here is as it was.
 */
bool walk_step(struct registers *here, struct bounds *bounds, uint32_t generation);

static inline uintptr_t walk_word_at(uintptr_t address)
{
	return *(const uintptr_t *)address;
}

/* Frames compared at once; as many addresses stand before the first, each where it says itself. */
enum { WALK_MARGIN = 4, WALK_UNCHANGED = -1 };

/* The lowest frame above `to` such that all return addresses from frame `from` to it are as they were. */
static inline uint32_t walk_addresses_unchanged(const struct walk *walk, uint32_t from, uint32_t to)
{
	const uintptr_t *ip = walk->ip + from, *at = walk->at + from, *end = walk->ip + to;
	/* Down to the outermost frame the last group may go on into the margin, which never changes. */
	const uintptr_t *last = to ? end + WALK_MARGIN : end + 1;
	/* Independent loads, and a branch for several of them. */
	for (; ip >= last; ip -= WALK_MARGIN, at -= WALK_MARGIN) {
		uintptr_t changed = 0;
#pragma GCC unroll 4
		for (int k = 1; k <= WALK_MARGIN; k++)
			changed |= walk_word_at(at[-k]) ^ ip[-k];
		if (__builtin_expect(changed != 0, 0))
			break;
	}
	while (ip > end && walk_word_at(at[-1]) == ip[-1])
		ip--, at--;
	return ip > end ? (uint32_t)(ip - walk->ip) : to;
}

/* The number of the frame that the word belongs to: the step from it read the word. */
uint32_t walk_frame_of_word(const struct walk *walk, uint32_t word, uint32_t from);

/*
 * Compares what the walk from frame `from` outwards to frame `to` read. The number of the frame whose step reads
 * something else now, the innermost one if there are several, or WALK_UNCHANGED.
 */
static inline int32_t walk_step_changed(const struct walk *walk, uint32_t from, uint32_t to)
{
	uint32_t unchanged = walk_addresses_unchanged(walk, from, to);
	int32_t changed = unchanged > to ? (int32_t)unchanged : WALK_UNCHANGED;
	uint32_t first = to ? walk->frame[to].words : 0;
	for (uint32_t w = walk->frame[from].words; w > first; w--) {
		if (__builtin_expect(walk_word_at(walk->word[w - 1].at) == walk->word[w - 1].value, 1))
			continue;
		int32_t frame = (int32_t)walk_frame_of_word(walk, w - 1, from);
		return frame > changed ? frame : changed;
	}
	return changed;
}

/* Whether the frame is a call that a signal interrupted. */
static inline bool walk_is_interrupted(const struct walk *walk, uint32_t frame)
{
	return walk->at[frame] == (uintptr_t)&walk->ip[frame];
}

/* Fills the walk with a stack that others walked: n <= depth + 1 addresses, innermost first. It becomes unfit. */
void walk_fill(struct walk *walk, const uintptr_t *pcs, uint32_t n);

/*
 * Hash of the addresses of the innermost frames, `depth` of them if there are more: equal for equal addresses, however
 * they were walked.
 */
uint64_t walk_hash(struct walk *walk);

#endif
