/*
 * From registers to a stack: what the thread's calls look like right now.
 *
 * This is the seam between the allocator's hooks and the unwinder. What it gives is the stack's hash, by which the
 * heap's cache knows it again, and the return addresses for the one time that it does not.
 */
#ifndef MUDLARK_CAPTURE_H
#define MUDLARK_CAPTURE_H

#include "preload/heap.h"

#include <stdbool.h>
#include <stdint.h>

struct captured_stack {
	uint64_t hash;        /* of the return addresses */
	uint64_t key;         /* the hash, and which modules are loaded: the same key is the same stack */
	const uintptr_t *pcs; /* innermost first, the caller of the hook at 0; valid until the next capture */
	uint32_t depth;
	bool cut; /* outer frames are missing */
};

/* Frames kept of a stack, 1 .. DEPTH_MAX. */
extern uint32_t capture_depth;

/* Bytes that capture needs as working memory for each heap. */
size_t capture_scratch_bytes(void);

/*
 * The stack that called the hook whose return address is `caller`. scratch holds capture_scratch_bytes(). Called
 * between enter and leave. Counts what it cannot do; a stack that cannot be walked is the caller alone.
 */
void capture_stack(struct heap *heap, uintptr_t caller, uintptr_t *scratch, struct captured_stack *out);

#endif
