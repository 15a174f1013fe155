/*
 * The counters of everything that could not be recorded. Every counter goes into the snapshot, so that nothing is wrong
 * silently. The keys are the snapshot's own (enum snapshot_loss). All functions are async-signal-safe.
 */
#ifndef MUDLARK_LOSSES_H
#define MUDLARK_LOSSES_H

#include "preload/interface/snapshot_format.h"

#include <stdatomic.h>
#include <stdint.h>

enum { LOSS_KEYS = 64 };

extern _Atomic uint64_t loss_counters[LOSS_KEYS];

static inline void loss_count(enum snapshot_loss loss)
{
	atomic_fetch_add_explicit(&loss_counters[loss], 1, memory_order_relaxed);
}

static inline uint64_t loss_value(unsigned key)
{
	return atomic_load_explicit(&loss_counters[key], memory_order_relaxed);
}

#endif
