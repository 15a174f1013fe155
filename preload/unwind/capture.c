/* Stacks by the memoised walk, by libunwind where that has no rule, and both compared when asked. See capture.h. */
#include "preload/unwind/capture.h"

#include "preload/base/losses.h"
#include "preload/base/meta.h"
#include "preload/base/notes.h"
#include "preload/base/text.h"
#include "preload/interface/mix.h"
#include "preload/process/modules.h"
#include "preload/sites/stacks.h"
#include "preload/unwind/go_stack.h"
#include "preload/unwind/rules.h"

#include <link.h>

/* Our own frames between the unwinder and the hook's caller; more than there are in any build. */
enum { OWN_FRAMES_MAX = 12 };

uint32_t capture_depth = 256;
bool capture_check;

static struct {
	_Atomic uint64_t compared, slow, short_of;
	_Atomic uint32_t described; /* a difference was put into the notes */
} checks;

size_t capture_bytes(void)
{
	return sizeof(struct capture) + walk_bytes(capture_depth);
}

struct capture *capture_init(void *memory)
{
	struct capture *capture = memory;
	capture->walk = walk_init(capture + 1, capture_depth);
	return capture;
}

void capture_forget(struct capture *capture)
{
	walk_forget(capture->walk);
}

static uint32_t pcs_max(void)
{
	return capture_depth + OWN_FRAMES_MAX + 1;
}

/* Memory for libunwind's stacks, which most threads never need. */
static bool prepare_unwound(struct capture *capture)
{
	if (capture->unwound)
		return true;
	char *memory = meta_allocate(walk_bytes(capture_depth) + pcs_max() * sizeof(uintptr_t), META_CACHES);
	if (!memory)
		return false;
	capture->pcs = (uintptr_t *)(memory + walk_bytes(capture_depth));
	capture->unwound = walk_init(memory, capture_depth);
	return true;
}

/* Makes of what libunwind gives for interrupted calls, the address of an instruction, what a walk has (walk.h). */
static void mark_interrupted(uintptr_t *pcs, uint32_t n)
{
	uint32_t generation = atomic_load_explicit(&modules_generation, memory_order_acquire);
	for (uint32_t i = 1; i < n && rules_hold(generation); i++)
		pcs[i] += rules_find(pcs[i - 1], generation).kind == RULE_SIGNAL;
}

/* libunwind's stack from the caller outwards: up to capture_depth + 1 addresses. 0 when there is none. */
static uint32_t unwind_from(struct heap *heap, const struct registers *caller, struct capture *capture,
			    const uintptr_t **pcs, bool *unreadable)
{
	*unreadable = false;
	uint32_t found = unwind_stack(heap, capture->pcs, pcs_max(), unreadable), own = 0;
	while (own < found && own < OWN_FRAMES_MAX && capture->pcs[own] != caller->ip)
		own++;
	if (own == found || capture->pcs[own] != caller->ip)
		return 0;
	*pcs = capture->pcs + own;
	uint32_t n = found - own < capture_depth + 1 ? found - own : capture_depth + 1;
	mark_interrupted(capture->pcs + own, n);
	return n;
}

static struct walk *walk_by_libunwind(struct heap *heap, const struct registers *caller, struct capture *capture)
{
	bool unreadable;
	const uintptr_t *pcs;
	if (!prepare_unwound(capture)) {
		/* The caller alone, in the memo's place. */
		loss_count(LOSS_UNWIND_FAILED);
		walk_fill(capture->walk, &caller->ip, 1);
		return capture->walk;
	}
	uint32_t n = unwind_from(heap, caller, capture, &pcs, &unreadable);
	if (unreadable)
		loss_count(LOSS_UNREADABLE);
	if (!n) {
		loss_count(LOSS_UNWIND_FAILED);
		pcs = &caller->ip;
		n = 1;
	}
	walk_fill(capture->unwound, pcs, n);
	return capture->unwound;
}

/* A stack that leads into Go's code; NULL: it does not. */
static struct walk *walk_by_go(struct heap *heap, const struct registers *caller, struct capture *capture,
			       uint32_t generation)
{
	if (!atomic_load_explicit(&modules_go_seen, memory_order_relaxed) || !unwind_on_own_stack(heap, caller->sp) ||
	    !prepare_unwound(capture))
		return NULL;
	uint32_t n = go_stack(heap, caller, generation, capture->pcs, capture_depth + 1);
	if (!n)
		return NULL;
	walk_fill(capture->unwound, capture->pcs, n);
	return capture->unwound;
}

/* The first difference, behind i frames that are the same, is described, for whoever looks for its cause. */
static void describe_difference(const struct walk *walk, uint32_t depth, const uintptr_t *pcs, uint32_t n, uint32_t i)
{
	if (atomic_exchange(&checks.described, 1))
		return;
	char line[256]; /* longer than these words and five numbers */
	struct text text = text_in(line, sizeof line);
	text_add(&text, "check_capture: frame ");
	text_add_number(&text, i);
	text_add(&text, " of ");
	text_add_number(&text, depth);
	text_add(&text, " is ");
	text_add_hex(&text, i < depth ? walk->ip[walk->count - 1 - i] : 0, 1);
	text_add(&text, ", libunwind has ");
	text_add_number(&text, n);
	text_add(&text, " frames and there ");
	text_add_hex(&text, i < n ? pcs[i] : 0, 1);
	text_add(&text, ", called from ");
	text_add_hex(&text, i ? pcs[i - 1] : 0, 1);
	notes_add(line);
}

/* Whether the outermost frame is one beyond which libunwind guesses. */
static bool is_made_up(uintptr_t ip)
{
	struct dl_phdr_info info;
	return modules_program_headers(ip, &info) && cfi_is_made_up(ip, &info);
}

static void compare_with_libunwind(struct heap *heap, const struct registers *caller, struct capture *capture)
{
	bool unreadable;
	const uintptr_t *pcs = NULL;
	const struct walk *walk = capture->walk;
	if (!prepare_unwound(capture))
		return;
	uint32_t n = unwind_from(heap, caller, capture, &pcs, &unreadable);
	uint32_t depth = walk->count < capture_depth + 1 ? walk->count : capture_depth + 1;
	uint32_t same = 0;
	while (same < depth && same < n && walk->ip[walk->count - 1 - same] == pcs[same])
		same++;
	atomic_fetch_add_explicit(&checks.compared, 1, memory_order_relaxed);
	if (same == depth && (same == n || (walk->rooted && is_made_up(walk->ip[0]))))
		return;
	if (same == n && n)
		atomic_fetch_add_explicit(&checks.short_of, 1, memory_order_relaxed);
	else
		loss_count(LOSS_CAPTURES_DIFFER);
	describe_difference(walk, depth, pcs, n, same);
}

struct capture_checks capture_checks(void)
{
	return (struct capture_checks){atomic_load(&checks.compared), atomic_load(&checks.slow),
				       atomic_load(&checks.short_of)};
}

void capture_stack(struct heap *heap, const struct registers *caller, struct capture *capture,
		   struct captured_stack *out)
{
	struct walk *walk = capture->walk;
	uint32_t generation = atomic_load_explicit(&modules_generation, memory_order_acquire);
	unwind_on_own_stack(heap, caller->sp);
	struct stack_range own = {unwind_own_low(heap), heap->stack_high};
	if (__builtin_expect(!walk_stack(walk, caller, own, generation), 0)) {
		walk = walk_by_go(heap, caller, capture, generation);
		if (!walk) {
			walk = walk_by_libunwind(heap, caller, capture);
			atomic_fetch_add_explicit(&checks.slow, 1, memory_order_relaxed);
		}
	} else if (__builtin_expect(capture_check, 0)) {
		compare_with_libunwind(heap, caller, capture);
	}
	/* What is compared or cut is counted each time. Without memory for libunwind's there is the caller alone. */
	bool walked = walk == capture->walk && !walk->unfit;
	out->whole = walked && walk->high && !capture_check && walk->rooted && walk->count <= capture_depth;
	out->depth = walk->count;
	out->cut = walk->count > capture_depth || !walk->rooted;
	if (__builtin_expect(out->cut, 0)) {
		loss_count(LOSS_STACKS_CUT);
		out->depth = capture_depth;
	}
	out->ip = walk->ip + walk->count - out->depth;
	/* Where a frame ends is known on one stack only. */
	out->frame = walked && walk->own ? walk->frame + walk->count - out->depth : NULL;
	out->high = walk->count > out->depth ? walk->frame[walk->count - out->depth - 1].sp : walk->high;
	out->node = out->cut ? NULL : walk->node;
	out->generation = generation;
	out->hash = walk_hash(walk);
	out->key = out->hash + generation * MIX_MULTIPLIER;
}
