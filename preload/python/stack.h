/*
 * Stacks with Python frames: the native stack and the chain of Python frames, merged.
 *
 * Which native frame is the evaluation loop that runs a Python frame? Names are not used, so stripped, static and
 * inlined interpreters are handled in the same way. The entry into the loop leaves an object on the C stack, whose
 * address the interpreter knows: a shim from 3.12 on, a CFrame in 3.10 and 3.11. It is in the native frame of the loop:
 *
 *     native frame            SP                     Python
 *     list_append             0x..100
 *     the evaluation loop     0x..180   <= 0x..1f0   b(), a(): up to the entry at 0x..1f0
 *     PyObject_Call           0x..300
 *
 * Up to 3.9, and if native frames have no SP because libunwind walked them, the loop is the code of
 * _PyEval_EvalFrameDefault. Frames that cannot be placed are put further out than all native frames, and counted.
 */
#ifndef MUDLARK_PYTHON_STACK_H
#define MUDLARK_PYTHON_STACK_H

#include "preload/python/frames.h"
#include "preload/sites/stacks.h"
#include "preload/unwind/capture.h"

/* Frames that a merged stack of so deep ones has at most. */
static inline size_t python_stack_frames(uint32_t depth)
{
	return (size_t)2 * depth;
}

/*
 * Merges the captured stack and the walk into `out`, innermost first; returns the number of frames. *cut: outer frames
 * are missing.
 */
uint32_t python_stack_merge(const struct captured_stack *stack, const struct python_walk *walk, struct stack_frame *out,
			    bool *cut);

#endif
