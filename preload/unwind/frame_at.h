/*
 * Calls on a stack, from the innermost outwards, with the registers that each of them has: a careful walk for stopped
 * threads or a copy of the process.
 *
 *   sp of a call ---- its frame ---- its CFA = sp of its caller ---- the caller's frame ---- ...
 *                        ^ where it saved registers of its caller
 *
 * It uses only the rules of cfi.h: without a rule, the walk ends. Unlike a capture's (walk.h) it may begin at any
 * instruction, goes through the frames of signal handlers, and trusts nothing that it reads.
 *
 * The owner of a word. A call that uses a register that calls preserve saves the value that it finds there. That value
 * is not its own: it belongs to the nearest call further out that saved the register too, and so had it for itself;
 * what is in the register now belongs to the innermost such call. What a signal handler's frame keeps is the
 * interrupted call's.
 */
#ifndef MUDLARK_FRAME_AT_H
#define MUDLARK_FRAME_AT_H

#include "preload/arch/registers.h"

#include <stdbool.h>
#include <stdint.h>

/* A call. */
struct frame {
	uintptr_t ip, sp;
	uintptr_t kept[KEPT_REGISTERS];
	uint8_t lost; /* bit by kept register: what it has is not known */
	bool exact;   /* ip is the instruction that comes next; otherwise a return address */
};
enum { FRAME_ALL_LOST = (1 << KEPT_REGISTERS) - 1 };

/* The frame that was left for its caller. */
struct frame_left {
	uintptr_t saved[KEPT_REGISTERS]; /* where it saved the caller's registers; 0: it did not use them */
	const ucontext_t *context;       /* of a signal: what the kernel saved of the interrupted call; NULL: a call */
};

/* The call that runs this. */
static inline __attribute__((always_inline)) void frame_now(struct frame *now)
{
	struct registers at;
	registers_now(&at, now->kept);
	now->ip = at.ip;
	now->sp = at.sp;
	now->lost = 0;
	now->exact = true;
}

/* An address in the frame's code: of a return address the call itself, which may be its function's last instruction. */
static inline uintptr_t frame_code(const struct frame *frame)
{
	return frame->exact ? frame->ip : frame->ip - 1;
}

/*
 * Goes to the caller, or to what a signal interrupted. Returns false, with *here unchanged, if there is none that is
 * known. Takes no lock, allocates nothing, asks the kernel for each word of the stack.
 */
bool frame_out(struct frame *here, struct frame_left *left);

/* A call that a word belongs to. */
struct frame_at {
	uintptr_t pc;
	bool exact; /* as of struct frame */
};

/*
 * Finds the call that the word at an address of the stack belongs to: the one in whose frame it is, or whose register
 * was saved there. *steps is the number of frames that may be walked, and is decreased. Returns false if not found.
 */
bool frame_at(const struct frame *start, uintptr_t address, uint32_t *steps, struct frame_at *found);
/* Finds, likewise, the call that the kept register's value belongs to. */
bool frame_of_register(const struct frame *start, unsigned kept, uint32_t *steps, struct frame_at *found);

#endif
