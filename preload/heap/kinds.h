/*
 * The owner of an address's memory: a byte for each 4 MiB of the address space, the unit of the pools' chunks.
 *
 *   near   a window of 256 GiB around the first unit that was entered, static: 64 KiB, of which a process touches a page
 *   far    everything else: 8192 pointers to leaves of 4096 units (16 GiB), mapped when one is needed
 *
 * The kernel places mappings next to each other, so nearly every address of ours is in the window. There, a free
 * classifies its pointer by one load that cannot fault, for one instruction more than a flat table would take. That
 * table (one byte for each of 2^25 units) would cost 32 MiB of every process's RLIMIT_AS and RLIMIT_DATA.
 *
 * The window is placed when the first unit is entered. This is before main(), when there is one thread: nobody reads
 * while it moves.
 */
#ifndef MUDLARK_KINDS_H
#define MUDLARK_KINDS_H

#include "preload/arch/address.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	KIND_UNIT_BITS = 22,
	KINDS_NEAR = 1 << 16,
};

enum pool_kind {
	KIND_FOREIGN = 0, /* nothing of ours in these 4 MiB */
	KIND_POOL = 1,    /* a chunk */
	KIND_LARGE = 2,   /* a large block begins here: large.h knows more */
};

struct kinds {
	uintptr_t near_first; /* number of the window's first unit; 0: not placed, and nothing is entered */
	_Atomic uint8_t near[KINDS_NEAR];
};
extern struct kinds kinds __attribute__((visibility("hidden")));

enum pool_kind pool_kind_far(const void *p);

/* Whether p is in a chunk that lies in the window. Five instructions and a load. */
static inline bool pool_is_near(const void *p)
{
	uintptr_t unit = ((uintptr_t)p >> KIND_UNIT_BITS) - kinds.near_first;
	return __builtin_expect(unit < KINDS_NEAR, 1) &&
	       atomic_load_explicit(&kinds.near[unit], memory_order_relaxed) == KIND_POOL;
}

/* For any pointer. Lock-free, never faults. */
static inline enum pool_kind pool_kind_of(const void *p)
{
	uintptr_t unit = ((uintptr_t)p >> KIND_UNIT_BITS) - kinds.near_first;
	if (__builtin_expect(unit < KINDS_NEAR, 1))
		return atomic_load_explicit(&kinds.near[unit], memory_order_relaxed);
	return pool_kind_far(p);
}

/*
 * Enters what lies at p .. p + bytes - 1. False when a leaf is missing and there is no memory for it, or the address is
 * none of a program's; then nothing is entered. Lock-free, async-signal-safe.
 */
bool kinds_enter(const void *p, size_t bytes, enum pool_kind kind);

#endif
