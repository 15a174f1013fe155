/* One stack from libunwind, cut to the hook's caller, and its hash. capture.h places it. */
#define XXH_INLINE_ALL
#include "preload/capture.h"

#include "preload/losses.h"
#include "preload/modules.h"
#include "preload/stacks.h"
#include "preload/unwind.h"

#include <xxhash.h>

/* Our own frames between the unwinder and the hook's caller; more than there are in any build. */
enum { OWN_FRAMES_MAX = 12 };

uint32_t capture_depth = 128;

size_t capture_scratch_bytes(void)
{
	return (capture_depth + OWN_FRAMES_MAX + 1) * sizeof(uintptr_t);
}

void capture_stack(struct heap *heap, uintptr_t caller, uintptr_t *scratch, struct captured_stack *out)
{
	bool unreadable = false;
	uint32_t max = capture_depth + OWN_FRAMES_MAX + 1;
	uint32_t depth = unwind_stack(heap, scratch, max, &unreadable);
	uint32_t own = 0;
	while (own < depth && own <= OWN_FRAMES_MAX && scratch[own] != caller)
		own++;
	if (own == depth || own > OWN_FRAMES_MAX) {
		loss_count(LOSS_UNWIND_FAILED);
		scratch[0] = caller;
		depth = 1;
		own = 0;
	}
	if (unreadable)
		loss_count(LOSS_UNREADABLE);
	depth -= own;
	out->pcs = scratch + own;
	out->cut = depth > capture_depth;
	if (out->cut) {
		loss_count(LOSS_STACKS_CUT);
		depth = capture_depth;
	}
	out->depth = depth;
	out->hash = XXH3_64bits(out->pcs, depth * sizeof *out->pcs);
	uint64_t generation = atomic_load_explicit(&modules_generation, memory_order_acquire);
	out->key = out->hash + generation * UINT64_C(0x9e3779b97f4a7c15);
}
