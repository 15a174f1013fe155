/* Keeping recent stacks; memo.h says what for. */
#include "preload/unwind/memo.h"

#include "preload/base/meta.h"
#include "preload/base/sandboxed.h"
#include "preload/base/sys.h"

enum { IN_VAIN_TOLERATED = 2, KEPT_ALL_THE_SAME = 16 };

void memo_keep(struct memo_slot *slot, const struct walk *walk, const struct registers *start, uint64_t stamp,
	       uint64_t chain, struct site *site)
{
	uint32_t inner = walk->count - 1, extra = walk->frame[inner].words;
	if (slot->in_vain >= IN_VAIN_TOLERATED && ++slot->skipped % KEPT_ALL_THE_SAME)
		return;
	slot->words = 0;
	if (inner + extra > MEMO_WORDS - MEMO_AT_ONCE - MEMO_PAGES || walk->pages > MEMO_PAGES)
		return;
	if (slot->in_vain < IN_VAIN_TOLERATED)
		slot->in_vain++;
	struct walk_word *word = slot->word;
	/* Innermost first: that is where stacks differ. */
	for (uint32_t k = inner; k-- > 0;)
		if (!walk_is_interrupted(walk, k))
			*word++ = (struct walk_word){walk->at[k], walk->ip[k]};
	for (uint32_t k = 0; k < extra; k++)
		*word++ = walk->word[k];
	/* Filled up with what is compared anyway. */
	while ((word - slot->word) % MEMO_AT_ONCE || word == slot->word)
		*word++ = (struct walk_word){walk->at[inner], walk->ip[inner]};
	slot->words = (uint32_t)(word - slot->word);
	slot->pages = (uint8_t)walk->pages;
	for (uint32_t i = 0; i < walk->pages; i++)
		slot->word[MEMO_WORDS - 1 - i].at = walk->page[i];
	slot->ip = start->ip;
	slot->sp = start->sp;
	slot->fp = start->fp;
	slot->needs_fp = walk->frame[inner].needs_fp;
	slot->high = walk->high;
	slot->stamp = stamp;
	slot->chain = chain;
	slot->site = site;
}

bool memo_readable(const struct memo_slot *slot, uintptr_t sp)
{
	uintptr_t running = bounds_page(sp - sizeof(uintptr_t));
	for (uint32_t i = 0; i < slot->pages; i++) {
		uintptr_t page = slot->word[MEMO_WORDS - 1 - i].at;
		if (page != running && (sandboxed() || !sys_is_readable((const void *)page)))
			return false;
	}
	return true;
}

static bool memo_allocate(struct memo *memo, unsigned bits)
{
	size_t count = (size_t)1 << bits;
	struct memo_slot *slots =
		meta_allocate(count * (sizeof *slots + MEMO_WORDS * sizeof *slots->word), META_CACHES);
	if (!slots)
		return false;
	struct walk_word *words = (struct walk_word *)(slots + count);
	for (size_t i = 0; i < count; i++)
		slots[i].word = words + i * MEMO_WORDS;
	memo->slot = slots;
	memo->bits = bits;
	return true;
}

bool memo_init(struct memo *memo)
{
	return memo_allocate(memo, MEMO_FIRST_BITS);
}

void memo_grow(struct memo *memo)
{
	unsigned bits = memo->walked == MEMO_MORE_AFTER ? MEMO_MORE_BITS : MEMO_MOST_BITS;
	if (memo->bits < bits) /* the count of walks may come round */
		memo_allocate(memo, bits);
}

void memo_forget(struct memo *memo)
{
	for (uint32_t i = 0; i < 1u << memo->bits; i++)
		memo->slot[i].words = 0;
}
