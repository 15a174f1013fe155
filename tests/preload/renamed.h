/*
 * The malloc family under test, by the names that rules.mk gives it, and what the library's constructor does before a
 * program begins.
 */
#ifndef TESTS_PRELOAD_RENAMED_H
#define TESTS_PRELOAD_RENAMED_H

#include "preload/base/space.h"
#include "preload/heap/foreign.h"
#include "preload/heap/heap.h"
#include "preload/heap/jemalloc_glue.h"
#include "preload/host/record.h"
#include "preload/process/modules.h"
#include "preload/sites/recording.h"
#include "preload/sites/stacks.h"
#include "preload/sites/totals.h"
#include "preload/unwind/unwind.h"

#include <check.h>
#include <stddef.h>
#include <stdio.h>

void *mud_malloc(size_t size);
void *mud_calloc(size_t count, size_t size);
void *mud_realloc(void *p, size_t size);
void *mud_reallocarray(void *p, size_t count, size_t size);
void mud_free(void *p);
void *mud_memalign(size_t alignment, size_t size);
void *mud_aligned_alloc(size_t alignment, size_t size);
int mud_posix_memalign(void **out, size_t alignment, size_t size);
void *mud_valloc(size_t size);
void *mud_pvalloc(size_t size);
size_t mud_malloc_usable_size(void *p);
int mud_malloc_trim(size_t pad);

static inline void __attribute__((unused)) prepare_allocator(void)
{
	heap_init(record_thread_end);
	foreign_init();
	space_init();
	jemalloc_init();
}

static inline void __attribute__((unused)) prepare_recording(void)
{
	const char *reason = NULL;
	prepare_allocator();
	totals_init(true, NULL);
	modules_init();
	ck_assert(stacks_init());
	unwind_init();
	ck_assert_msg(unwind_load(&reason), "%s", reason ? reason : "");
	recording_start();
}

static inline uint64_t __attribute__((unused)) resident_kib(void)
{
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fscanf(file, "%*u %lu", &pages), 1);
	fclose(file);
	return pages * 4;
}

#endif
