/*
 * Hash consing: equal byte strings get equal small numbers.
 *
 * Every grouping of the report (names, rows, the trie of stacks that two snapshots share) means "same bytes, same
 * number". The comparison is exact, never by a hash alone. Numbers count from 1 in the order of first use; 0 means
 * "none".
 */
#ifndef MUDLARK_INTERN_H
#define MUDLARK_INTERN_H

#include "report/base/memory.h"

#include <stdint.h>

struct intern_entry {
	const char *bytes; /* NUL-terminated copy in the arena */
	uint32_t length;
	uint32_t hash; /* upper half: the slot comes from the lower one */
};

struct intern {
	struct intern_entry *entries; /* [count], entry of number n at n - 1 */
	uint32_t *slots;              /* [slot_count]: number or 0; power of two, at most half full */
	uint32_t count, capacity, slot_count;
	struct arena arena;
};

/* The number of these bytes. */
uint32_t intern_bytes(struct intern *intern, const void *bytes, size_t length);
/* The number of a string; 0 for NULL. */
uint32_t intern_text(struct intern *intern, const char *text);
/* The bytes of a number that was handed out, "" for 0. They live as long as the table. */
const char *intern_get(const struct intern *intern, uint32_t number);
void intern_free(struct intern *intern);

#endif
