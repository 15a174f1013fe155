/* The walk by rules and by what the last one left; walk.h says why that is exact. */
#include "preload/unwind/walk.h"

#include "preload/arch/context.h"
#include "preload/interface/mix.h"
#include "preload/unwind/rules.h"

/* A frame met by the walk under way, and what its step read. */
struct walk_step {
	uintptr_t ip, sp, fp;
	struct rule rule;
	uintptr_t fp_at;  /* where the caller's frame pointer was saved; 0: nowhere */
	uintptr_t cfa_at; /* where the CFA was, or the mark of the stack's end; 0: nowhere */
	bool other_stack; /* its caller is on another stack */
	bool own;         /* it is on the thread's own */
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
	uint64_t x = (uint64_t)ip * MIX_SECOND;
	return x ^ x >> 32;
}

static uint32_t capacity_for(uint32_t depth)
{
	/* Half as much again: a recursion that leaves the window goes on for that long before all is walked anew. */
	return depth + depth / 2 + 2;
}

/* A step adds at most two words: the saved frame pointer, and the CFA or the mark of the end. A signal's adds three. */
enum { WORDS_PER_STEP = 2 };

static uint32_t words_for(uint32_t depth)
{
	return capacity_for(depth) * WORDS_PER_STEP + WALK_SIGNALS_MAX;
}

size_t walk_bytes(uint32_t depth)
{
	size_t frames = capacity_for(depth);
	return sizeof(struct walk) + sizeof(uintptr_t) * 2 * WALK_MARGIN +
	       frames * (2 * sizeof(uintptr_t) + sizeof(uint32_t) * 2 + sizeof(struct walk_frame) +
			 sizeof(struct walk_step)) +
	       words_for(depth) * sizeof(struct walk_word);
}

struct walk *walk_init(void *memory, uint32_t depth)
{
	struct walk *walk = memory;
	walk->depth = depth;
	walk->capacity = capacity_for(depth);
	walk->words_max = words_for(depth);
	walk->power = 1;
	for (uint32_t i = 0; i < depth; i++)
		walk->power *= SUM_BASE;
	walk->ip = (uintptr_t *)(walk + 1) + WALK_MARGIN;
	walk->at = walk->ip + walk->capacity + WALK_MARGIN;
	for (int i = 1; i <= WALK_MARGIN; i++)
		walk->at[-i] = (uintptr_t)&walk->ip[-i];
	walk->frame = (struct walk_frame *)(walk->at + walk->capacity);
	walk->word = (struct walk_word *)(walk->frame + walk->capacity);
	walk->step = (struct walk_step *)(walk->word + walk->words_max);
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
static inline bool is_on_stack(uintptr_t address, uintptr_t sp, struct bounds *bounds)
{
	return address >= sp && address <= UINTPTR_MAX - sizeof(uintptr_t) && address % sizeof(uintptr_t) == 0 &&
	       bounds_extend(bounds, address + sizeof(uintptr_t));
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
static __attribute__((noinline)) enum stepped step_by_fp(struct walk_step *step, struct bounds *bounds,
							 struct registers *out)
{
	uintptr_t cfa = step->fp + (uintptr_t)(intptr_t)step->rule.cfa_offset;
	if (step->rule.kind == RULE_FP_DEREF) {
		step->cfa_at = cfa;
		if (!is_on_stack(cfa, step->sp, bounds))
			return STEP_SLOW;
		cfa = walk_word_at(cfa);
	}
	uintptr_t at = return_address_at(cfa);
	if (cfa <= step->sp || !is_on_stack(at, step->sp, bounds))
		return STEP_SLOW;
	if (step->rule.fp != FP_SAME) {
		uintptr_t base = step->rule.fp == FP_AT_CFA ? cfa : step->fp;
		step->fp_at = base + (uintptr_t)(intptr_t)step->rule.fp_offset;
		if (!is_on_stack(step->fp_at, step->sp, bounds))
			return STEP_SLOW;
		out->fp = walk_word_at(step->fp_at);
	}
	out->sp = cfa;
	out->ip = walk_word_at(at);
	return is_code(out->ip) ? STEPPED : step_to_end(step, at, out->ip);
}

/* From the frame of a function that was interrupted near its end, or its start, with something below sp. */
static __attribute__((noinline)) enum stepped step_out_of_freed(struct walk_step *step, struct bounds *bounds,
								struct registers *out)
{
	uintptr_t cfa = step->sp + (uintptr_t)step->rule.cfa_offset, at = return_address_at(cfa);
	step->fp_at = cfa + (uintptr_t)(intptr_t)step->rule.fp_offset;
	if (!is_on_stack(at, step->sp, bounds) || !bounds_readable(bounds, step->fp_at))
		return STEP_SLOW;
	out->fp = walk_word_at(step->fp_at);
	out->sp = cfa;
	out->ip = walk_word_at(at);
	return is_code(out->ip) ? STEPPED : step_to_end(step, at, out->ip);
}

/* From the return of a handler to what the signal interrupted: the kernel has put a ucontext_t at sp. */
static __attribute__((noinline)) enum stepped step_out_of_handler(struct walk_step *step, struct bounds *bounds,
								  struct registers *out)
{
	struct registers interrupted;
	if (!bounds_extend(bounds, step->sp + CONTEXT_WALKED_BYTES))
		return STEP_SLOW;
	step->fp_at = step->sp + CONTEXT_FP;
	step->cfa_at = step->sp + CONTEXT_SP;
	interrupted.ip = walk_word_at(step->sp + CONTEXT_IP) + 1;
	interrupted.sp = walk_word_at(step->cfa_at);
	interrupted.fp = walk_word_at(step->fp_at);
	if (!is_code(interrupted.ip) || interrupted.sp % sizeof(uintptr_t) ||
	    !bounds_switch(bounds, interrupted.sp, &step->other_stack))
		return STEP_SLOW;
	*out = interrupted;
	return STEPPED;
}

static __attribute__((noinline)) enum stepped step_by_odd_rule(struct walk_step *step, struct bounds *bounds,
							       struct registers *out)
{
	switch ((enum rule_kind)step->rule.kind) {
	case RULE_FP:
	case RULE_FP_DEREF:
		return step_by_fp(step, bounds, out);
	case RULE_SP_FREED:
		return step_out_of_freed(step, bounds, out);
	case RULE_SIGNAL:
		return step_out_of_handler(step, bounds, out);
	case RULE_END:
		return STEP_END;
	default:
		return STEP_SLOW;
	}
}

/*
 * From the frame of `step` to its caller, by the rule. Notes what it read. *out is the frame's own registers before.
 * RULE_SP's offsets are aligned, lead outwards, and save the frame pointer within the frame (rules.h).
 */
static inline enum stepped step_by_rule(struct walk_step *step, struct bounds *bounds, struct registers *out)
{
	step->cfa_at = step->fp_at = 0;
	step->other_stack = false;
	step->own = bounds_on_own_stack(bounds);
	if (__builtin_expect(step->rule.kind != RULE_SP, 0))
		return step->rule.kind == RULE_FP ? step_by_fp(step, bounds, out) : step_by_odd_rule(step, bounds, out);
	uintptr_t cfa = step->sp + (uintptr_t)step->rule.cfa_offset;
	if (__builtin_expect(!bounds_extend(bounds, cfa), 0))
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

bool walk_step(struct registers *here, struct bounds *bounds, uint32_t generation)
{
	struct registers next = *here;
	struct walk_step step = {
		.ip = here->ip, .sp = here->sp, .fp = here->fp, .rule = rules_find(here->ip, generation)};
	if (here->sp % sizeof(uintptr_t) || step_by_rule(&step, bounds, &next) != STEPPED)
		return false;
	*here = next;
	return true;
}

static void add_word(struct walk *walk, uint32_t k, uintptr_t at, uintptr_t value)
{
	struct walk_frame *frame = &walk->frame[k];
	if (frame->words == walk->words_max)
		walk->unfit = true;
	else
		walk->word[frame->words++] = (struct walk_word){at, value};
}

/* Says where ip[k] was read, by the step that led to frame k; NULL: the walk starts there. */
static void put_at(struct walk *walk, uint32_t k, const struct walk_step *inner)
{
	bool interrupted = inner && inner->rule.kind == RULE_SIGNAL;
	walk->at[k] = interrupted ? (uintptr_t)&walk->ip[k] : return_address_at(walk->frame[k].sp);
}

/* Adds the words that the step out of frame k read. outer_needs: what is further out depends on the frame pointer. */
static void add_words(struct walk *walk, uint32_t k, const struct walk_step *step, bool outer_needs)
{
	const struct walk_frame *outer = k ? &walk->frame[k - 1] : NULL;
	if (step->rule.kind == RULE_SIGNAL) {
		uintptr_t at = step->sp + CONTEXT_IP;
		add_word(walk, k, at, outer ? walk->ip[k - 1] - 1 : walk_word_at(at));
	}
	if (step->cfa_at)
		add_word(walk, k, step->cfa_at, outer ? outer->sp : walk_word_at(step->cfa_at));
	if (step->fp_at && outer_needs)
		add_word(walk, k, step->fp_at, outer ? outer->fp : walk_word_at(step->fp_at));
}

/* Frame k is on the stack of the frame further out, or on another one. */
static void add_to_parts(struct walk *walk, uint32_t k, const struct walk_step *step)
{
	walk->own &= step->own;
	if (k && !step->other_stack)
		return;
	if (walk->parts == WALK_PARTS_MAX)
		walk->unfit = true;
	else
		walk->part[walk->parts++] = (struct walk_part){k, step->own};
}

static void note_page(struct walk *walk, uintptr_t at)
{
	const struct stack_range *own = &walk->bounds.own;
	uintptr_t page = bounds_page(at);
	if ((at >= own->low && at < own->high) || (walk->pages && walk->page[walk->pages - 1] == page))
		return;
	for (uint32_t i = 0; i < walk->pages; i++)
		if (walk->page[i] == page)
			return;
	if (walk->pages == BOUNDS_PAGES_MAX)
		walk->unfit = true;
	else
		walk->page[walk->pages++] = page;
}

/* Finds out on which pages of other stacks the walk has words. */
static __attribute__((noinline)) void note_pages(struct walk *walk)
{
	for (uint32_t k = 0; k + 1 < walk->count; k++)
		if (!walk_is_interrupted(walk, k))
			note_page(walk, walk->at[k]);
	for (uint32_t i = 0; i < walk->frame[walk->count - 1].words; i++)
		note_page(walk, walk->word[i].at);
}

/* Puts the n frames of the walk under way inside of the `keep` outermost ones of the last. */
static void commit(struct walk *walk, uint32_t keep, uint32_t n)
{
	uint32_t k = keep;
	walk->unfit = false;
	walk->own = true;
	while (walk->parts && walk->part[walk->parts - 1].from >= keep)
		walk->parts--;
	for (uint32_t i = 0; i < walk->parts; i++)
		walk->own &= walk->part[i].own;
	if (keep)
		put_at(walk, keep - 1, n ? &walk->step[n - 1] : NULL);
	for (uint32_t i = n; i-- > 0; k++) {
		const struct walk_step *step = &walk->step[i];
		struct walk_frame *frame = &walk->frame[k], *outer = k ? frame - 1 : NULL;
		bool by_fp = step->rule.kind == RULE_FP || step->rule.kind == RULE_FP_DEREF;
		walk->ip[k] = step->ip;
		walk->node[k] = 0;
		frame->sum = (outer ? outer->sum * SUM_BASE : 0) + spread(step->ip);
		frame->sp = step->sp;
		frame->fp = step->fp;
		frame->words = outer ? outer->words : 0;
		put_at(walk, k, i ? step - 1 : NULL);
		/* What is further out than the outermost frame kept is not known: it may need all. */
		bool outer_needs = outer ? outer->needs_fp : !walk->rooted;
		frame->needs_fp = by_fp || (outer_needs && step->rule.fp == FP_SAME);
		add_words(walk, k, step, outer_needs);
		add_to_parts(walk, k, step);
	}
	walk->count = k;
	walk->hash = 0;
	walk->pages = 0;
	if (__builtin_expect(!walk->own, 0))
		note_pages(walk);
}

/* Frames of the last walk that the walk under way can meet on the stack where it is: the last `below`, from `from` on. */
struct meeting {
	uint32_t from, below;
};

/*
 * Finds, of the last walk's parts, the one that is on this stack. Another thread's stack, or a coroutine's that lies
 * elsewhere, has no frames of it; where one was taken for this one, no frame will be equal.
 */
static __attribute__((noinline)) struct meeting meeting_on(const struct walk *walk, uintptr_t sp)
{
	bool own = bounds_on_own_stack(&walk->bounds);
	for (uint32_t i = walk->parts; i-- > 0;) {
		const struct walk_part *part = &walk->part[i];
		if (part->own == own && walk->frame[part->from].sp >= sp)
			return (struct meeting){part->from, i + 1 < walk->parts ? walk->part[i + 1].from : walk->count};
	}
	return (struct meeting){0, 0};
}

static inline struct meeting meeting_at(const struct walk *walk, uintptr_t sp)
{
	if (__builtin_expect(walk->own && bounds_on_own_stack(&walk->bounds), 1))
		return (struct meeting){0, walk->count};
	return meeting_on(walk, sp);
}

/* Whether what the last walk read from frame k on can be read now. */
static __attribute__((noinline)) bool last_is_readable(struct walk *walk, uint32_t k)
{
	bool own = true;
	for (uint32_t i = 0; i < walk->parts && walk->part[i].from <= k; i++)
		own &= walk->part[i].own;
	if (own)
		return true;
	for (uint32_t i = 0; i < walk->pages; i++)
		if (!bounds_readable(&walk->bounds, walk->page[i]))
			return false;
	return true;
}

/*
 * Frames of the last walk that the walk at `here`, n frames in, may end with: 0 when its frame is none of the last one,
 * or when what lies further out has changed.
 */
static inline uint32_t meet(struct walk *walk, const struct registers *here, uint32_t n, struct meeting *meeting)
{
	uint32_t k = meeting->below;
	while (k > meeting->from && walk->frame[k - 1].sp < here->sp)
		k--;
	meeting->below = k;
	if (k-- == meeting->from)
		return 0;
	const struct walk_frame *frame = &walk->frame[k];
	if (frame->sp != here->sp || walk->ip[k] != here->ip || (frame->needs_fp && frame->fp != here->fp))
		return 0;
	if (__builtin_expect(walk->pages, 0) && !last_is_readable(walk, k)) {
		meeting->below = meeting->from;
		return 0;
	}
	uint32_t total = n + k + 1, wanted = walk->depth + 1;
	int32_t changed = walk_step_changed(walk, k, total > wanted ? total - wanted : 0);
	if (changed == WALK_UNCHANGED)
		return k + 1;
	/* Frames from here to that one are the same, but lead elsewhere. */
	meeting->below = (uint32_t)changed > meeting->from ? (uint32_t)changed : meeting->from;
	return 0;
}

/* Walks, and ends where it meets the last walk, at the stack's end, or after `limit` frames. */
static inline int32_t walk_until(struct walk *walk, const struct registers *start, struct stack_range own,
				 uint32_t limit, uint32_t *frames)
{
	struct registers here = *start;
	uint32_t generation = walk->generation, n = 0;
	bool rooted = false;
	bounds_begin(&walk->bounds, own, start->sp);
	struct meeting meeting = meeting_at(walk, start->sp);
	while (n < limit && !rooted) {
		uint32_t keep = meet(walk, &here, n, &meeting);
		if (keep) {
			*frames = n;
			return walk->rooted || keep + n > walk->depth ? (int32_t)keep : TOO_SHORT;
		}
		struct walk_step *step = &walk->step[n];
		step->ip = here.ip;
		step->sp = here.sp;
		step->fp = here.fp;
		step->rule = rules_find(here.ip, generation);
		enum stepped stepped = step_by_rule(step, &walk->bounds, &here);
		if (stepped == STEP_SLOW) {
			if (n <= walk->depth)
				return NO_RULE;
			break;
		}
		n++;
		rooted = stepped != STEPPED;
		if (__builtin_expect(step->other_stack, 0))
			meeting = meeting_at(walk, here.sp);
	}
	walk->rooted = rooted;
	*frames = n;
	return 0;
}

bool walk_stack(struct walk *walk, const struct registers *start, struct stack_range own, uint32_t generation)
{
	if (walk->generation != generation || walk->high != own.high || walk->unfit) {
		walk_forget(walk);
		if (!rules_hold(generation))
			return false;
		walk->generation = generation;
		walk->high = own.high;
	}
	if (start->sp % sizeof(uintptr_t))
		return false;
	uint32_t n = 0;
	int32_t keep = walk_until(walk, start, own, walk->capacity, &n);
	if (keep == NO_RULE)
		return false;
	if (keep == TOO_SHORT) {
		walk_forget(walk);
		keep = walk_until(walk, start, own, walk->capacity, &n);
	} else if ((uint32_t)keep + n > walk->capacity) {
		/* Only what is asked for, so that there is room to go deeper. */
		walk_forget(walk);
		keep = walk_until(walk, start, own, walk->depth + 1, &n);
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
	walk->unfit = true;
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
