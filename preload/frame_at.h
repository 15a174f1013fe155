/*
 * The call in whose frame an address of a stack lies: a walk from a thread's registers outwards, until a frame is met
 * whose CFA is above it.
 *
 *   sp of a call ---- its frame ---- its CFA = sp of its caller ---- the caller's frame ---- ...
 *                        ^ address
 *
 * By the rules of cfi.h alone, for threads that stand still or a copy of the process: where there is no rule the walk
 * ends. Unlike a capture's (walk.h) it may begin at any instruction, goes through the frames of signal handlers, and
 * trusts nothing that it reads. What a signal handler's frame keeps is the interrupted call's.
 */
#ifndef MUDLARK_FRAME_AT_H
#define MUDLARK_FRAME_AT_H

#include "preload/registers.h"

#include <stdbool.h>
#include <stdint.h>

struct frame_at {
	uintptr_t pc;
	bool exact; /* of the instruction that comes next there; otherwise a return address */
};

/*
 * `exact` says the same of start->ip. *steps is how many frames may be looked at, and gets less. False: not found.
 * Takes no lock, allocates nothing, asks the kernel for each word of the stack.
 */
bool frame_at(const struct registers *start, bool exact, uintptr_t address, uint32_t *steps, struct frame_at *found);

#endif
