/*
 * Hash consing of pairs of numbers: like intern.h for texts, but for keys of 16 bytes.
 *
 * A snapshot with 100,000 stacks has some 600,000 frames, and each is looked up twice (its address, its node of the
 * trie that two snapshots share). Stored as texts, they took a third of the time of `mudlark show` and half its memory.
 */
#ifndef MUDLARK_PAIR_TABLE_H
#define MUDLARK_PAIR_TABLE_H

#include <stdint.h>

struct pair {
	uint64_t first, second;
};

struct pair_table {
	struct pair *pairs; /* [count], the pair of number n at n - 1 */
	uint32_t *slots;    /* [slot_count]: number or 0; power of two, at most half full */
	uint32_t count, capacity, slot_count;
};

/* Makes room for so many pairs at once: a table that grows to a million is moved ten times. */
void pair_table_reserve(struct pair_table *table, uint32_t pairs);
/* The pair's number: from 1 on, in the order of first sight. */
uint32_t pair_number(struct pair_table *table, uint64_t first, uint64_t second);
void pair_table_free(struct pair_table *table);

#endif
