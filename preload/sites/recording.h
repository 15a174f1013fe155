/*
 * Whether the program's allocations are recorded, and what every layer may query about it. host/record.h has the births
 * and deaths of blocks.
 */
#ifndef MUDLARK_RECORDING_H
#define MUDLARK_RECORDING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

extern _Atomic uint32_t recording_epoch; /* from 1; advances with each snapshot */
extern _Atomic uint64_t recording_marks; /* iterations that the program has marked */
extern _Atomic bool recording_active;    /* the program's allocations are being recorded */

static inline bool recording_is_on(void)
{
	return atomic_load_explicit(&recording_active, memory_order_relaxed);
}

/* Records every thread's allocations from now on. Clear recording_active to stop. Async-signal-safe. */
void recording_start(void);

/*
 * Nothing can be said of the program's blocks: recording has not begun yet, or recording_blind() was called, for a
 * program that does not call our malloc, or whose records are lost.
 */
void recording_blind(void);
bool recording_is_blind(void);

#endif
