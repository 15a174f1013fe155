/*
 * The registers that a walk of the stack starts from, as the hook's caller will have them when the hook returns.
 *
 * Everything particular to a processor in the walk is here: the DWARF numbers of its registers, how far its return
 * address lies from the CFA, which registers a call preserves, and how a hook reads its caller's frame pointer.
 * interpose.c is compiled so that the compiler keeps its hands off that register (arch/NAME/flags.mk): wherever in a hook
 * it is read, it is the caller's still. Another processor is another preload/arch/NAME/registers.h with the same names.
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
#include "preload/arch/x86_64/registers.h"
#else
#error "Mudlark has no walk for this processor yet: it needs a folder of its own"
#endif

#endif
