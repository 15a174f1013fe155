/*
 * Stacks of C code that Go calls: past the switch from the thread's stack to the goroutine's.
 *
 *   thread's stack (g0's)              goroutine's stack
 *   malloc's caller
 *   C function that Go calls
 *   runtime.asmcgocall  --- rbp --->   saved rbp, return address into runtime.cgocall
 *     g, depth                         saved rbp, return address into its caller
 *                                      ...           up to the end that g names
 *
 * Go's code has no .eh_frame, and its .debug_frame knows nothing of the switch, so that libunwind ends at asmcgocall.
 * But Go code keeps frame pointers on x86-64, and asmcgocall keeps the goroutine's one in rbp. What bounds the stack is
 * the goroutine's descriptor: asmcgocall saves its address, and how far below the stack's end it was, on the thread's
 * stack, and its first two words are the stack's bounds (an ABI: runtime/cgo/libcgo.h has them as struct G). A stack
 * where these do not fit together is not followed. While it is in C the goroutine's stack is neither moved nor freed.
 */
#ifndef MUDLARK_GO_STACK_H
#define MUDLARK_GO_STACK_H

#include "preload/arch/registers.h"
#include "preload/heap/heap.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Return addresses from the caller outwards into pcs[0..n-1]; returns n <= max. 0: the stack has no frame of Go's that
 * rules lead to, so it is for libunwind. Caller has checked that caller->sp is on the thread's own stack.
 * Async-signal-safe; preserves errno; never allocates.
 */
uint32_t go_stack(const struct heap *heap, const struct registers *caller, uint32_t generation, uintptr_t *pcs,
		  uint32_t max);

#endif
