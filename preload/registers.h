/*
 * The registers that a walk of the stack starts from, as the hook's caller will have them when the hook returns.
 *
 * What is particular to a processor in the walk stands here: the DWARF numbers of its registers, how far its return
 * address lies from the CFA, and how a hook reads its caller's frame pointer. interpose.c is compiled so that the
 * compiler keeps its hands off that register (-ffixed-rbp): wherever in a hook it is read, it is the caller's still.
 */
#ifndef MUDLARK_REGISTERS_H
#define MUDLARK_REGISTERS_H

#include <stdint.h>

struct registers {
	uintptr_t ip; /* return address into the hook's caller */
	uintptr_t sp; /* the caller's after the return: the CFA of the hook's frame */
	uintptr_t fp; /* the caller's frame pointer, or whatever else it keeps there */
};

#if defined(__x86_64__)

/* System V ABI, AMD64 supplement, figure 3.36. */
enum { DWARF_FP = 6, DWARF_SP = 7, DWARF_RETURN_ADDRESS = 16 };

/* The return address is pushed by the call: it lies below the CFA, always. */
enum { RETURN_ADDRESS_OFFSET = -8 };

/* Below its stack pointer a function may use that much without moving it (3.2.2). */
enum { RED_ZONE = 128 };

static inline __attribute__((always_inline)) uintptr_t registers_fp(void)
{
	uintptr_t fp;
	__asm__ volatile("mov %%rbp, %0" : "=r"(fp));
	return fp;
}

/* Those that the caller of the function that this stands in will have after the return. */
static inline __attribute__((always_inline)) struct registers registers_of_caller(void)
{
	const uintptr_t *frame = __builtin_frame_address(0); /* the saved frame pointer, the return address */
	return (struct registers){frame[1], (uintptr_t)(frame + 2), frame[0]};
}

#else
#error "Mudlark has no walk for this processor yet: add its registers here"
#endif

#endif
