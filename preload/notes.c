/* The notes of notes.h. */
#include "preload/notes.h"

#include <stdatomic.h>
#include <string.h>

static struct {
	char line[NOTES_MAX][NOTE_BYTES];
	_Atomic uint32_t count;
} notes;

uint32_t notes_count(void)
{
	uint32_t count = atomic_load_explicit(&notes.count, memory_order_acquire);
	return count < NOTES_MAX ? count : NOTES_MAX;
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
	uint32_t index = atomic_fetch_add_explicit(&notes.count, 1, memory_order_acq_rel);
	if (index >= NOTES_MAX)
		return;
	size_t length = strnlen(line, NOTE_BYTES - 1);
	memcpy(notes.line[index], line, length);
	notes.line[index][length] = '\0';
}
