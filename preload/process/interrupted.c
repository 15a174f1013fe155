/* Telling by the interrupted instruction; interrupted.h says what for. */
#include "preload/process/interrupted.h"

#include "preload/arch/registers.h"
#include "preload/process/runtime.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>

/* Whether the instruction is a system call, number `number`, that waits or that has been broken off by the signal. */
static bool waits(const uint8_t *ip, long number)
{
	if (number == -EINTR && memcmp(ip - sizeof registers_syscall, registers_syscall, sizeof registers_syscall) == 0)
		return true;
	if (memcmp(ip, registers_syscall, sizeof registers_syscall) != 0)
		return false;
	/* To be begun again; or for the first time, and these are what is called with the lock. */
	return number != SYS_mmap && number != SYS_munmap && number != SYS_mprotect && number != SYS_madvise;
}

bool interrupted_may_make_thread(const void *context)
{
	const greg_t *registers = ((const ucontext_t *)context)->uc_mcontext.gregs;
	uintptr_t ip = (uintptr_t)registers[REG_RIP];
	enum runtime_part part = runtime_part(ip);
	/* In ld.so and here nothing waits but for locks. */
	return part == RUNTIME_NONE || (part == RUNTIME_LIBC && waits((const uint8_t *)ip, registers[REG_RAX]));
}

bool interrupted_calls_kernel(uintptr_t ip)
{
	enum runtime_part part = runtime_part(ip);
	return (part == RUNTIME_LIBC || part == RUNTIME_LOADER) &&
	       (memcmp((const void *)ip, registers_syscall, sizeof registers_syscall) == 0 ||
		memcmp((const void *)(ip - sizeof registers_syscall), registers_syscall, sizeof registers_syscall) ==
			0);
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
	uintptr_t start = (uintptr_t)context->uc_stack.ss_sp, sp = registers_context_sp(context);
	*low = *high = 0;
	if (!start || context->uc_stack.ss_flags & SS_DISABLE)
		return;
	*low = start;
	*high = start + context->uc_stack.ss_size;
	if (sp > *low && sp <= *high)
		*high = interrupted_lowest(registers_context_ip(context), sp);
}
