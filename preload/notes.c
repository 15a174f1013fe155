/* The notes of notes.h. */
#include "preload/notes.h"

#include "preload/lock.h"

#include <stdatomic.h>
#include <string.h>

static struct {
	char line[NOTES_MAX][NOTE_BYTES];
	_Atomic uint32_t count;
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

void notes_add(const char *line)
{
	for (uint32_t i = 0; i < notes_count(); i++)
		if (strncmp(notes.line[i], line, NOTE_BYTES - 1) == 0)
			return;
	/* A handler that interrupted another note loses its own. */
	if (!lock_try(&notes.lock))
		return;
	uint32_t index = notes_count();
	if (index < NOTES_MAX) {
		size_t length = strnlen(line, NOTE_BYTES - 1);
		memcpy(notes.line[index], line, length);
		notes.line[index][length] = '\0';
		atomic_store_explicit(&notes.count, index + 1, memory_order_release);
	}
	lock_release(&notes.lock);
}

void notes_locks(void (*add)(struct lock *lock))
{
	add(&notes.lock);
}
