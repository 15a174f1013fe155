/* Telling by the interrupted instruction; interrupted.h says what for. */
#include "preload/process/interrupted.h"

#include "preload/arch/registers.h"
#include "preload/process/runtime.h"

#include <errno.h>
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
