/*
 * The rules of all return addresses met so far: one table for the process, read without a lock.
 *
 * Open addressing over pairs (key, rule), where the key is the address with the modules' generation in its upper bits:
 * when a library is closed, every pair goes stale at once and its slot may be used again. A slot belongs to one key
 * for the whole of a generation, so a reader that finds its key before and after it read the rule has the key's rule.
 * Insertion needs the table's lock, but never waits for it: a rule that could not be entered is found again next time.
 */
#ifndef MUDLARK_RULES_H
#define MUDLARK_RULES_H

#include "preload/base/lock.h"
#include "preload/interface/mix.h"
#include "preload/unwind/cfi.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rule_slot {
	_Atomic uint64_t key;
	_Atomic uint64_t rule;
};

struct rule_slots {
	uint32_t mask;
	struct rule_slot slot[];
};

extern _Atomic(struct rule_slots *) rules_slots;

/* Addresses of user space have 47 bits, 48 on other processors. */
enum { RULE_ADDRESS_BITS = 48 };

static inline uint64_t rules_key(uintptr_t ip, uint32_t generation)
{
	return ip | (uint64_t)(generation + 1) << RULE_ADDRESS_BITS;
}

static inline uint32_t rules_place(uintptr_t ip)
{
	return (uint32_t)((ip * MIX_MULTIPLIER) >> 32);
}

/*
 * Generations wrap in the keys, so that the table is emptied each time they have: in each era of 65,536 generations
 * they are all different. False while that is not done; then there are no rules for the generation.
 */
bool rules_begin_era(uint32_t era);
extern _Atomic uint32_t rules_era;

static inline bool rules_hold(uint32_t generation)
{
	uint32_t era = generation >> (64 - RULE_ADDRESS_BITS);
	return atomic_load_explicit(&rules_era, memory_order_acquire) == era || rules_begin_era(era);
}

union packed_rule {
	uint64_t word;
	struct rule rule;
};

/* Reads the place number i of those where the address may be. Whether it is there. */
static inline bool rules_read(struct rule_slots *slots, uintptr_t ip, uint32_t i, uint32_t generation,
			      struct rule *rule)
{
	uint64_t wanted = rules_key(ip, generation);
	struct rule_slot *slot = &slots->slot[(rules_place(ip) ^ i) & slots->mask];
	if (atomic_load_explicit(&slot->key, memory_order_acquire) != wanted)
		return false;
	union packed_rule found = {.word = atomic_load_explicit(&slot->rule, memory_order_acquire)};
	*rule = found.rule;
	return atomic_load_explicit(&slot->key, memory_order_relaxed) == wanted;
}

/* Its own place, and the one beside it in the same cache line: elsewhere are few. */
enum { RULES_NEAR = 2 };

/* What is in neither: found elsewhere, or in .eh_frame, and entered. Async-signal-safe; preserves errno. */
struct rule rules_miss(uintptr_t ip, uint32_t generation);

/*
 * The rule of a frame that will go on at ip when the call that it waits for returns; of one that a signal interrupted at
 * an instruction, ip is the address of the instruction + 1 (walk.h). `generation` is what
 * modules_generation was when the walk began; rules_hold() said that there are rules for it.
 *
 * Of a RULE_SP the walk need check nothing: its offsets are multiples of a word, the CFA lies further out than sp, and
 * the frame pointer is the same or was saved between sp and the return address. Others, which the code behind a call
 * has nowhere, are RULE_SLOW.
 */
static inline struct rule rules_find(uintptr_t ip, uint32_t generation)
{
	struct rule rule;
	struct rule_slots *slots = atomic_load_explicit(&rules_slots, memory_order_acquire);
	for (uint32_t i = 0; slots && i < RULES_NEAR; i++)
		if (rules_read(slots, ip, i, generation, &rule))
			return rule;
	return rules_miss(ip, generation);
}

extern struct lock rules_lock; /* for fork */

#endif
