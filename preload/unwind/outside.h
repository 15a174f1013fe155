/*
 * The program's position, seen from inside a call of this library: the stack and the registers from which a leak search
 * starts for the calling thread.
 *
 *   mudlark_leaks(), _exit()     ours ............................| the caller
 *   exit(), quick_exit()         ours | libc's list of handlers, exit() | its caller
 *   a signal of ours             ours | the handler's frame |..... what it interrupted, with its registers
 *   malloc(), realloc(), free()  everything: the block may be nowhere else
 *
 * The frames up to there are not the program's. Their unused words are those of calls that have returned, main() among
 * them at the end of a process, and would keep what these have leaked: of 82 programs that leak a block in main() and
 * differ only in the size of its frame, 12 had it in a word of the exit's. What the frames saved of their caller's
 * registers is known from unwinding them.
 */
#ifndef MUDLARK_OUTSIDE_H
#define MUDLARK_OUTSIDE_H

#include "preload/unwind/frame_at.h"

enum outside_of {
	OUTSIDE_NOTHING = 0, /* the library may have a block of the program that is nowhere else */
	OUTSIDE_LIBRARY,
	OUTSIDE_EXIT, /* and the functions of libc that called the library since the process ends */
};

struct outside {
	struct frame frame;
	uintptr_t lowest;                     /* the first byte of its stack that counts */
	uintptr_t general[GENERAL_REGISTERS]; /* those that are known, as struct sigcontext has them; the rest is 0 */
	uintptr_t vector, vector_end;         /* where the other ones are saved; 0: they are not known */
	uintptr_t alternate_low, alternate_high; /* a signal stack on which nothing but the library's handler runs */
};

/* Walks from `here`, a frame of the library. Where frames cannot be walked, all from `here` on counts. */
void outside_find(struct outside *outside, const struct frame *here, enum outside_of what);

#endif
