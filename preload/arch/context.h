/*
 * What a signal interrupted, read from and written to the context that its handler gets. Another processor is another
 * preload/arch/NAME/context.h with the same functions. All are async-signal-safe.
 *
 *   context_sp(context), context_ip(context)
 *                                      stack pointer and program counter
 *   CONTEXT_SP, CONTEXT_IP, CONTEXT_FP, CONTEXT_WALKED_BYTES
 *                                      where in a context they and the frame pointer are; the bytes up to the last one
 *   context_vector(context, &end)      where the registers that are not general ones are saved; *end is 0: nowhere
 *   context_end(context, read)         the end of what the kernel wrote for the handler, of a context that may be damaged:
 *                                      read copies memory, or fails. 0: not known
 *   context_general(context, i)        a general register, in the order of struct sigcontext
 *   context_general_place(context, i)  where the context has it
 *   context_at_call(ip)                whether the instruction at ip is a system call; reads code
 *   context_after_call(ip)             ... the one before it
 *   context_call_number(context)       at a system call: which one
 *   context_result(context)            after a system call: what it returned
 *   context_set_result(context, n)     ... and what it is to have returned
 *   context_argument(context, i)       what the call was given, from 0; context_set_argument() for when it is made again
 *   context_broken_call(context, &broken)
 *                                      the call that the signal broke off, with -EINTR; NO_CALL: none, or it was not
 *                                      libc that made it. broken: whether there was any. The kernel does not tell a
 *                                      handler the number: it is read from the instruction before the call, which sets it
 *   context_call_again(context, number)
 *                                      the thread makes that call once more when the handler returns
 *   context_is_signal_return(code)     whether SIGNAL_RETURN_BYTES of code are what a signal handler returns to
 */
#ifndef MUDLARK_ARCH_CONTEXT_H
#define MUDLARK_ARCH_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

enum { NO_CALL = -1 };

#if defined(__x86_64__)
#include "preload/arch/x86_64/context.h"
#else
#error "Mudlark does not know this processor's signal contexts."
#endif

#endif
