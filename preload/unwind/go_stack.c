/* The walk over Go's frames; go_stack.h has what it relies on. */
#include "preload/unwind/go_stack.h"

#include "preload/base/losses.h"
#include "preload/base/sandboxed.h"
#include "preload/base/sys.h"
#include "preload/process/modules.h"
#include "preload/unwind/rules.h"
#include "preload/unwind/unwind.h"
#include "preload/unwind/walk.h"

#include <stdatomic.h>

enum {
	WORD = sizeof(uintptr_t),
	FRAME_BYTES = 2 * WORD, /* saved frame pointer, return address */
	PAGES_KNOWN = 256,      /* of descriptors; a power of two. Go keeps its heap's addresses mapped for good. */
	PAGE_SHIFT = 12,
};

/* Where asmcgocall keeps depth and g, in words from its stack pointer: in newer Go, and in that of Debian 12, 1.19. */
static const struct {
	uint8_t depth, g;
} saved_at[] = {{0, 1}, {5, 6}};

/* Pages that were readable once; an entry is a page's address. */
static _Atomic uintptr_t pages_known[PAGES_KNOWN];

static bool may_read(uintptr_t address)
{
	uintptr_t page = address >> PAGE_SHIFT;
	_Atomic uintptr_t *known = &pages_known[page % PAGES_KNOWN];
	if (!page || atomic_load_explicit(known, memory_order_relaxed) == page)
		return page != 0;
	char probe;
	if (sandboxed() || !sys_read_memory((const void *)(page << PAGE_SHIFT), &probe, sizeof probe))
		return false;
	atomic_store_explicit(known, page, memory_order_relaxed);
	return true;
}

/* Whether this is the descriptor of a goroutine whose stack holds `fp`, `depth` bytes or less below its end. */
static bool is_goroutine(uintptr_t g, uintptr_t depth, uintptr_t fp, uintptr_t *high)
{
	if (g % WORD || !may_read(g) || !may_read(g + FRAME_BYTES - 1))
		return false;
	uintptr_t low = walk_word_at(g), end = walk_word_at(g + WORD);
	if (low >= end || end % WORD || depth > end - low || end - depth > fp || fp >= end)
		return false;
	*high = end;
	return true;
}

/* The end of the goroutine's stack, from asmcgocall's frame; 0: it is another function's. */
static uintptr_t goroutine_end(const struct registers *here, uintptr_t thread_high)
{
	uintptr_t high;
	for (size_t i = 0; i < sizeof saved_at / sizeof saved_at[0]; i++) {
		uintptr_t depth_at = here->sp + saved_at[i].depth * (uintptr_t)WORD;
		uintptr_t g_at = here->sp + saved_at[i].g * (uintptr_t)WORD;
		if (g_at + WORD > thread_high)
			continue;
		if (is_goroutine(walk_word_at(g_at), walk_word_at(depth_at), here->fp, &high))
			return high;
	}
	return 0;
}

/* From a frame of Go's to its caller, which is Go's, too, by the frame pointer, below `high`. False: it ends here. */
static bool step(struct registers *here, uintptr_t high)
{
	uintptr_t fp = here->fp;
	if (fp % WORD || fp < here->sp || fp >= high || high - fp < FRAME_BYTES)
		return false;
	uintptr_t ip = walk_word_at(fp + WORD);
	if (!ip || !modules_is_go(ip - 1))
		return false;
	*here = (struct registers){ip, fp + FRAME_BYTES, walk_word_at(fp)};
	return true;
}

uint32_t go_stack(const struct heap *heap, const struct registers *caller, uint32_t generation, uintptr_t *pcs,
		  uint32_t max)
{
	struct registers here = *caller;
	uintptr_t high = heap->stack_high;
	struct bounds bounds;
	uint32_t n = 0;
	bool in_go = false, on_goroutine = false;
	if (!rules_hold(generation))
		return 0;
	bounds_begin(&bounds, (struct stack_range){unwind_own_low(heap), high}, here.sp);
	while (n < max) {
		pcs[n++] = here.ip;
		/* C code further out of code that Go has called back is not reached: its frame is on the other stack.
		 */
		if (!in_go && walk_step(&here, &bounds, generation))
			continue;
		if (!in_go && !modules_is_go(here.ip - 1))
			return 0;
		in_go = true;
		if (step(&here, high))
			continue;
		uintptr_t end = on_goroutine ? 0 : goroutine_end(&here, high);
		if (!end)
			break;
		on_goroutine = true;
		high = end;
		here.sp = here.fp;
		if (!step(&here, high))
			break;
	}
	return n;
}
