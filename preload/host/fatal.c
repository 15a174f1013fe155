/* See fatal.h. */
#include "preload/host/fatal.h"

#include "preload/arch/context.h"
#include "preload/arch/on_stack.h"
#include "preload/base/lock.h"
#include "preload/base/output.h"
#include "preload/base/sys.h"
#include "preload/base/text.h"
#include "preload/host/control.h"
#include "preload/host/sandbox.h"
#include "preload/snapshot/snapshot.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <ucontext.h>

#define LIMIT_NS UINT64_C(8000000000) /* docker stop kills after 10 s */
#define MEANT_NS UINT64_C(1000000000)
#define PUT_OFF_NS UINT64_C(1000000)

enum {
	STACK_BYTES = 1 << 16,
	SECCOMP_REFUSED = 1, /* si_code of SIGSYS, SYS_SECCOMP */
	SIGNALLED = 128,     /* as a shell says of a status */
	NAME_BYTES = 24,
};

static struct {
	_Atomic uintptr_t thread;  /* the one that takes the snapshot; 0: none */
	_Atomic uint64_t begun_ns; /* 0: the thread has only just begun */
	siginfo_t info;            /* of the first signal; the thread's own, as are the rest */
	pid_t tid;                 /* the thread's */
	int timer;                 /* < 0: there is none */
	volatile bool taking;      /* no longer put off */
	char name[NAME_BYTES];
} fatal;

/* The kernel's word on an instruction of the thread's, which would do the same again. */
static bool is_fault(const siginfo_t *info)
{
	switch (info->si_signo) {
	case SIGSEGV:
	case SIGBUS:
	case SIGILL:
	case SIGFPE:
	case SIGTRAP:
	case SIGSYS:
		return info->si_code > 0;
	default:
		return false;
	}
}

static bool is_refusal(const siginfo_t *info)
{
	return info->si_signo == SIGSYS && info->si_code == SECCOMP_REFUSED;
}

static uint64_t elapsed_ns(void)
{
	uint64_t begun = atomic_load(&fatal.begun_ns);
	return begun ? sys_monotonic_ns() - begun : 0;
}

/*
 * The end, when the handler returns, at the instruction of `context`. A call that a filter has refused is made again
 * with its signal blocked, for which the kernel kills, since the filter need not let us send one.
 */
static void end(const siginfo_t *info, ucontext_t *context)
{
	int number = info->si_signo;
	if (is_refusal(info)) {
		sigaddset(&context->uc_sigmask, number);
		context_call_again(context, info->si_syscall);
		return;
	}
	sys_signal_default(number);
	sigdelset(&context->uc_sigmask, number); /* sigsuspend() and ppoll() let it in only while they wait */
	if (sys_signal_thread(sys_gettid(), info))
		sys_exit(SIGNALLED + number); /* a filter refuses that: as near as can be */
}

/* The end now, whatever is half done. by_other: the calling thread is not the one that began. */
static void give_up(ucontext_t *context, bool by_other)
{
	/* A copy at work finishes its file by itself. */
	if (!snapshot_has_copy())
		output_discard();
	if (!by_other) {
		end(&fatal.info, context);
		return;
	}
	if (!atomic_load(&fatal.begun_ns))
		return; /* it is not known yet by which */
	sys_signal_default(fatal.info.si_signo);
	sys_signal_process(&fatal.info);
}

static void take(void *unused)
{
	(void)unused;
	control_at_signal(fatal.info.si_signo, fatal.name, fatal.timer >= 0);
}

/* The stack of a coroutine, or one that a thread was given for signals, may be of a few pages. */
static void take_on_stack(void)
{
	char *stack = sys_map(STACK_BYTES);
	if (stack)
		on_stack_call(stack + STACK_BYTES, take, NULL);
	else
		take(NULL);
}

static void take_and_end(ucontext_t *context)
{
	fatal.taking = true;
	if (fatal.timer >= 0)
		sys_timer_set(fatal.timer, LIMIT_NS, MEANT_NS);
	take_on_stack();
	end(&fatal.info, context);
}

static void begin(const siginfo_t *info, ucontext_t *context)
{
	struct text name = text_in(fatal.name, sizeof fatal.name);
	const char *abbreviated = sigabbrev_np(info->si_signo);
	fatal.info = *info;
	fatal.tid = sys_gettid();
	text_add(&name, "SIG");
	text_add(&name, abbreviated ? abbreviated : "?");
	atomic_store(&fatal.begun_ns, sys_monotonic_ns());
	fatal.timer = sys_timer(info->si_signo, &fatal);
	if (!lock_depth)
		take_and_end(context);
	else if (is_fault(info) || fatal.timer < 0)
		end(&fatal.info, context);
	else
		sys_timer_set(fatal.timer, PUT_OFF_NS, PUT_OFF_NS);
}

static bool is_tick(const siginfo_t *info)
{
	return info->si_code == SI_TIMER && info->si_value.sival_ptr == &fatal;
}

/* A signal to the thread that has begun. */
static void again(const siginfo_t *info, ucontext_t *context)
{
	if (is_fault(info) || elapsed_ns() >= (is_tick(info) ? LIMIT_NS : MEANT_NS))
		give_up(context, false);
	else if (!fatal.taking && !lock_depth)
		take_and_end(context);
}

/* The timer's signal comes to any thread. The one that has begun may have ended: then the calling one takes over. */
static void pass_on(const siginfo_t *info, ucontext_t *context)
{
	uintptr_t began = atomic_load(&fatal.thread);
	if (sys_signal_thread(fatal.tid, info) != -ESRCH || lock_depth || fatal.taking)
		return;
	if (!atomic_compare_exchange_strong(&fatal.thread, &began, lock_self()))
		return;
	fatal.tid = sys_gettid();
	take_and_end(context);
}

/* A signal to another thread. */
static void beside(const siginfo_t *info, ucontext_t *context)
{
	_Atomic uint32_t never = 0;
	if (is_tick(info) && elapsed_ns() < LIMIT_NS) {
		pass_on(info, context);
		return;
	}
	if (!is_fault(info)) {
		if (elapsed_ns() >= MEANT_NS)
			give_up(context, true);
		return;
	}
	/* What waits for a lock that it holds waits in vain. */
	while (!lock_depth && elapsed_ns() < LIMIT_NS + MEANT_NS)
		sys_futex_wait_for(&never, 0, PUT_OFF_NS);
	give_up(context, true);
	end(info, context);
}

/* Of a process that is not the one that everything here belongs to. */
static void end_other(const siginfo_t *info, ucontext_t *context)
{
	if (sys_getpid() != 1)
		end(info, context);
	else if (is_fault(info))
		sigaddset(&context->uc_sigmask, info->si_signo); /* it faults again, and is killed for it */
}

void fatal_signal(int number, siginfo_t *info, void *context)
{
	int saved = errno;
	uintptr_t began = 0;
	struct sys_quiet quiet; /* until the handler returns */
	info->si_signo = number;
	if (is_refusal(info) && sys_is_calling(context)) {
		/* A call of ours: it has failed. */
		sandbox_met();
		sys_set_result(context, -EPERM);
		return;
	}
	if (!control_owns_process()) {
		end_other(info, context);
		return;
	}
	sys_quiet_begin(&quiet);
	if (atomic_compare_exchange_strong(&fatal.thread, &began, lock_self()))
		begin(info, context);
	else if (began == lock_self())
		again(info, context);
	else
		beside(info, context);
	errno = saved;
}

void fatal_fork_child(void)
{
	atomic_store(&fatal.thread, 0);
	atomic_store(&fatal.begun_ns, 0);
	fatal.taking = false;
}
