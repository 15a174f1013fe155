/*
 * The memoised walk says what a walk that remembers nothing says, whatever changed between two walks: random calls and
 * returns through frames of all kinds on stacks made by hand, where each word may change, with depths of 1 to 1,024;
 * real frames of all kinds against glibc's backtrace(); and the table of rules while it grows, wraps, and is filled by
 * four threads at once.
 */
#include "preload/arch/context.h"
#include "preload/unwind/capture.h"
#include "preload/unwind/memo.h"
#include "preload/unwind/rules.h"
#include "preload/unwind/walk.h"
#include "tests/preload/renamed.h"
#include "tests/preload/unit.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>

/* --- Stacks made by hand ------------------------------------------------------------------------------------------ */

/*
 * Code that does not exist: PLACES return addresses, each with a rule, which is another one in the other generation.
 * The stack is an array; a frame's rule decides how it lies in it.
 */
enum {
	PLACES = 200,
	FIRST_PLACE = 0x100000,
	PLACE_BYTES = 16,
	SLOTS = 1 << 16,
	PROBES = 8,
	GENERATIONS = 2,
	STACK_WORDS = 40000,
	FRAMES_MAX = 3000,
	FRAME_WORDS_MAX = 10,
	WORD = sizeof(uintptr_t),
	DEEPEST = 1024,
	DIFFERENT_FPS = 4,
};

static struct {
	struct rule rule[GENERATIONS][PLACES];
	union {
		struct rule_slots slots;
		char room[sizeof(struct rule_slots) + SLOTS * sizeof(struct rule_slot)];
	} table;
	uintptr_t word[STACK_WORDS];
	struct frame {
		uintptr_t ip, sp, fp;
	} frame[FRAMES_MAX]; /* the outermost first */
	uint32_t count;
	uint32_t generation;
	struct dice dice;
} made;

#define STACK_END ((uintptr_t)(made.word + STACK_WORDS))

/* The stack by hand as the thread's own, up to `high`. The hook's frame would be below the innermost one. */
static struct stack_range made_stack(uintptr_t high)
{
	return (struct stack_range){(uintptr_t)made.word - WORD, high};
}

static uintptr_t place_address(uint64_t place)
{
	return FIRST_PLACE + place * PLACE_BYTES;
}

static const struct rule *place_rule(uintptr_t ip)
{
	return &made.rule[made.generation][(ip - FIRST_PLACE) / PLACE_BYTES];
}

static void enter_rule(uintptr_t ip, struct rule rule, uint32_t generation)
{
	union packed_rule packed = {.rule = rule};
	uint32_t i = 0;
	while (atomic_load(&made.table.slots.slot[(rules_place(ip) ^ i) & (SLOTS - 1)].key))
		i++;
	ck_assert_uint_lt(i, PROBES);
	struct rule_slot *slot = &made.table.slots.slot[(rules_place(ip) ^ i) & (SLOTS - 1)];
	atomic_store(&slot->rule, packed.word);
	atomic_store(&slot->key, rules_key(ip, generation));
}

/* Half of all are as compilers make most; the others are everything that a rule can say. */
static struct rule random_rule(struct dice *dice)
{
	int32_t words = (int32_t)(2 + dice_below(dice, FRAME_WORDS_MAX - 2));
	switch (dice_below(dice, 9)) {
	case 0:
	case 1:
		return (struct rule){words * WORD, 0, RULE_SP, FP_SAME};
	case 2:
	case 3:
		return (struct rule){words * WORD, -2 * WORD, RULE_SP, FP_AT_CFA};
	case 4:
		return (struct rule){2 * WORD, -2 * WORD, RULE_FP, FP_AT_CFA};
	case 5:
		return (struct rule){3 * WORD, WORD, RULE_FP, FP_AT_FP};
	case 6:
		return (struct rule){-WORD, 0, RULE_FP_DEREF, FP_AT_FP};
	case 7:
		return (struct rule){0, 0, RULE_SIGNAL, FP_AT_CFA};
	default:
		return (struct rule){words * WORD, (int16_t)(-words * WORD), RULE_SP, FP_AT_CFA};
	}
}

enum { PLACE_END, PLACE_SLOW };

static void make_rules(uint64_t seed)
{
	made.dice = (struct dice){seed};
	memset(&made.table, 0, sizeof made.table);
	made.table.slots.mask = SLOTS - 1;
	for (uint32_t generation = 0; generation < GENERATIONS; generation++) {
		for (uint32_t i = 0; i < PLACES; i++) {
			struct rule rule = random_rule(&made.dice);
			if (i == PLACE_END || i == PLACE_SLOW)
				rule = (struct rule){.kind = i == PLACE_END ? RULE_END : RULE_SLOW};
			made.rule[generation][i] = rule;
			enter_rule(place_address(i), rule, generation);
		}
	}
	atomic_store(&rules_slots, &made.table.slots);
	/* Neither generation is the present one: nothing is entered in the place of the other one's rules. */
	atomic_store(&modules_generation, GENERATIONS);
}

static void put(uintptr_t address, uintptr_t value)
{
	*(uintptr_t *)address = value;
}

/* The outermost frame: one that is said to be, or one whose return address is no code. */
static void make_outermost(void)
{
	uintptr_t sp = STACK_END - 64 * WORD;
	bool marked = dice_below(&made.dice, 2);
	made.count = 0;
	if (marked) {
		uint32_t i = PLACE_SLOW + 1;
		while (made.rule[made.generation][i].kind != RULE_SP || made.rule[made.generation][i].fp != FP_SAME)
			i++;
		put(sp + (uintptr_t)made.rule[made.generation][i].cfa_offset - WORD, dice_below(&made.dice, 3));
		made.frame[made.count++] = (struct frame){place_address(i), sp, 1};
	} else {
		made.frame[made.count++] = (struct frame){place_address(PLACE_END), sp, 1};
	}
}

/* What a function keeps in the frame pointer's register, when that is not a frame pointer: few values, so that the same
 * ones come again. */
static uintptr_t random_fp(void)
{
	return dice_below(&made.dice, DIFFERENT_FPS) * 0x1111;
}

/* A call: the frame inside of the innermost one, at `place`, lies so that its rule leads there. False: no room. */
static bool make_call(uint64_t place)
{
	const struct frame *caller = &made.frame[made.count - 1];
	uintptr_t ip = place_address(place), cfa = caller->sp;
	const struct rule *rule = place_rule(ip);
	struct frame frame = {ip, cfa - (2 + dice_below(&made.dice, FRAME_WORDS_MAX)) * WORD, 0};
	if (made.count == FRAMES_MAX || cfa < (uintptr_t)made.word + 40 * WORD)
		return false;
	switch (rule->kind) {
	case RULE_SP:
		frame.sp = cfa - (uintptr_t)rule->cfa_offset;
		frame.fp = rule->fp == FP_SAME ? caller->fp
			   : rule->fp == FP_AT_FP
				   ? frame.sp + dice_below(&made.dice, 1 + (uint64_t)rule->cfa_offset / WORD - 1) * WORD
				   : random_fp();
		break;
	case RULE_FP:
		frame.fp = cfa - (uintptr_t)rule->cfa_offset;
		if (frame.sp > frame.fp)
			frame.sp = frame.fp;
		break;
	case RULE_FP_DEREF:
		frame.sp = cfa - (4 + dice_below(&made.dice, FRAME_WORDS_MAX)) * WORD;
		frame.fp = frame.sp + WORD;
		put(frame.fp - WORD, cfa);
		break;
	case RULE_SIGNAL:
		/* What it interrupted is said to be at the instruction before, and has a red zone. */
		frame.sp -= CONTEXT_WALKED_BYTES;
		frame.fp = random_fp();
		put(frame.sp + CONTEXT_IP, caller->ip - 1);
		put(frame.sp + CONTEXT_SP, caller->sp);
		put(frame.sp + CONTEXT_FP, caller->fp);
		made.frame[made.count++] = frame;
		return true;
	default:
		return false;
	}
	put(cfa - WORD, caller->ip);
	if (rule->fp == FP_AT_CFA)
		put(cfa + (uintptr_t)(intptr_t)rule->fp_offset, caller->fp);
	if (rule->fp == FP_AT_FP) {
		uintptr_t at = frame.fp + (uintptr_t)(intptr_t)rule->fp_offset;
		if (at >= cfa - WORD)
			return false;
		put(at, caller->fp);
	}
	made.frame[made.count++] = frame;
	return true;
}

static void make_calls(uint64_t n)
{
	while (n--)
		while (!make_call(PLACE_SLOW + 1 + dice_below(&made.dice, PLACES - PLACE_SLOW - 1)))
			if (made.count > FRAMES_MAX - 2 ||
			    made.frame[made.count - 1].sp < (uintptr_t)made.word + 40 * WORD)
				return;
}

/* A recursion, of one function or of two that call each other. */
static void make_recursion(uint64_t n)
{
	uint64_t one = 2 + dice_below(&made.dice, PLACES - 2), other = 2 + dice_below(&made.dice, PLACES - 2);
	while (n-- && make_call(n & 1 ? one : other))
		;
}

struct walks {
	struct walk *memo, *fresh;
	struct memo stacks;
};

static struct walks walks_of(uint32_t depth)
{
	struct walks walks = {.memo = walk_init(calloc(1, walk_bytes(depth)), depth),
			      .fresh = walk_init(calloc(1, walk_bytes(depth)), depth)};
	ck_assert(memo_init(&walks.stacks));
	return walks;
}

static void walks_free(struct walks *walks)
{
	free(walks->memo);
	free(walks->fresh);
}

static uint32_t walked(const struct walk *walk)
{
	return walk->count < walk->depth + 1 ? walk->count : walk->depth + 1;
}

/*
 * A walk as the rules say, written down again, without a memory of any kind: up to depth + 1 addresses.
 * `doubtful`: the last of these has no step itself, so that a walk may or may not do without libunwind.
 */
struct reference {
	uint32_t count;
	bool slow, rooted, doubtful;
	bool elsewhere; /* a signal leads to another stack, of which is read what happens to be there */
	uintptr_t ip[DEEPEST + 1];
};

static bool readable(uintptr_t address, uintptr_t sp, uintptr_t high)
{
	return address >= sp && address < high && high - address >= WORD && address % WORD == 0;
}

enum outcome { CALLER, END, NO_STEP, ELSEWHERE };

static enum outcome reference_signal(struct registers *at, uintptr_t high)
{
	if (!readable(at->sp + CONTEXT_IP, at->sp, high))
		return NO_STEP;
	struct registers interrupted = {*(uintptr_t *)(at->sp + CONTEXT_IP) + 1, *(uintptr_t *)(at->sp + CONTEXT_SP),
					*(uintptr_t *)(at->sp + CONTEXT_FP)};
	if (interrupted.ip < 0x4000 || interrupted.ip >> RULE_ADDRESS_BITS || interrupted.sp % WORD)
		return NO_STEP;
	if (interrupted.sp < (uintptr_t)made.word - WORD || interrupted.sp >= high)
		return ELSEWHERE;
	*at = interrupted;
	return CALLER;
}

static enum outcome reference_step(struct registers *at, uintptr_t high)
{
	uint64_t place = (at->ip - FIRST_PLACE) / PLACE_BYTES;
	if (at->ip < FIRST_PLACE || place >= PLACES || at->ip != place_address(place))
		return NO_STEP;
	struct rule rule = *place_rule(at->ip);
	uintptr_t base = rule.kind == RULE_SP ? at->sp : at->fp, cfa = base + (uintptr_t)(intptr_t)rule.cfa_offset;
	if (rule.kind == RULE_END)
		return END;
	if (rule.kind == RULE_SLOW)
		return NO_STEP;
	if (rule.kind == RULE_SIGNAL)
		return reference_signal(at, high);
	if (rule.kind == RULE_FP_DEREF) {
		if (!readable(cfa, at->sp, high))
			return NO_STEP;
		cfa = *(uintptr_t *)cfa;
	}
	if (cfa <= at->sp || !readable(cfa - WORD, at->sp, high))
		return NO_STEP;
	struct registers caller = {*(uintptr_t *)(cfa - WORD), cfa, at->fp};
	if (rule.fp != FP_SAME) {
		uintptr_t saved = (rule.fp == FP_AT_CFA ? cfa : at->fp) + (uintptr_t)(intptr_t)rule.fp_offset;
		if (!readable(saved, at->sp, high))
			return NO_STEP;
		caller.fp = *(uintptr_t *)saved;
	}
	if (caller.ip >> RULE_ADDRESS_BITS || (caller.ip < 0x4000 && rule.kind == RULE_FP_DEREF))
		return NO_STEP;
	*at = caller;
	return caller.ip < 0x4000 ? END : CALLER;
}

static void reference_walk(const struct registers *start, uintptr_t high, uint32_t depth, struct reference *walk)
{
	struct registers at = *start;
	*walk = (struct reference){0};
	for (;;) {
		walk->ip[walk->count++] = at.ip;
		enum outcome outcome = reference_step(&at, high);
		if (walk->count == depth + 1) {
			walk->doubtful = outcome == NO_STEP || outcome == ELSEWHERE;
			return;
		}
		walk->slow = outcome == NO_STEP;
		walk->elsewhere = outcome == ELSEWHERE;
		walk->rooted = outcome == END;
		if (outcome != CALLER)
			return;
	}
}

static void compare_to_reference(const struct walk *walk, bool has, const struct reference *reference, uint64_t step)
{
	if (reference->elsewhere)
		return;
	ENSURE(has || reference->slow || reference->doubtful, "step %lu: no walk", step);
	if (!has)
		return;
	ENSURE(!reference->slow, "step %lu: a walk through what has no rule", step);
	uint32_t n = walked(walk);
	ENSURE(n == reference->count, "step %lu: %u frames instead of %u", step, n, reference->count);
	for (uint32_t i = 0; i < n; i++)
		ENSURE(walk->ip[walk->count - 1 - i] == reference->ip[i], "step %lu: frame %u of %u differs", step, i,
		       n);
	ENSURE(n > walk->depth || (walk->rooted && reference->rooted), "step %lu: not at the end", step);
}

/* The walk with a memory and one that forgot, from the same registers, against the reference. */
static bool compare_walks(struct walks *walks, const struct registers *start, uintptr_t high, uint64_t step)
{
	static struct reference reference;
	/* Now without Python frames, now with: the same words are another stack then. */
	uint64_t stamp = memo_stamp(made.generation, 1), chain = step % 3;
	struct memo_slot *slot;
	struct site *known = memo_find(&walks->stacks, start, high, stamp, chain, &slot);
	reference_walk(start, high, walks->memo->depth, &reference);
	walk_forget(walks->fresh);
	bool has = walk_stack(walks->memo, start, made_stack(high), made.generation);
	bool fresh = walk_stack(walks->fresh, start, made_stack(high), made.generation);
	ENSURE(!known || has, "step %lu: a stack is known that cannot be walked", step);
	compare_to_reference(walks->memo, has, &reference, step);
	compare_to_reference(walks->fresh, fresh, &reference, step);
	if (!has || !fresh)
		return has;
	ENSURE(walk_hash(walks->memo) == walk_hash(walks->fresh), "step %lu: another hash", step);
	/* What stands for the site is the stack's hash: the same words must be the same stack. */
	struct site *site = (struct site *)(uintptr_t)((walk_hash(walks->fresh) | 3) - chain);
	ENSURE(!known || known == site, "step %lu: another stack is known by these words", step);
	memo_missed(&walks->stacks, slot, stamp);
	if (walks->memo->rooted && walks->memo->count <= walks->memo->depth)
		memo_keep(slot, walks->memo, start, stamp, chain, site);
	return true;
}

static struct registers innermost(void)
{
	const struct frame *frame = &made.frame[made.count - 1];
	return (struct registers){frame->ip, frame->sp, frame->fp};
}

/* The stack as it is, which must be found as it was made. */
static void compare_stack(struct walks *walks, uint64_t step)
{
	struct registers start = innermost();
	uint32_t most = walks->memo->depth + 1, n = made.count < most ? made.count : most;
	ENSURE(compare_walks(walks, &start, STACK_END, step), "step %lu: no walk", step);
	ENSURE(walked(walks->memo) == n, "step %lu: %u frames instead of %u", step, walked(walks->memo), n);
	for (uint32_t i = 1; i <= n; i++)
		ENSURE(walks->memo->ip[walks->memo->count - i] == made.frame[made.count - i].ip,
		       "step %lu: frame %u of %u was not made so", step, i - 1, n);
}

/* One word of the live stack becomes something that could be there; the walks agree on what that means. */
static void compare_with_changed_word(struct walks *walks, uint64_t step)
{
	uintptr_t sp = made.frame[made.count - 1].sp;
	uint64_t words = (STACK_END - sp) / WORD;
	/* Near the walk's start more often than far from it. */
	uint64_t near = words < 200 || dice_below(&made.dice, 4) == 0 ? words : 200;
	uintptr_t at = sp + dice_below(&made.dice, near) * WORD, old = *(uintptr_t *)at;
	switch (dice_below(&made.dice, 6)) {
	case 0:
		put(at, place_address(dice_below(&made.dice, PLACES)));
		break;
	case 1:
		put(at, sp + dice_below(&made.dice, words) * WORD);
		break;
	case 2:
		put(at, random_fp());
		break;
	case 3:
		put(at, old + (dice_below(&made.dice, 9) - 4) * WORD);
		break;
	case 4:
		put(at, made.frame[dice_below(&made.dice, made.count)].fp);
		break;
	default:
		put(at, dice_next(&made.dice));
	}
	struct registers start = innermost();
	compare_walks(walks, &start, STACK_END, step);
	if (dice_below(&made.dice, 2))
		compare_walks(walks, &start, STACK_END, step);
	put(at, old);
}

static void compare_with_other_registers(struct walks *walks, uint64_t step)
{
	struct registers start = innermost();
	switch (dice_below(&made.dice, 3)) {
	case 0:
		start.fp = random_fp();
		break;
	case 1:
		start.ip = place_address(dice_below(&made.dice, PLACES));
		break;
	default:
		start.sp += WORD * dice_below(&made.dice, 4);
	}
	compare_walks(walks, &start, STACK_END, step);
}

/* A stack that ends elsewhere: words beyond its end are not read. */
static void compare_with_other_end(struct walks *walks, uint64_t step)
{
	struct registers start = innermost();
	uint64_t words = (STACK_END - start.sp) / WORD;
	compare_walks(walks, &start, STACK_END - dice_below(&made.dice, words) * WORD, step);
}

static void change_stack(void)
{
	uint64_t kind = dice_below(&made.dice, 100), most = dice_below(&made.dice, 50) ? 6 : made.count;
	uint64_t gone = dice_below(&made.dice, most + 1);
	if (kind < 2)
		make_outermost();
	made.count = gone < made.count ? made.count - (uint32_t)gone : 1;
	if (kind == 99)
		make_recursion(dice_below(&made.dice, 2500));
	else if (kind == 98)
		make_calls(dice_below(&made.dice, 1000));
	else
		make_calls(dice_below(&made.dice, 7));
}

enum { STEPS = 30000 };
static const uint32_t depths[] = {1, 2, 3, 7, 8, 9, 16, 64, 128, DEEPEST};

START_TEST(memo_is_exact)
{
	uint32_t depth = depths[_i];
	struct walks walks = walks_of(depth);
	uint64_t steps = depth > 100 ? STEPS / 4 : STEPS;
	make_rules(1 + (uint64_t)_i);
	made.generation = 0;
	make_outermost();
	for (uint64_t step = 0; step < steps; step++) {
		change_stack();
		compare_stack(&walks, step);
		switch (dice_below(&made.dice, 8)) {
		case 0:
			compare_with_other_registers(&walks, step);
			break;
		case 1:
			compare_with_other_end(&walks, step);
			break;
		case 2:
		case 3:
		case 4:
			compare_with_changed_word(&walks, step);
			break;
		default:
			break;
		}
		if (dice_below(&made.dice, 500) == 0) {
			/* The same return addresses, other frames. */
			made.generation = !made.generation;
			make_outermost();
		}
	}
	walks_free(&walks);
}
END_TEST

/* A recursion that grows and shrinks by one frame, far beyond the depth: each walk is cut at another place. */
START_TEST(deep_recursion_by_one)
{
	static const uint32_t cuts[] = {1, 5, 16, 128};
	struct walks walks = walks_of(cuts[_i]);
	make_rules(99);
	made.generation = 0;
	make_outermost();
	make_recursion(500);
	ck_assert_uint_gt(made.count, 300);
	for (uint64_t step = 0; step < 5000; step++) {
		/* To and fro, with a drift. */
		if (step % 7 < 4)
			make_calls(1);
		else if (made.count > 2)
			made.count--;
		if (step % 1500 == 1499)
			made.count = 2;
		compare_stack(&walks, step);
	}
	walks_free(&walks);
}
END_TEST

/* However a stack was walked, and by whom: one hash. Other stacks: other hashes. */
START_TEST(hashes_name_stacks)
{
	enum { DEPTH = 100, STACKS = 100000, TABLE = 1 << 18 };
	static uint64_t hashes[TABLE], others[TABLE];
	struct walks walks = walks_of(DEPTH);
	uint32_t different = 0;
	make_rules(7);
	made.generation = 0;
	make_outermost();
	for (uint64_t step = 0; step < STACKS; step++) {
		uintptr_t pcs[DEPTH + 1];
		change_stack();
		struct registers start = innermost();
		ck_assert(walk_stack(walks.memo, &start, made_stack(STACK_END), 0));
		uint32_t n = walked(walks.memo);
		uint64_t other = n > DEPTH ? DEPTH : n; /* FNV-1a, which shares nothing with the walk's */
		for (uint32_t i = 0; i < n; i++) {
			pcs[i] = walks.memo->ip[walks.memo->count - 1 - i];
			if (i < DEPTH)
				other = (other ^ pcs[i]) * UINT64_C(0x100000001b3);
		}
		uint64_t hash = walk_hash(walks.memo);
		walk_fill(walks.fresh, pcs, n);
		ENSURE(walk_hash(walks.fresh) == hash, "step %lu: what was filled in has another hash", step);
		uint64_t at = hash % TABLE;
		while (hashes[at] && hashes[at] != hash)
			at = (at + 1) % TABLE;
		ENSURE(!hashes[at] || others[at] == other, "step %lu: two stacks have one hash", step);
		different += !hashes[at];
		hashes[at] = hash;
		others[at] = other;
	}
	ck_assert_uint_gt(different, STACKS / 2);
	walks_free(&walks);
}
END_TEST

/* A return address with more bits than addresses have is no key of the table, whatever its upper bits say. */
START_TEST(bits_beyond_an_address)
{
	struct walks walks = walks_of(16);
	make_rules(3);
	made.generation = 0;
	make_outermost();
	make_calls(8);
	compare_stack(&walks, 0);
	uintptr_t at = made.frame[4].sp - WORD;
	for (uint64_t bits = 1; bits < 0x10000; bits <<= 1) {
		uintptr_t old = *(uintptr_t *)at;
		put(at, old | bits << RULE_ADDRESS_BITS);
		struct registers start = innermost();
		ck_assert(!walk_stack(walks.memo, &start, made_stack(STACK_END), 0));
		put(at, old);
		compare_stack(&walks, bits);
	}
	walks_free(&walks);
}
END_TEST

/* --- Real stacks -------------------------------------------------------------------------------------------------- */

static _Thread_local struct {
	struct capture *capture;
	uint64_t captures, walked;
} mine;

/* The hook and backtrace() are called from one function: all frames but the innermost are the same. */
static __attribute__((noinline)) void hook(uint64_t *hash)
{
	struct registers caller = {(uintptr_t)__builtin_return_address(0), (uintptr_t)__builtin_dwarf_cfa(),
				   *(uintptr_t *)__builtin_frame_address(0)};
	void *expected[DEPTH_MAX];
	struct captured_stack stack;
	struct heap *heap = heap_enter();
	ENSURE(heap_attach(&heap), "no heap");
	uint64_t unwound = capture_checks().slow;
	capture_stack(heap, &caller, mine.capture, &stack);
	mine.captures++;
	mine.walked += unwound == capture_checks().slow;
	heap_leave(heap);
	int n = backtrace(expected, DEPTH_MAX) - 1; /* its own first frame is this one */
	ENSURE(stack.depth == (uint32_t)n, "%u frames, backtrace() has %d", stack.depth, n);
	for (int i = 0; i < n; i++)
		ENSURE(stack.ip[n - 1 - i] == (uintptr_t)expected[i + 1], "frame %d of %d: %p instead of %p", i, n,
		       (void *)stack.ip[n - 1 - i], expected[i + 1]);
	*hash = stack.hash;
	__asm__ volatile("" : : : "memory");
}

static void capture_here(void)
{
	uint64_t first = 0, hash;
	for (volatile int i = 0; i < 2; i++) {
		hook(&hash);
		ENSURE(!first || first == hash, "one stack, two hashes");
		first = hash;
	}
}

static void *descend_randomly(void *library)
{
	void (*descend)(int, void (*)(void)) = (void (*)(int, void (*)(void)))dlsym(library, "frames_descend");
	struct dice dice = {5};
	mine.capture = capture_init(calloc(1, capture_bytes()));
	for (int i = 0; i < 500; i++)
		descend((int)dice_below(&dice, 150), capture_here);
	ck_assert_uint_gt(mine.walked, mine.captures * 9 / 10);
	free(mine.capture);
	return NULL;
}

START_TEST(equal_to_backtrace)
{
	static const char *const builds[] = {"plain",     "small",     "unoptimised", "pointers",
					     "realigned", "protected", "calls"};
	char path[4096];
	pthread_t thread;
	capture_depth = DEPTH_MAX;
	prepare_recording();
	atomic_store(&recording_active, false);
	snprintf(path, sizeof path, "%s/libframes_%s.so", HOSTS_DIRECTORY, builds[_i]);
	void *library = dlopen(path, RTLD_NOW);
	ck_assert_msg(library != NULL, "%s", dlerror());
	descend_randomly(library);
	/* Threads that take over each other's heap and stack. */
	for (int i = 0; i < 3; i++) {
		pthread_create(&thread, NULL, descend_randomly, library);
		pthread_join(thread, NULL);
	}
}
END_TEST

/* --- The table of rules ------------------------------------------------------------------------------------------- */

static bool same_rule(struct rule a, struct rule b)
{
	return memcmp(&a, &b, sizeof a) == 0;
}

/* Code to ask for: libc's. */
struct code {
	struct dl_phdr_info info;
	uintptr_t start, end;
};

static struct code code_of_libc(void)
{
	struct code code = {0};
	modules_init();
	ck_assert(modules_program_headers((uintptr_t)dlsym(RTLD_DEFAULT, "qsort"), &code.info));
	for (unsigned i = 0; i < code.info.dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &code.info.dlpi_phdr[i];
		if (header->p_type == PT_LOAD && (header->p_flags & PF_X)) {
			code.start = code.info.dlpi_addr + header->p_vaddr;
			code.end = code.start + header->p_memsz;
		}
	}
	return code;
}

static void ask(const struct code *code, struct dice *dice, uint64_t most)
{
	uint32_t generation = atomic_load(&modules_generation);
	uintptr_t ip = code->start + 1 + dice_below(dice, most);
	if (!rules_hold(generation))
		return;
	struct rule found = rules_find(ip, generation), rule = cfi_rule(ip - 1, &code->info);
	/* Behind a function's pops the frame pointer is below sp still. */
	if (rule.kind == RULE_SP && rule.fp == FP_AT_CFA && rule.fp_offset < -rule.cfa_offset)
		rule.kind = rule.fp_offset >= -rule.cfa_offset - RED_ZONE ? RULE_SP_FREED : RULE_SLOW;
	if (rule.kind == RULE_SLOW && cfi_is_made_up(ip, &code->info))
		rule = (struct rule){.kind = RULE_END};
	ENSURE(same_rule(found, rule), "another rule at %p", (void *)ip);
}

START_TEST(table_grows)
{
	struct code code = code_of_libc();
	struct dice dice = {1};
	ck_assert_ptr_null(atomic_load(&rules_slots));
	ask(&code, &dice, 1);
	uint32_t first = atomic_load(&rules_slots)->mask;
	for (int i = 0; i < 100000; i++)
		ask(&code, &dice, 30000);
	ck_assert_uint_gt(atomic_load(&rules_slots)->mask, first);
	ck_assert_uint_lt(atomic_load(&rules_slots)->mask, 1 << 18);
}
END_TEST

/* A rule that no code has. */
static const union packed_rule wrong = {.rule = {12345, 0, RULE_SP, FP_SAME}};

/* From now on, all that the table says is wrong. */
static void spoil_rules(void)
{
	struct rule_slots *slots = atomic_load(&rules_slots);
	for (uint32_t i = 0; i <= slots->mask; i++)
		atomic_store(&slots->slot[i].rule, wrong.word);
}

/* Generations pass, also the one at which the key's upper bits are 0 again: no growth, and nothing stale is found. */
START_TEST(generations_wrap)
{
	struct code code = code_of_libc();
	struct dice dice = {2};
	static const uint32_t generations[] = {0, 1, 65534, 65535, 65536, 65537, 131071, 131072};
	ask(&code, &dice, 100);
	uint32_t mask = atomic_load(&rules_slots)->mask;
	for (size_t g = 0; g < sizeof generations / sizeof generations[0]; g++) {
		atomic_store(&modules_generation, generations[g]);
		for (int i = 0; i < 500; i++)
			ask(&code, &dice, 100);
		/* What is in the table now is wrong from the next era on. */
		if (g + 1 < sizeof generations / sizeof generations[0] &&
		    generations[g + 1] >> 16 != generations[g] >> 16)
			spoil_rules();
	}
	ck_assert_uint_eq(atomic_load(&rules_slots)->mask, mask);
	/* A walk that began in an era that is over. */
	ck_assert(!rules_hold(65537));
	ck_assert(rules_hold(131073));
}
END_TEST

/* The same low 16 bits, one era later. */
START_TEST(stale_by_an_era)
{
	struct code code = code_of_libc();
	struct dice dice = {3};
	for (int i = 0; i < 500; i++)
		ask(&code, &dice, 100);
	spoil_rules();
	ck_assert(same_rule(rules_find(code.start + 1, 0), wrong.rule));
	atomic_store(&modules_generation, 65536);
	for (int i = 0; i < 500; i++)
		ask(&code, &dice, 100);
}
END_TEST

/* While a library is being closed, another may already be in its place: what is found is not kept. */
START_TEST(nothing_is_kept_while_closing)
{
	struct code code = code_of_libc();
	struct dice dice = {4};
	ask(&code, &dice, 1);
	struct rule_slots *slots = atomic_load(&rules_slots);
	uint32_t before = atomic_load(&modules_generation), kept = 0;
	modules_close_begin();
	ck_assert_uint_ne(atomic_load(&modules_generation), before);
	for (int i = 0; i < 200; i++)
		ask(&code, &dice, 100);
	for (int end = 0; end < 2; end++) {
		kept = 0;
		for (uint32_t i = 0; i <= slots->mask; i++)
			kept += atomic_load(&slots->slot[i].key) != 0;
		ck_assert_uint_eq(kept, 1);
		if (end == 0)
			modules_close_end();
	}
	for (int i = 0; i < 200; i++)
		ask(&code, &dice, 100);
	for (uint32_t i = 0; i <= slots->mask; i++)
		kept += atomic_load(&slots->slot[i].key) != 0;
	ck_assert_uint_gt(kept, 50);
	/* One end too many, in a child that was forked by a library's destructor. */
	modules_close_end();
	ck_assert_uint_eq(atomic_load(&modules_closing), 0);
}
END_TEST

enum { ASKERS = 4 };
static _Atomic int asking;

static void *ask_much(void *code)
{
	struct dice dice = {(uint64_t)pthread_self()};
	for (int i = 0; i < 60000; i++)
		ask(code, &dice, 20000);
	atomic_fetch_sub(&asking, 1);
	return NULL;
}

/* Four threads find and enter, the table grows, and the generation advances under them. */
START_TEST(asked_by_many)
{
	struct code code = code_of_libc();
	pthread_t thread[ASKERS];
	atomic_store(&asking, ASKERS);
	for (int i = 0; i < ASKERS; i++)
		pthread_create(&thread[i], NULL, ask_much, &code);
	while (atomic_load(&asking)) {
		usleep(200);
		atomic_fetch_add(&modules_generation, dice_below(&made.dice, 8) ? 1 : 20000);
	}
	for (int i = 0; i < ASKERS; i++)
		pthread_join(thread[i], NULL);
	ck_assert_uint_eq(lock_depth, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("preload: walk");
	TCase *tests = tcase_create("walk");
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, memo_is_exact, 0, sizeof depths / sizeof depths[0]);
	tcase_add_loop_test(tests, deep_recursion_by_one, 0, 4);
	tcase_add_test(tests, hashes_name_stacks);
	tcase_add_test(tests, bits_beyond_an_address);
	tcase_add_loop_test(tests, equal_to_backtrace, 0, 7);
	tcase_add_test(tests, table_grows);
	tcase_add_test(tests, generations_wrap);
	tcase_add_test(tests, stale_by_an_era);
	tcase_add_test(tests, nothing_is_kept_while_closing);
	tcase_add_test(tests, asked_by_many);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
