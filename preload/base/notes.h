/*
 * Lines for the report: what Mudlark found out about the program or itself. There is a small fixed number of them, each
 * kept whole and forever. Lines beyond that number are counted.
 */
#ifndef MUDLARK_NOTES_H
#define MUDLARK_NOTES_H

#include <stdint.h>

enum { NOTES_MAX = 16 };

/* Copies the line unless it is stored already. Counts lines beyond the limit or without memory. Async-signal-safe. */
void notes_add(const char *line);
/* Lines that found no place. */
uint64_t notes_dropped(void);
uint32_t notes_count(void);
const char *notes_at(uint32_t index);

/* This file's lock: for fork. */
struct lock;
void notes_locks(void (*add)(struct lock *lock));

#endif
