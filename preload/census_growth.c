/* The last census's numbers by type; census_growth.h has the model. */
#include "preload/census_growth.h"

#include "preload/sys.h"

#include <stddef.h>
#include <string.h>

enum { ENTRIES = 4096, PROBES = 32 };

struct entry {
	uint32_t hash; /* 0: free */
	uint32_t objects;
};

static struct last {
	bool known;
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

bool census_growth_known(void)
{
	return last && last->known;
}

/* The type's entry, or a free one for it; NULL: none is near. */
static struct entry *find(uint32_t hash)
{
	for (uint32_t i = 0; last && i < PROBES; i++) {
		struct entry *entry = &last->entry[(hash + i) % ENTRIES];
		if (!entry->hash || entry->hash == hash)
			return entry;
	}
	return NULL;
}

uint32_t census_growth_last(uint32_t hash)
{
	const struct entry *entry = find(hash);
	return entry && entry->hash == hash ? entry->objects : 0;
}

void census_growth_begin(void)
{
	if (!last)
		return;
	memset(last->entry, 0, sizeof last->entry);
	last->known = true;
}

void census_growth_note(uint32_t hash, uint64_t objects)
{
	struct entry *entry = find(hash);
	if (!entry)
		return;
	entry->hash = hash;
	entry->objects += (uint32_t)objects; /* types of one name are one */
}
