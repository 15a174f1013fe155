/* System calls that were broken off; broken_wait.h. */
#include "preload/broken_wait.h"

#include "preload/sys.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

enum { NO_CALL = -1, CALL_BYTES = 2, READ_BYTES = 8 };

/* The call that the signal broke off, as libc made it: NO_CALL: none, or it was not libc that made it. */
static int broken_call(const greg_t *registers, bool *broken)
{
	struct __attribute__((packed)) {
		unsigned char prefix, load; /* mov $number, %eax */
		int number;
		unsigned char call[CALL_BYTES];
	} before;
	_Static_assert(sizeof before == READ_BYTES, "as the instructions stand in memory");
	uintptr_t ip = (uintptr_t)registers[REG_RIP];
	*broken = false;
	/* In the page that runs: what is there can be read, without a call that a filter could punish. */
	if (registers[REG_RAX] != -EINTR || ip % SYS_PAGE_BYTES < sizeof before)
		return NO_CALL;
	memcpy(&before, (const void *)(ip - sizeof before), sizeof before);
	*broken = before.call[0] == 0x0f && before.call[1] == 0x05; /* syscall */
	/* Behind 0x41 it is another register. */
	return *broken && before.load == 0xb8 && before.prefix != 0x41 ? before.number : NO_CALL;
}

/* With a point in time, as libc's, or without. */
static bool is_repeatable_futex(const greg_t *registers)
{
	unsigned command = (unsigned)registers[REG_RSI] & (unsigned)FUTEX_CMD_MASK;
	return command == FUTEX_WAIT_BITSET || (command == FUTEX_WAIT && !registers[REG_R10]);
}

/*
 * Whether the call does the same once more. Of a time to wait, that is so when it is a point in time, or there is none,
 * or the kernel has put what is left of it where it is read again.
 */
static bool is_repeatable(const greg_t *registers, int number)
{
	switch (number) {
	case SYS_pause:
	case SYS_rt_sigsuspend:
	case SYS_ppoll:
	case SYS_select:
	case SYS_pselect6:
	case SYS_msgrcv:
	case SYS_msgsnd:
	case SYS_semop:
		return true;
	case SYS_poll:
		return (int)registers[REG_RDX] < 0;
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
		return (int)registers[REG_R10] < 0;
	case SYS_futex:
		return is_repeatable_futex(registers);
	case SYS_nanosleep:
		return registers[REG_RSI] != 0;
	case SYS_clock_nanosleep:
		return registers[REG_RSI] & TIMER_ABSTIME || registers[REG_R10];
	default:
		return false;
	}
}

bool broken_wait(const ucontext_t *context)
{
	bool broken;
	broken_call(context->uc_mcontext.gregs, &broken);
	return broken;
}

/* Whether a handler of the program's runs as soon as ours is left: that one breaks the wait off by right. */
static bool is_expected(const ucontext_t *context)
{
	sigset_t pending;
	if (sigpending(&pending))
		return true;
	for (int number = 1; number <= SIGRTMAX; number++)
		if (sigismember(&pending, number) == 1 && sigismember(&context->uc_sigmask, number) == 0)
			return true;
	return false;
}

void broken_wait_resume(ucontext_t *context)
{
	greg_t *registers = context->uc_mcontext.gregs;
	bool broken;
	int number = broken_call(registers, &broken);
	if (number == NO_CALL || !is_repeatable(registers, number) || is_expected(context))
		return;
	/* What is left is the time to wait now. */
	if (number == SYS_nanosleep)
		registers[REG_RDI] = registers[REG_RSI];
	if (number == SYS_clock_nanosleep && !(registers[REG_RSI] & TIMER_ABSTIME))
		registers[REG_RDX] = registers[REG_R10];
	registers[REG_RAX] = number;
	registers[REG_RIP] -= CALL_BYTES;
}
