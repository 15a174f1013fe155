/* System calls that were broken off; broken_wait.h. */
#include "preload/process/broken_wait.h"

#include "preload/arch/context.h"
#include "preload/base/image.h"

#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

/* With a point in time, as libc's, or without. */
static bool is_repeatable_futex(const ucontext_t *context)
{
	unsigned command = (unsigned)context_argument(context, 1) & (unsigned)FUTEX_CMD_MASK;
	return command == FUTEX_WAIT_BITSET || (command == FUTEX_WAIT && !context_argument(context, 3));
}

/*
 * Returns whether the call does the same once more. Of a time to wait, that is so when it is a point in time, or there
 * is none, or the kernel has put what is left of it where it is read again.
 */
static bool is_repeatable(const ucontext_t *context, int number)
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
		return (int)context_argument(context, 2) < 0;
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
		return (int)context_argument(context, 3) < 0;
	case SYS_futex:
		return is_repeatable_futex(context);
	case SYS_nanosleep:
		return context_argument(context, 1) != 0;
	case SYS_clock_nanosleep:
		return context_argument(context, 1) & TIMER_ABSTIME || context_argument(context, 3);
	default:
		return false;
	}
}

bool broken_wait(const ucontext_t *context)
{
	bool broken;
	context_broken_call(context, &broken);
	return broken;
}

static bool is_own(const struct sigaction *action)
{
	uintptr_t handler =
		action->sa_flags & SA_SIGINFO ? (uintptr_t)action->sa_sigaction : (uintptr_t)action->sa_handler;
	return handler >= (uintptr_t)&__ehdr_start && handler < (uintptr_t)_end;
}

/*
 * Returns whether the program has handlers. One of them may have run just before ours, which had to wait for it, and
 * has broken the wait off by right: a pause() that were made again would wait forever.
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
	bool broken;
	int number = context_broken_call(context, &broken);
	if (number == NO_CALL || !is_repeatable(context, number) || has_handlers())
		return;
	/* What is left is the time to wait now. */
	if (number == SYS_nanosleep)
		context_set_argument(context, 0, context_argument(context, 1));
	if (number == SYS_clock_nanosleep && !(context_argument(context, 1) & TIMER_ABSTIME))
		context_set_argument(context, 2, context_argument(context, 3));
	context_call_again(context, number);
}
