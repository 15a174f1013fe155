/* The state of the recording; recording.h. */
#include "preload/sites/recording.h"

#include "preload/sites/sample.h"

_Atomic uint32_t recording_epoch = 1;
_Atomic uint64_t recording_marks;
_Atomic bool recording_active;

static _Atomic bool begun, blind;

void recording_blind(void)
{
	atomic_store(&blind, true);
}

bool recording_is_blind(void)
{
	return !atomic_load(&begun) || atomic_load(&blind);
}

void recording_start(void)
{
	atomic_store(&begun, true);
	atomic_store(&recording_active, true);
	sample_begin();
}
