/* Keeping recent stacks; recent.h says what for. */
#include "preload/recent.h"

enum { IN_VAIN_TOLERATED = 2, KEPT_ALL_THE_SAME = 16 };

void recent_keep(struct recent_slot *slot, const struct walk *walk, const struct registers *start, uint64_t stamp,
		 struct site *site)
{
	uint32_t inner = walk->count - 1, extra = walk->frame[inner].words;
	if (slot->in_vain >= IN_VAIN_TOLERATED && ++slot->skipped % KEPT_ALL_THE_SAME)
		return;
	slot->words = 0;
	if (inner + extra > RECENT_WORDS - RECENT_AT_ONCE)
		return;
	if (slot->in_vain < IN_VAIN_TOLERATED)
		slot->in_vain++;
	struct walk_word *word = slot->word;
	/* Innermost first: that is where stacks differ. */
	for (uint32_t k = inner; k-- > 0;)
		*word++ = (struct walk_word){walk->at[k], walk->ip[k]};
	for (uint32_t k = 0; k < extra; k++)
		*word++ = walk->word[k];
	/* Filled up with what is compared anyway. */
	while ((word - slot->word) % RECENT_AT_ONCE || word == slot->word) {
		*word++ = (struct walk_word){walk->at[inner], walk->ip[inner]};
	}
	slot->words = (uint32_t)(word - slot->word);
	slot->ip = start->ip;
	slot->sp = start->sp;
	slot->fp = start->fp;
	slot->needs_fp = walk->frame[inner].needs_fp;
	slot->high = walk->high;
	slot->stamp = stamp;
	slot->site = site;
}

void recent_forget(struct recent *recent)
{
	for (int i = 0; i < RECENT_SLOTS; i++)
		recent->slot[i].words = 0;
}
