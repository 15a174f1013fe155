/* The walk by rules and by what the last one left; walk.h says why that is exact. */
#include "preload/unwind/walk.h"

#include "preload/interface/mix.h"
#include "preload/unwind/rules.h"

/* A frame met by the walk under way, and what its step read. */
struct walk_step {
	uintptr_t ip, sp, fp;
	struct rule rule;
	uintptr_t fp_at;  /* where the caller's frame pointer was saved; 0: nowhere */
	uintptr_t cfa_at; /* where the CFA was, or the mark of the stack's end; 0: nowhere */
};

enum {
	/* libunwind's limit: no code lies below it, so this "return address" is the mark of a stack's end. */
	IP_MIN = 0x4000,
};

/* What lies beyond is no address of code, and has no key in the table of rules. */
#define IP_END ((uintptr_t)1 << RULE_ADDRESS_BITS)

/* Base of the polynomial: odd, so that no power of it is 0. */
#define SUM_BASE MIX_MULTIPLIER

/* Spreads an address over 64 bits, so that the low bits of a sum depend on all of it (splitmix64's first round). */
static inline uint64_t spread(uintptr_t ip)
{
	uint64_t x = (uint64_t)ip * UINT64_C(0xbf58476d1ce4e5b9);
	return x ^ x >> 32;
}

static uint32_t capacity_for(uint32_t depth)
{
	/* Half as much again: a recursion that leaves the window goes on for that long before all is walked anew. */
	return depth + depth / 2 + 2;
}

/* A step adds at most two words: the saved frame pointer, and the CFA or the mark of the end. */
enum { WORDS_PER_STEP = 2 };

size_t walk_bytes(uint32_t depth)
{
	size_t frames = capacity_for(depth);
	return sizeof(struct walk) + sizeof(uintptr_t) * 2 * WALK_MARGIN +
	       frames * (2 * sizeof(uintptr_t) + sizeof(uint32_t) * 2 + sizeof(struct walk_frame) +
			 WORDS_PER_STEP * sizeof(struct walk_word) + sizeof(struct walk_step));
}

struct walk *walk_init(void *memory, uint32_t depth)
{
	struct walk *walk = memory;
	walk->depth = depth;
	walk->capacity = capacity_for(depth);
	walk->power = 1;
	for (uint32_t i = 0; i < depth; i++)
		walk->power *= SUM_BASE;
	walk->ip = (uintptr_t *)(walk + 1) + WALK_MARGIN;
	walk->at = walk->ip + walk->capacity + WALK_MARGIN;
	for (int i = 1; i <= WALK_MARGIN; i++)
		walk->at[-i] = (uintptr_t)&walk->ip[-i];
	walk->frame = (struct walk_frame *)(walk->at + walk->capacity);
	walk->word = (struct walk_word *)(walk->frame + walk->capacity);
	walk->step = (struct walk_step *)(walk->word + (size_t)walk->capacity * WORDS_PER_STEP);
	walk->node = (uint32_t *)(walk->step + walk->capacity);
	return walk;
}

uint32_t walk_frame_of_word(const struct walk *walk, uint32_t word, uint32_t from)
{
	while (from && walk->frame[from - 1].words > word)
		from--;
	return from;
}

/* Outcome of a walk: how many frames of the last one stay, or why there is none. */
enum { NO_RULE = -1, TOO_SHORT = -2 };

/* Whether the word may be part of the frame's step: on the stack, not below the frame, aligned. */
static inline bool is_on_stack(uintptr_t address, uintptr_t sp, uintptr_t high)
{
	return address >= sp && address <= high - sizeof(uintptr_t) && address % sizeof(uintptr_t) == 0;
}

enum stepped { STEPPED, STEP_END, STEP_SLOW };

/* Where the return address of a frame with this CFA stands. */
static inline uintptr_t return_address_at(uintptr_t cfa)
{
	return cfa + (uintptr_t)(intptr_t)RETURN_ADDRESS_OFFSET;
}

static inline bool is_code(uintptr_t ip)
{
	return ip - IP_MIN < IP_END - IP_MIN;
}

/*
 * What lies at the end: a return address that is none. The mark is a word like others: were it to change, the stack
 * would go on.
 */
static enum stepped step_to_end(struct walk_step *step, uintptr_t mark_at, uintptr_t mark)
{
	if (step->cfa_at || mark >= IP_END)
		return STEP_SLOW;
	step->fp_at = 0;
	step->cfa_at = mark_at;
	return STEP_END;
}

/* By a rule that goes by the frame pointer, which may be anything. */
static __attribute__((noinline)) enum stepped step_by_fp(struct walk_step *step, uintptr_t high, struct registers *out)
{
	uintptr_t cfa = step->fp + (uintptr_t)(intptr_t)step->rule.cfa_offset;
	if (step->rule.kind == RULE_FP_DEREF) {
		step->cfa_at = cfa;
		if (!is_on_stack(cfa, step->sp, high))
			return STEP_SLOW;
		cfa = walk_word_at(cfa);
	}
	uintptr_t at = return_address_at(cfa);
	if (cfa <= step->sp || !is_on_stack(at, step->sp, high))
		return STEP_SLOW;
	if (step->rule.fp != FP_SAME) {
		uintptr_t base = step->rule.fp == FP_AT_CFA ? cfa : step->fp;
		step->fp_at = base + (uintptr_t)(intptr_t)step->rule.fp_offset;
		if (!is_on_stack(step->fp_at, step->sp, high))
			return STEP_SLOW;
		out->fp = walk_word_at(step->fp_at);
	}
	out->sp = cfa;
	out->ip = walk_word_at(at);
	return is_code(out->ip) ? STEPPED : step_to_end(step, at, out->ip);
}

/*
 * From the frame of `step` to its caller, by the rule. Notes what it read. *out is the frame's own registers before.
 * RULE_SP's offsets are aligned, lead outwards, and save the frame pointer within the frame (rules.h).
 */
static inline enum stepped step_by_rule(struct walk_step *step, uintptr_t high, struct registers *out)
{
	step->cfa_at = step->fp_at = 0;
	if (__builtin_expect(step->rule.kind != RULE_SP, 0)) {
		if (step->rule.kind == RULE_FP || step->rule.kind == RULE_FP_DEREF)
			return step_by_fp(step, high, out);
		return step->rule.kind == RULE_END ? STEP_END : STEP_SLOW;
	}
	uintptr_t cfa = step->sp + (uintptr_t)step->rule.cfa_offset;
	if (__builtin_expect(cfa > high, 0))
		return STEP_SLOW;
	if (step->rule.fp != FP_SAME) {
		step->fp_at = cfa + (uintptr_t)(intptr_t)step->rule.fp_offset;
		out->fp = walk_word_at(step->fp_at);
	}
	out->sp = cfa;
	out->ip = walk_word_at(return_address_at(cfa));
	if (__builtin_expect(is_code(out->ip), 1))
		return STEPPED;
	return step_to_end(step, return_address_at(cfa), out->ip);
}

bool walk_step(struct registers *here, uintptr_t high, uint32_t generation)
{
	struct registers next = *here;
	struct walk_step step = {
		.ip = here->ip, .sp = here->sp, .fp = here->fp, .rule = rules_find(here->ip, generation)};
	if (here->sp % sizeof(uintptr_t) || step_by_rule(&step, high, &next) != STEPPED)
		return false;
	*here = next;
	return true;
}

static void add_word(struct walk *walk, uint32_t k, uintptr_t at, uintptr_t value)
{
	walk->word[walk->frame[k].words++] = (struct walk_word){at, value};
}

/* Puts the n frames of the walk under way inside of the `keep` outermost ones of the last. */
static void commit(struct walk *walk, uint32_t keep, uint32_t n)
{
	uint32_t k = keep;
	for (uint32_t i = n; i-- > 0; k++) {
		const struct walk_step *step = &walk->step[i];
		struct walk_frame *frame = &walk->frame[k], *outer = k ? frame - 1 : NULL;
		bool by_fp = step->rule.kind == RULE_FP || step->rule.kind == RULE_FP_DEREF;
		walk->ip[k] = step->ip;
		walk->at[k] = return_address_at(step->sp);
		walk->node[k] = 0;
		frame->sum = (outer ? outer->sum * SUM_BASE : 0) + spread(step->ip);
		frame->sp = step->sp;
		frame->fp = step->fp;
		frame->words = outer ? outer->words : 0;
		/* What is further out than the outermost frame kept is not known: it may need all. */
		bool outer_needs = outer ? outer->needs_fp : !walk->rooted;
		frame->needs_fp = by_fp || (outer_needs && step->rule.fp == FP_SAME);
		if (step->cfa_at)
			add_word(walk, k, step->cfa_at, outer ? outer->sp : walk_word_at(step->cfa_at));
		if (step->fp_at && outer_needs)
			add_word(walk, k, step->fp_at, outer ? outer->fp : walk_word_at(step->fp_at));
	}
	walk->count = k;
	walk->hash = 0;
}

/*
 * Frames of the last walk that the walk at `here`, n frames in, may end with: 0 when its frame is none of the last one,
 * or when what lies further out has changed. *below: frames of the last walk that can still be met.
 */
static inline uint32_t meet(const struct walk *walk, const struct registers *here, uint32_t n, uint32_t *below)
{
	uint32_t k = *below;
	while (k && walk->frame[k - 1].sp < here->sp)
		k--;
	*below = k;
	if (!k--)
		return 0;
	const struct walk_frame *frame = &walk->frame[k];
	if (frame->sp != here->sp || walk->ip[k] != here->ip || (frame->needs_fp && frame->fp != here->fp))
		return 0;
	uint32_t total = n + k + 1, wanted = walk->depth + 1;
	int32_t changed = walk_step_changed(walk, k, total > wanted ? total - wanted : 0);
	if (changed == WALK_UNCHANGED)
		return k + 1;
	/* Frames from here to that one are the same, but lead elsewhere. */
	*below = (uint32_t)changed;
	return 0;
}

/* Walks, and ends where it meets the last walk, at the stack's end, or after `limit` frames. */
static inline int32_t walk_until(struct walk *walk, const struct registers *start, uintptr_t high, uint32_t limit,
				 uint32_t *frames)
{
	struct registers here = *start;
	uint32_t below = walk->count, generation = walk->generation, n = 0;
	bool rooted = false;
	while (n < limit && !rooted) {
		uint32_t keep = meet(walk, &here, n, &below);
		if (keep) {
			*frames = n;
			return walk->rooted || keep + n > walk->depth ? (int32_t)keep : TOO_SHORT;
		}
		struct walk_step *step = &walk->step[n];
		step->ip = here.ip;
		step->sp = here.sp;
		step->fp = here.fp;
		step->rule = rules_find(here.ip, generation);
		enum stepped stepped = step_by_rule(step, high, &here);
		if (stepped == STEP_SLOW) {
			if (n <= walk->depth)
				return NO_RULE;
			break;
		}
		n++;
		rooted = stepped != STEPPED;
	}
	walk->rooted = rooted;
	*frames = n;
	return 0;
}

bool walk_stack(struct walk *walk, const struct registers *start, uintptr_t high, uint32_t generation)
{
	if (walk->generation != generation || walk->high != high) {
		walk_forget(walk);
		if (!rules_hold(generation))
			return false;
		walk->generation = generation;
		walk->high = high;
	}
	if (start->sp % sizeof(uintptr_t))
		return false;
	uint32_t n = 0;
	int32_t keep = walk_until(walk, start, high, walk->capacity, &n);
	if (keep == NO_RULE)
		return false;
	if (keep == TOO_SHORT) {
		walk_forget(walk);
		keep = walk_until(walk, start, high, walk->capacity, &n);
	} else if ((uint32_t)keep + n > walk->capacity) {
		/* Only what is asked for, so that there is room to go deeper. */
		walk_forget(walk);
		keep = walk_until(walk, start, high, walk->depth + 1, &n);
	}
	if (keep < 0)
		return false;
	if (n || (uint32_t)keep != walk->count)
		commit(walk, (uint32_t)keep, n);
	return true;
}

void walk_fill(struct walk *walk, const uintptr_t *pcs, uint32_t n)
{
	for (uint32_t k = 0; k < n; k++) {
		walk->ip[k] = pcs[n - 1 - k];
		walk->node[k] = 0;
		walk->frame[k].sum = (k ? walk->frame[k - 1].sum * SUM_BASE : 0) + spread(walk->ip[k]);
	}
	walk->count = n;
	walk->hash = 0;
	walk->rooted = n <= walk->depth;
}

uint64_t walk_hash(struct walk *walk)
{
	if (walk->hash)
		return walk->hash;
	uint32_t n = walk->count;
	uint64_t sum = walk->frame[n - 1].sum;
	if (n > walk->depth) {
		sum -= walk->frame[n - 1 - walk->depth].sum * walk->power;
		n = walk->depth;
	}
	return walk->hash = mix64(sum + n);
}
