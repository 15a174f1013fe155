/*
 * The native stack of the calling thread, by libunwind.
 *
 * libunwind.so.8 is opened with RTLD_LOCAL: as DT_NEEDED it would replace the C++ exception runtime of every C++
 * library that a C host loads later. Its memory access is replaced by ours and it gets no pipe to validate addresses
 * with: Debian's 1.6.2 otherwise reads and writes bytes in host descriptors that reuse the pipe's numbers.
 *
 * May allocate (libunwind's own needs, a DTV that grows): call only between heap_enter() and heap_leave(), so that
 * such calls are nested ones.
 */
#ifndef MUDLARK_UNWIND_H
#define MUDLARK_UNWIND_H

#include "preload/heap/heap.h"

#include <stdbool.h>
#include <stdint.h>

/* From the constructor: what unwind_is_on_stack() needs. */
void unwind_init(void);

/*
 * Loads libunwind, once; before anything is recorded, and only then: it costs half a megabyte. Not async-signal-safe.
 * False: no stacks; *reason says why.
 */
bool unwind_load(const char **reason);

/*
 * Return addresses of the calling thread into pcs[0..n-1], innermost first, the caller of this function included;
 * returns n <= max, 0 when the stack could not be walked. *unreadable is set when the walk ended at memory that
 * could not be read. Preserves errno.
 */
uint32_t unwind_stack(struct heap *heap, uintptr_t *pcs, uint32_t max, bool *unreadable);

/*
 * Whether sp lies on the thread's own stack; then heap->stack_low and stack_high hold its bounds, and all between sp
 * and stack_high may be read.
 */
bool unwind_find_own_stack(struct heap *heap, uintptr_t sp);

/* The lowest address of the thread's own stack, if its bounds are known: of the main thread's, the kernel's limit. */
uintptr_t unwind_own_low(const struct heap *heap);

static inline bool unwind_on_own_stack(struct heap *heap, uintptr_t sp)
{
	return __builtin_expect(sp >= heap->stack_low && sp < heap->stack_high, 1) || unwind_find_own_stack(heap, sp);
}

/* fork: from close to open nobody is inside libunwind. Called before any lock of ours is taken. */
void unwind_gate_close(void);
void unwind_gate_open(void);

/* Whether an allocation called from there is the unwinder's own, or ld.so's on its behalf, during a walk. */
bool unwind_owns_call(uintptr_t caller);

/*
 * Whether p points into the main stack or, unless it runs on another one just now (a coroutine's), the calling thread's.
 * Async-signal-safe.
 */
bool unwind_is_on_stack(const void *p);

/* Id of ld.so among the modules; 0: not known. */
uint32_t unwind_loader_module(void);

#endif
