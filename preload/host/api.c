/* The functions of mudlark.h. */
#include "preload/interface/mudlark.h"

#include "preload/base/notes.h"
#include "preload/host/control.h"
#include "preload/host/record.h"
#include "preload/sites/recording.h"
#include "preload/sites/threads.h"
#include "preload/unwind/unwind.h"

#include <errno.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT void mudlark_start(void)
{
	if (!control_owns_process())
		return;
	const char *reason = NULL;
	struct heap *heap = heap_enter();
	/* Not from a handler that interrupted the allocator: ld.so may hold the locks that this would wait for. */
	if (heap_attach(&heap) && !unwind_load(&reason))
		notes_add(reason);
	heap_leave(heap);
	recording_start();
}

EXPORT void mudlark_stop(void)
{
	atomic_store(&recording_active, false);
}

EXPORT int mudlark_snapshot(const char *label)
{
	if (!control_owns_process()) {
		errno = EPERM;
		return -1;
	}
	int error = control_snapshot(TRIGGER_API, label, true);
	if (error)
		errno = -error;
	return error ? -1 : 0;
}

EXPORT int mudlark_mark(void)
{
	int error = control_owns_process() ? control_mark() : -EPERM;
	if (error)
		errno = -error;
	return error ? -1 : 0;
}

EXPORT int mudlark_leaks(const char *label)
{
	if (!control_owns_process()) {
		errno = EPERM;
		return -1;
	}
	enum leak_verdict verdict = control_leaks(TRIGGER_API, label);
	if (verdict != LEAKS_UNCERTAIN)
		return verdict == LEAKS_FOUND;
	return -1;
}

static void ignore(int change)
{
	struct heap *heap = heap_enter();
	if (heap_attach(&heap) && (change > 0 || heap->ignore_depth))
		heap->ignore_depth += (uint32_t)change;
	heap_leave(heap);
	control_poll(heap);
}

EXPORT void mudlark_ignore_begin(void)
{
	ignore(1);
}

EXPORT void mudlark_ignore_end(void)
{
	ignore(-1);
}

EXPORT void mudlark_thread_label(const char *label)
{
	struct heap *heap = heap_enter();
	if (label && heap_attach(&heap) && record_thread_begin(heap))
		threads_label(heap, label);
	heap_leave(heap);
}
