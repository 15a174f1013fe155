/* Telling by the interrupted instruction; interrupted.h says what for. */
#include "preload/process/interrupted.h"

#include "preload/arch/context.h"
#include "preload/arch/registers.h"
#include "preload/process/runtime.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <ucontext.h>

/* Returns whether the thread is at a system call that waits, or after one that has been broken off by the signal. */
static bool waits(const ucontext_t *context)
{
	uintptr_t ip = context_ip(context);
	if (context_result(context) == -EINTR && context_after_call(ip))
		return true;
	if (!context_at_call(ip))
		return false;
	/* To be begun again; or for the first time, and these are what is called with the lock. */
	long number = context_call_number(context);
	return number != SYS_mmap && number != SYS_munmap && number != SYS_mprotect && number != SYS_madvise;
}

bool interrupted_may_make_thread(const void *context)
{
	enum runtime_part part = runtime_part(context_ip(context));
	/* In ld.so and here nothing waits but for locks. */
	return part == RUNTIME_NONE || (part == RUNTIME_LIBC && waits(context));
}

bool interrupted_calls_kernel(uintptr_t ip)
{
	enum runtime_part part = runtime_part(ip);
	return (part == RUNTIME_LIBC || part == RUNTIME_LOADER) && (context_at_call(ip) || context_after_call(ip));
}

uintptr_t interrupted_lowest(uintptr_t ip, uintptr_t sp)
{
	/*
	 * libc's functions that call the kernel use no red zone: those that may wait call others. Elsewhere the call
	 * may have been written in line, into a function that has variables there.
	 */
	return interrupted_calls_kernel(ip) ? sp : sp - RED_ZONE;
}

void interrupted_alternate(const ucontext_t *context, uintptr_t *low, uintptr_t *high)
{
	uintptr_t start = (uintptr_t)context->uc_stack.ss_sp, sp = context_sp(context);
	*low = *high = 0;
	if (!start || context->uc_stack.ss_flags & SS_DISABLE)
		return;
	*low = start;
	*high = start + context->uc_stack.ss_size;
	if (sp > *low && sp <= *high)
		*high = interrupted_lowest(context_ip(context), sp);
}
