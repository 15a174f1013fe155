/*
 * The memory that a walk may read: the thread's own stack, and of others only what is known to be readable now.
 *
 *   own      from the thread's lowest to its highest address of stack, mapped as long as the thread lives
 *   now      the stack that the walk is on: all of `own`, or pages of a signal stack or a coroutine's, side by side
 *   page[]   pages of such stacks, asked for in this capture
 *
 * What the program does with a stack that is not the thread's own is unknown: it may release it and map a smaller one
 * in its place. So nothing about such a stack is remembered from one capture to the next. The page that the caller runs
 * on is mapped; every other page is checked with the kernel, once in a capture (sys_is_readable(), 150 ns). Frames of a
 * handler and what the signal saved are mostly on one page.
 */
#ifndef MUDLARK_BOUNDS_H
#define MUDLARK_BOUNDS_H

#include "preload/arch/address.h"

#include <stdbool.h>
#include <stdint.h>

/* Pages of other stacks in a walk. Deeper walks are libunwind's, which asks for as many, at a higher price. */
enum { BOUNDS_PAGES_MAX = 32, BOUNDS_BYTES_MAX = BOUNDS_PAGES_MAX * PAGE_BYTES };

struct stack_range {
	uintptr_t low, high;
};

struct bounds {
	struct stack_range own, now;
	uint32_t pages;
	uintptr_t page[BOUNDS_PAGES_MAX];
};

/* Begins at a stack pointer below which there is a word that the processor has just read. */
void bounds_begin(struct bounds *bounds, struct stack_range own, uintptr_t sp);

/* Makes all words below `end` readable, from the stack that the walk is on. False: they are not. */
bool bounds_extend_slow(struct bounds *bounds, uintptr_t end);

static inline bool bounds_extend(struct bounds *bounds, uintptr_t end)
{
	return __builtin_expect(end <= bounds->now.high, 1) || bounds_extend_slow(bounds, end);
}

/* Goes to the stack that sp is on. *other: it is another one. False: what is there cannot be read. */
bool bounds_switch(struct bounds *bounds, uintptr_t sp, bool *other);

static inline bool bounds_on_own_stack(const struct bounds *bounds)
{
	return bounds->now.high == bounds->own.high;
}

/* Whether the word can be read, wherever it lies. */
bool bounds_readable(struct bounds *bounds, uintptr_t at);

static inline uintptr_t bounds_page(uintptr_t at)
{
	return at & ~(uintptr_t)(PAGE_BYTES - 1);
}

#endif
