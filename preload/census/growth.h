/*
 * The numbers of the first and the last census, so that the next one can determine which types have grown since.
 *
 * A census may be taken by a copy of the process, which ends with it. So the numbers are stored in memory that both
 * share: a table of fixed size, by a hash of the type's name. Types that do not fit in count as new.
 */
#ifndef MUDLARK_CENSUS_GROWTH_H
#define MUDLARK_CENSUS_GROWTH_H

#include <stdbool.h>
#include <stdint.h>

/* In the process itself, before a census: memory for its numbers, once. Caller holds survey_lock. */
void census_growth_prepare(void);
/* In a fork child: its numbers are not its parent's. */
void census_growth_fork_child(void);

/* Objects of the type at the last census; hash: census_hash() of its name. */
uint32_t census_growth_last(uint32_t hash);
/* ... and at the first one. */
uint32_t census_growth_first(uint32_t hash);

/* The epoch that ended with the last census; 0: there was none. */
uint32_t census_growth_epoch(void);

/* Forgets the last census; then what this one counted, type by type. epoch: the one that ends with it. */
void census_growth_begin(uint32_t epoch);
void census_growth_note(uint32_t hash, uint64_t objects);

#endif
