/* The last census's numbers by type; growth.h has the model. */
#include "preload/census/growth.h"

#include "preload/base/sys.h"

#include <stddef.h>

enum { ENTRIES = 4096, PROBES = 32 };

struct entry {
	uint32_t hash; /* 0: free */
	uint32_t first, objects;
};

static struct last {
	bool known, is_first;
	uint32_t epoch;
	struct entry entry[ENTRIES];
} * last;

void census_growth_prepare(void)
{
	if (!last)
		last = sys_map_shared(sizeof *last);
}

void census_growth_fork_child(void)
{
	last = NULL; /* the parent's; a few pages stay mapped */
}

/* The type's entry, or a free one for it; NULL: none is near. */
static struct entry *find(uint32_t hash)
{
	struct entry *free = NULL;
	for (uint32_t i = 0; last && i < PROBES; i++) {
		struct entry *entry = &last->entry[(hash + i) % ENTRIES];
		if (entry->hash == hash)
			return entry;
		if (!entry->hash && !free)
			free = entry;
	}
	return free;
}

uint32_t census_growth_last(uint32_t hash)
{
	const struct entry *entry = find(hash);
	return entry && entry->hash == hash ? entry->objects : 0;
}

uint32_t census_growth_first(uint32_t hash)
{
	const struct entry *entry = find(hash);
	return entry && entry->hash == hash ? entry->first : 0;
}

uint32_t census_growth_epoch(void)
{
	return last && last->known ? last->epoch : 0;
}

void census_growth_begin(uint32_t epoch)
{
	if (!last)
		return;
	for (size_t i = 0; i < ENTRIES; i++) {
		struct entry *entry = &last->entry[i];
		/* A type of which there was nothing, neither at first nor at last, makes room. */
		*entry = (struct entry){entry->first ? entry->hash : 0, entry->first, 0};
	}
	last->is_first = !last->known;
	last->known = true;
	last->epoch = epoch;
}

void census_growth_note(uint32_t hash, uint64_t objects)
{
	struct entry *entry = find(hash);
	if (!entry)
		return;
	entry->hash = hash;
	entry->objects += (uint32_t)objects; /* types of one name are one */
	if (last->is_first)
		entry->first = entry->objects;
}
