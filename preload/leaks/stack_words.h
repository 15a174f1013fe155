/*
 * The owners of the words on a thread's stack and of its registers, found by a walk over its frames (frame_at.h).
 *
 *   start ---- frames of libc, ld.so, Mudlark ---- frames of the program ---- ... ---- of libc that called the program
 *
 * If the user wants to know why a block is reachable, the program's own words are marked before all others, from the
 * outermost call inwards: a call that began before the block was allocated has its address because it put it there,
 * whereas in a younger frame the word may be left from a call that has returned. A register that a frame of libc saved
 * is the program's if the call that it belongs to is.
 *
 * Passed over: exit() and what it runs handlers from, whose frames lie where main()'s was, and have no block; and the
 * frame of a function of libc that a signal found at a system call, whose arguments and values are in registers, with
 * the frames of the functions that called it to wait (waits.h); and what is between a signal's frame and the
 * interrupted call's. What these frames saved of registers counts.
 */
#ifndef MUDLARK_STACK_WORDS_H
#define MUDLARK_STACK_WORDS_H

#include "preload/leaks/reach.h"
#include "preload/unwind/frame_at.h"

/* Where a thread's walk begins. */
struct stack_start {
	uint32_t thread; /* tid */
	struct frame frame;
	uintptr_t lowest;         /* the first byte of the stack that counts */
	uintptr_t pointer;        /* thread pointer; 0: not known */
	const uintptr_t *general; /* [GENERAL_REGISTERS]; NULL: not known */
	uintptr_t vector, vector_end;
	uintptr_t alternate_low, alternate_high;
};

/* Number 0 is the thread that searches, 1 to stopped->count the others. false: it is gone, or nothing is known. */
bool stack_start(struct stack_start *start, const struct stopped *stopped, const struct reach_self *self,
		 uint32_t number);

struct stack_span {
	uintptr_t start, end;
};

enum {
	STACK_PASSED_MAX = 12,
	WAIT_FRAMES_MAX = 8, /* from the program to the kernel: sleep() makes three */
	STACK_KEPT_MAX = (STACK_PASSED_MAX + WAIT_FRAMES_MAX) * KEPT_REGISTERS,
};

struct stack_words {
	/* The caller's room: the program's words, from the innermost on. Registers by their address in `general`. */
	struct stack_span *own;
	size_t owns, capacity;
	/* What does not count, from the innermost on, but for the registers saved there. */
	struct stack_span passed[STACK_PASSED_MAX];
	uintptr_t kept[STACK_KEPT_MAX];
	unsigned passes, keeps;
};

/* frames: how many may be walked. Returns how many were; where the walk ends nothing more is known. */
uint32_t stack_words_find(struct stack_words *words, const struct stack_start *start, uint32_t frames);

#endif
