/*
 * Recent stacks, by where they start: the stacks from which a thread allocates again and again.
 *
 * A program cycles among a few places. The memoised walk (walk.h) knows only the last stack, so two alternating places
 * would be walked each time. Here the words that a whole walk read are kept, with the site of the stack. If a capture
 * starts with the same registers and all those words are unchanged, the stack is the same: no rule is read, no hash is
 * computed.
 *
 * A slot holds good for one thread (the end of its own stack), one chain of Python frames, one generation of modules
 * and one epoch.
 */
#ifndef MUDLARK_MEMO_H
#define MUDLARK_MEMO_H

#include "preload/interface/mix.h"
#include "preload/unwind/walk.h"

#include <stdbool.h>
#include <stdint.h>

struct site;

enum {
	MEMO_FIRST_BITS = 4, /* 16 slots; */
	MEMO_MORE_BITS = 6,  /* 64 for a thread that has walked so often: */
	MEMO_MORE_AFTER = 4096,
	MEMO_MOST_BITS = 8, /* and 256, 420 KB, for one that goes on to walk: */
	MEMO_MOST_AFTER = 65536,
	MEMO_WORDS = 96, /* deeper stacks are left to the walk, of which this is a part that grows ever smaller */
	MEMO_AT_ONCE = 4,
	MEMO_PAGES = 4,
	MEMO_HOPS = 1, /* slots beyond the first that a stack is looked for in; more found no more */
};

struct memo_slot {
	uintptr_t ip, sp, fp, high;
	uint64_t stamp; /* memo_stamp() */
	uint64_t chain; /* of its Python frames: python_walk_key(), 0: none */
	struct site *site;
	uint32_t words; /* a multiple of MEMO_AT_ONCE; 0: empty */
	bool needs_fp;
	uint8_t pages;   /* of other stacks, with words of this one, the last of word[]: asked for before reading */
	uint8_t in_vain; /* times that a stack was kept and not met again before the next */
	uint8_t skipped; /* stacks not kept for that reason */
	struct walk_word *word; /* MEMO_WORDS: apart, so that all slots' heads stay in the processor's first cache */
};

struct memo {
	struct memo_slot *slot;
	unsigned bits;   /* of a start's hash, that choose its slot */
	uint32_t walked; /* stacks that were not found here, while others were in their place */
};

static inline uint64_t memo_stamp(uint32_t generation, uint32_t epoch)
{
	return (uint64_t)generation << 32 | epoch;
}

static inline uint64_t memo_mixed(uint64_t mixed, uint64_t more)
{
	return (mixed ^ more) * MIX_MULTIPLIER;
}

/* Whether the slot's stack may be the one that starts so: its words are to be compared. */
static inline bool memo_starts(const struct memo_slot *slot, const struct registers *start, uintptr_t high,
			       uint64_t stamp, uint64_t chain)
{
	return slot->ip == start->ip && slot->sp == start->sp && slot->high == high && slot->stamp == stamp &&
	       slot->chain == chain && slot->words && (!slot->needs_fp || slot->fp == start->fp);
}

/* Whether the slot's words on other stacks than the thread's own can be read, given that the caller runs at sp. */
bool memo_readable(const struct memo_slot *slot, uintptr_t sp);

/* The first of the slot's words that has changed; NULL: none has. */
static inline const struct walk_word *memo_changed(const struct memo_slot *slot)
{
	const struct walk_word *word = slot->word, *end = word + slot->words;
	for (; word < end; word += MEMO_AT_ONCE) {
		/* Independent loads, and a branch for several of them. */
		uintptr_t changed = 0;
#pragma GCC unroll 4
		for (int i = 0; i < MEMO_AT_ONCE; i++)
			changed |= walk_word_at(word[i].at) ^ word[i].value;
		if (__builtin_expect(changed != 0, 0)) {
			while (walk_word_at(word->at) == word->value)
				word++;
			return word;
		}
	}
	return NULL;
}

/*
 * The site of the stack that starts so, if it is a recent one; NULL otherwise. *slot is then where it would be kept.
 *
 * Stacks that start alike and go on differently stand in a chain: the first word in which the stack differs from a
 * slot's, and what stands there now, choose the next slot.
 */
static inline struct site *memo_find(struct memo *memo, const struct registers *start, uintptr_t high, uint64_t stamp,
				     uint64_t chain, struct memo_slot **slot)
{
	uint64_t mixed = memo_mixed(start->ip ^ start->sp << 16, chain);
	for (int hop = 0;; hop++) {
		struct memo_slot *here = &memo->slot[mixed >> (64 - memo->bits)];
		*slot = here;
		if (!memo_starts(here, start, high, stamp, chain))
			return NULL;
		if (__builtin_expect(here->pages, 0) && !memo_readable(here, start->sp))
			return NULL;
		const struct walk_word *changed = memo_changed(here);
		if (__builtin_expect(!changed, 1)) {
			here->in_vain = 0;
			return here->site;
		}
		if (hop == MEMO_HOPS)
			return NULL;
		mixed = memo_mixed(mixed + changed->at, walk_word_at(changed->at));
	}
}

/*
 * Keeps the walk, whole and rooted, that started so, as one of `site`. Not each time, where stacks that start alike go
 * on differently: then keeping costs more than it saves.
 */
void memo_keep(struct memo_slot *slot, const struct walk *walk, const struct registers *start, uint64_t stamp,
	       uint64_t chain, struct site *site);

/* Memory for the first slots. False when there is none. */
bool memo_init(struct memo *memo);

void memo_grow(struct memo *memo);

/*
 * A stack was not found, and `slot` is where it will be kept: a thread whose stacks displace each other gets more
 * slots. What is out of date displaces nothing: a program that closes libraries all the time needs no more.
 */
static inline void memo_missed(struct memo *memo, const struct memo_slot *slot, uint64_t stamp)
{
	if (!slot->words || slot->stamp != stamp)
		return;
	++memo->walked;
	if (__builtin_expect(memo->walked == MEMO_MORE_AFTER || memo->walked == MEMO_MOST_AFTER, 0))
		memo_grow(memo);
}

/* Forgets all: the thread is another one. */
void memo_forget(struct memo *memo);

#endif
