/* System calls that were broken off; broken_wait.h. */
#include "preload/process/broken_wait.h"

#include "preload/base/image.h"
#include "preload/base/sys.h"

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

static bool is_own(const struct sigaction *action)
{
	uintptr_t handler =
		action->sa_flags & SA_SIGINFO ? (uintptr_t)action->sa_sigaction : (uintptr_t)action->sa_handler;
	return handler >= (uintptr_t)&__ehdr_start && handler < (uintptr_t)_end;
}

/*
 * Whether the program has handlers. One of them may have run just before ours, which had to wait for it, and has broken
 * the wait off by right: a pause() that were made again would wait for ever.
 */
static bool has_handlers(void)
{
	struct sigaction action;
	for (int number = 1; number <= SIGRTMAX; number++) {
		if (sigaction(number, NULL, &action))
			continue; /* libc's own */
		bool handled =
			action.sa_flags & SA_SIGINFO || (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN);
		if (handled && !is_own(&action))
			return true;
	}
	return false;
}

void broken_wait_resume(ucontext_t *context)
{
	greg_t *registers = context->uc_mcontext.gregs;
	bool broken;
	int number = broken_call(registers, &broken);
	if (number == NO_CALL || !is_repeatable(registers, number) || has_handlers())
		return;
	/* What is left is the time to wait now. */
	if (number == SYS_nanosleep)
		registers[REG_RDI] = registers[REG_RSI];
	if (number == SYS_clock_nanosleep && !(registers[REG_RSI] & TIMER_ABSTIME))
		registers[REG_RDX] = registers[REG_R10];
	registers[REG_RAX] = number;
	registers[REG_RIP] -= CALL_BYTES;
}
