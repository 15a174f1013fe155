/* LeakSanitizer's functions, for programs that call them; leaks/lsan_options.h says what each does here. */
#include "preload/heap/large.h"
#include "preload/host/control.h"
#include "preload/host/record.h"
#include "preload/interface/mudlark.h"
#include "preload/leaks/lsan_options.h"
#include "preload/leaks/roots.h"
#include "preload/sites/stacks.h"

#include <stdatomic.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT void __lsan_disable(void);
EXPORT void __lsan_disable(void)
{
	mudlark_ignore_begin();
}

EXPORT void __lsan_enable(void);
EXPORT void __lsan_enable(void)
{
	mudlark_ignore_end();
}

/* The record of the live block that has the address, and its requested size; NULL: there is none. */
static _Atomic uint32_t *record_of(const void *p, const void **start, size_t *size)
{
	if (pool_kind_of(p) == KIND_POOL) {
		struct slab *slab = slab_of(p);
		if (!atomic_load_explicit(&slab->heap, memory_order_acquire) || !slab->cohorts)
			return NULL;
		uint32_t index = slab_index(slab, p);
		if (index >= slab->carved)
			return NULL;
		*start = slab->base + (size_t)index * slab->size;
		*size = slab->size - slab_slack(slab)[index];
		return (_Atomic uint32_t *)&slab->cohorts[index];
	}
	struct large_record *record = pool_kind_of(p) == KIND_LARGE ? large_find(p) : NULL;
	if (!record)
		return NULL;
	*start = p;
	*size = record->size;
	return &record->cohort;
}

EXPORT void __lsan_ignore_object(const void *p);
EXPORT void __lsan_ignore_object(const void *p)
{
	struct heap *heap = heap_enter();
	const void *start;
	size_t size;
	_Atomic uint32_t *record = record_of(p, &start, &size);
	uint32_t cohort = record ? atomic_load_explicit(record, memory_order_relaxed) : 0;
	/* For the records it is freed. */
	if (cohort && cohort != COHORT_IGNORED && heap_attach(&heap)) {
		record_death(heap, start, size, cohort);
		atomic_store_explicit(record, COHORT_IGNORED, memory_order_relaxed);
	}
	heap_leave(heap);
}

EXPORT void __lsan_register_root_region(const void *start, size_t bytes);
EXPORT void __lsan_register_root_region(const void *start, size_t bytes)
{
	roots_register(start, bytes);
}

EXPORT void __lsan_unregister_root_region(const void *start, size_t bytes);
EXPORT void __lsan_unregister_root_region(const void *start, size_t bytes)
{
	roots_unregister(start, bytes);
}

EXPORT int __lsan_do_recoverable_leak_check(void);
EXPORT int __lsan_do_recoverable_leak_check(void)
{
	lsan_checks();
	return lsan_wants_check_now() && control_leaks(TRIGGER_API, "leak check") == LEAKS_FOUND;
}

EXPORT void __lsan_do_leak_check(void);
EXPORT void __lsan_do_leak_check(void)
{
	if (!lsan_wants_check_now() || !control_owns_process())
		return;
	enum leak_verdict verdict = control_leaks(TRIGGER_API, "leak check");
	lsan_settle(verdict == LEAKS_NONE);
	if (verdict == LEAKS_NONE)
		control_leaks_done();
	if (verdict == LEAKS_FOUND && lsan_status() && !lsan_has_suppressions())
		control_end_leaking();
}
