/* libunwind's cache of frame layouts, emptied from outside; cache.h says why. */
#include "preload/unwind/cache.h"

#include "preload/process/modules.h"

#include <string.h>

struct frame_layout {
	uint64_t address;
	uint64_t layout;
};

struct layout_cache {
	struct frame_layout *frames;
	size_t frames_log2;
	size_t used;
};

enum { FRAMES_LOG2_MAX = 24 };

static struct {
	pthread_key_t key;
	bool has_key;
	bool found;
} unwind_cache;

int unwind_cache_create_key(pthread_key_t *key, void (*destructor)(void *))
{
	int error = pthread_key_create(key, destructor);
	if (!error) {
		unwind_cache.key = *key;
		unwind_cache.has_key = true;
	}
	return error;
}

/* Whether it is laid out as we know it: as many frames have an address as it says. */
static bool is_layout_cache(const struct layout_cache *cache)
{
	if (!cache || !cache->frames || cache->frames_log2 > FRAMES_LOG2_MAX)
		return false;
	size_t used = 0;
	for (size_t i = 0; i < (size_t)1 << cache->frames_log2; i++)
		used += cache->frames[i].address != 0;
	return used && used == cache->used;
}

void unwind_cache_find(void)
{
	unwind_cache.found = unwind_cache.has_key && is_layout_cache(pthread_getspecific(unwind_cache.key));
}

bool unwind_cache_renew(uint32_t *generation)
{
	uint32_t present = atomic_load_explicit(&modules_generation, memory_order_acquire);
	if (*generation == present)
		return true;
	if (!unwind_cache.found)
		return false;
	struct layout_cache *cache = pthread_getspecific(unwind_cache.key);
	if (cache) {
		memset(cache->frames, 0, sizeof cache->frames[0] << cache->frames_log2);
		cache->used = 0;
	}
	*generation = present;
	return true;
}
