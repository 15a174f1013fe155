/* The notes of notes.h. */
#include "preload/base/notes.h"

#include "preload/base/lock.h"
#include "preload/base/meta.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

/* Another thread holds the lock for a microsecond or so, unless it was stopped there. */
enum { TRIES_MAX = 10000 };

static struct {
	const char *line[NOTES_MAX];
	_Atomic uint32_t count;
	_Atomic uint64_t dropped;
	struct lock lock;
} notes = {.lock = LOCK_INIT(RANK_NOTES)};

uint32_t notes_count(void)
{
	return atomic_load_explicit(&notes.count, memory_order_acquire);
}

const char *notes_at(uint32_t index)
{
	return notes.line[index];
}

uint64_t notes_dropped(void)
{
	return atomic_load(&notes.dropped);
}

void notes_add(const char *line)
{
	for (uint32_t i = 0; i < notes_count(); i++)
		if (strcmp(notes.line[i], line) == 0)
			return;
	/* A handler that interrupted another note loses its own, as one whose thread was stopped at it does: no
	 * waiting. */
	bool locked = false;
	for (uint32_t tries = 0; !locked && tries < TRIES_MAX && !lock_mine(&notes.lock); tries++)
		locked = lock_try(&notes.lock);
	uint32_t index = notes_count();
	const char *copy = locked && index < NOTES_MAX ? meta_copy(line) : NULL;
	if (copy) {
		notes.line[index] = copy;
		atomic_store_explicit(&notes.count, index + 1, memory_order_release);
	} else {
		atomic_fetch_add(&notes.dropped, 1);
	}
	if (locked)
		lock_release(&notes.lock);
}

void notes_locks(void (*add)(struct lock *lock))
{
	add(&notes.lock);
}
