/*
 * Instructions that C has no words for, and the processor's name. Another processor is another
 * preload/arch/NAME/processor.h with the same names.
 *
 *   ARCH_ELF_MACHINE             e_machine of its programs
 *   processor_pause()            in a loop that waits for another thread
 *   processor_count_down(p, n)   takes n from *p by one instruction, which a thread's signal handler cannot come into the
 *                                middle of. Returns whether the result is not negative
 *   processor_jump(at)           where the code at `at`, of JUMP_BYTES_LEAST or more, may jump to; 0: it is no such jump.
 *                                What looks like one may be a part of another instruction: check where it leads
 */
#ifndef MUDLARK_ARCH_PROCESSOR_H
#define MUDLARK_ARCH_PROCESSOR_H

#if defined(__x86_64__)
#include "preload/arch/x86_64/processor.h"
#else
#error "Mudlark does not know this processor."
#endif

#endif
