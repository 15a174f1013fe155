/* The counters of losses.h. */
#include "preload/base/losses.h"

_Atomic uint64_t loss_counters[LOSS_KEYS];
