/* Lines for the report: what Mudlark found out about the program or itself. A few, fixed number; kept for ever. */
#ifndef MUDLARK_NOTES_H
#define MUDLARK_NOTES_H

#include <stdint.h>

enum { NOTES_MAX = 16, NOTE_BYTES = 256 };

/* Copies the line; a line that stands there already, or one too many, is dropped. Async-signal-safe. */
void notes_add(const char *line);
uint32_t notes_count(void);
const char *notes_at(uint32_t index);

/* This file's lock: for fork. */
struct lock;
void notes_locks(void (*add)(struct lock *lock));

#endif
