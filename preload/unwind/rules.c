/* The table of rules by return address; rules.h has its model. */
#include "preload/unwind/rules.h"

#include "preload/arch/registers.h"
#include "preload/base/meta.h"
#include "preload/process/modules.h"

#include <link.h>

enum {
	FIRST_SLOTS = 1024,
	GROWTH = 2,
	SLOTS_MAX = 1 << 20,
	PROBES = 16, /* slots looked at for one key; beyond that an address is looked up each time */
};

_Atomic(struct rule_slots *) rules_slots;
_Atomic uint32_t rules_era;
struct lock rules_lock = LOCK_INIT(RANK_RULES);

static bool is_fresh(uint64_t key, uint32_t generation)
{
	return key && key >> RULE_ADDRESS_BITS == rules_key(0, generation) >> RULE_ADDRESS_BITS;
}

/* Puts the pair into its place or near it. False when all those are taken in this generation. */
static bool slots_put(struct rule_slots *slots, uint64_t key, uint64_t rule, uint32_t generation)
{
	uint32_t place = rules_place((uintptr_t)(key & (((uint64_t)1 << RULE_ADDRESS_BITS) - 1)));
	for (uint32_t i = 0; i < PROBES; i++) {
		struct rule_slot *slot = &slots->slot[(place ^ i) & slots->mask];
		uint64_t there = atomic_load_explicit(&slot->key, memory_order_relaxed);
		if (there == key)
			return true;
		if (is_fresh(there, generation))
			continue;
		/* A reader of the old key sees it gone before it can see the new rule. */
		atomic_store_explicit(&slot->key, 0, memory_order_relaxed);
		atomic_thread_fence(memory_order_release);
		atomic_store_explicit(&slot->rule, rule, memory_order_relaxed);
		atomic_store_explicit(&slot->key, key, memory_order_release);
		return true;
	}
	return false;
}

/* A larger table with what is fresh; the old one stays for those who read it, all of them together are as large. */
static struct rule_slots *slots_grow(struct rule_slots *old, uint32_t generation)
{
	uint32_t size = old ? (old->mask + 1) * GROWTH : FIRST_SLOTS;
	if (size > SLOTS_MAX)
		return NULL;
	struct rule_slots *slots = meta_allocate(sizeof *slots + size * sizeof slots->slot[0], META_RULES);
	if (!slots)
		return NULL;
	slots->mask = size - 1;
	for (uint32_t i = 0; old && i <= old->mask; i++) {
		uint64_t key = atomic_load_explicit(&old->slot[i].key, memory_order_relaxed);
		if (is_fresh(key, generation))
			slots_put(slots, key, atomic_load_explicit(&old->slot[i].rule, memory_order_relaxed),
				  generation);
	}
	atomic_store_explicit(&rules_slots, slots, memory_order_release);
	return slots;
}

bool rules_begin_era(uint32_t era)
{
	/* Not waited for, as in rule_enter(). A walk that began in an era that is over has to do without rules, too. */
	if (atomic_load(&rules_era) > era || !lock_try(&rules_lock))
		return false;
	if (atomic_load(&rules_era) < era) {
		struct rule_slots *slots = atomic_load_explicit(&rules_slots, memory_order_relaxed);
		for (uint32_t i = 0; slots && i <= slots->mask; i++)
			atomic_store_explicit(&slots->slot[i].key, 0, memory_order_relaxed);
		atomic_store_explicit(&rules_era, era, memory_order_release);
	}
	lock_release(&rules_lock);
	return true;
}

static void rule_enter(uintptr_t ip, struct rule rule, uint32_t generation)
{
	union packed_rule packed = {.rule = rule};
	if (ip >> RULE_ADDRESS_BITS || !lock_try(&rules_lock))
		return;
	/*
	 * Only the present generation is entered, or a slow thread could put an old rule in a new one's place; and
	 * nothing while a library is being closed, whose destructors are the last that can be asked for
	 * (modules_close_begin()).
	 */
	if (atomic_load_explicit(&modules_generation, memory_order_acquire) == generation &&
	    !atomic_load_explicit(&modules_closing, memory_order_acquire)) {
		struct rule_slots *slots = atomic_load_explicit(&rules_slots, memory_order_relaxed);
		if (!slots || !slots_put(slots, rules_key(ip, generation), packed.word, generation)) {
			slots = slots_grow(slots, generation);
			if (slots)
				slots_put(slots, rules_key(ip, generation), packed.word, generation);
		}
	}
	lock_release(&rules_lock);
}

/* Whether the offsets of a rule by sp are as rules.h promises. */
static bool is_sound(const struct rule *rule)
{
	enum { WORD = sizeof(uintptr_t) };
	if (rule->cfa_offset < WORD || rule->cfa_offset % WORD || rule->fp == FP_AT_FP)
		return false;
	return rule->fp == FP_SAME || (rule->fp_offset % WORD == 0 && rule->fp_offset >= -rule->cfa_offset &&
				       rule->fp_offset < RETURN_ADDRESS_OFFSET);
}

/* Whether such a rule would be sound but for the frame pointer, which is in what the function has just freed. */
static bool is_freed(const struct rule *rule)
{
	struct rule kept = *rule;
	kept.fp = FP_SAME;
	return is_sound(&kept) && rule->fp == FP_AT_CFA && rule->fp_offset % (int)sizeof(uintptr_t) == 0 &&
	       rule->fp_offset >= -rule->cfa_offset - RED_ZONE && rule->fp_offset < RETURN_ADDRESS_OFFSET;
}

static struct rule find_rule(uintptr_t ip, const struct dl_phdr_info *info)
{
	if (cfi_ends_handler(ip, info))
		return (struct rule){.kind = RULE_SIGNAL, .fp = FP_AT_CFA};
	/* A call may be its function's last instruction: what follows is another's. */
	struct rule rule = cfi_rule(ip - 1, info);
	if (rule.kind == RULE_SLOW && cfi_is_made_up(ip, info))
		return (struct rule){.kind = RULE_END};
	if (rule.kind != RULE_SP || is_sound(&rule))
		return rule;
	rule.kind = is_freed(&rule) ? RULE_SP_FREED : RULE_SLOW;
	return rule;
}

struct rule rules_miss(uintptr_t ip, uint32_t generation)
{
	struct rule rule;
	struct rule_slots *slots = atomic_load_explicit(&rules_slots, memory_order_acquire);
	for (uint32_t i = RULES_NEAR; slots && i < PROBES; i++)
		if (rules_read(slots, ip, i, generation, &rule))
			return rule;
	struct dl_phdr_info info;
	if (!modules_program_headers(ip - 1, &info))
		return (struct rule){.kind = RULE_SLOW}; /* not entered: generated code has no end of addresses */
	rule = find_rule(ip, &info);
	rule_enter(ip, rule, generation);
	return rule;
}
