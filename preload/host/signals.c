/* The signal that asks for snapshots, and the timer; control.h has the way that requests take. */
#include "preload/base/notes.h"
#include "preload/host/control_parts.h"
#include "preload/host/dispositions.h"
#include "preload/process/broken_wait.h"
#include "preload/process/interrupted.h"
#include "preload/process/modules.h"
#include "preload/sites/totals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>

enum {
	/* Ignored by default: a daemon that resets all handlers must not be killed by our timer. */
	TIMER_SIGNAL = SIGURG,
	/* Allocations that look whether Go has taken the signal: it does so before it starts its second thread. */
	WATCHES_MAX = 4096,
	AGAIN_NS = 1000000, /* until a signal that came at a bad moment comes again */
};

enum { AGAIN_NONE, AGAIN_BEING_MADE, AGAIN_MADE };

static struct {
	_Atomic uint32_t watches; /* how often the signal was looked after */
	bool timer_wanted;
	int timer_signal;
	timer_t timer;
	_Atomic uint32_t again_state; /* AGAIN_NONE, ... */
	timer_t again;
} signals;

/*
 * The next tick. One at a time, set by our own handler: when the host has taken the signal or reset it, there is no
 * next. Where a snapshot takes longer than the interval, the program goes on for an interval before the next one.
 */
static void timer_arm(void)
{
	uint64_t due = atomic_load_explicit(&control.next_due, memory_order_relaxed), now = totals_elapsed_ns();
	uint64_t left = due > now ? due - now : control.options->every_ns;
	struct itimerspec once = {
		.it_value = {.tv_sec = (time_t)(left / 1000000000u), .tv_nsec = (long)(left % 1000000000u)},
	};
	timer_settime(signals.timer, 0, &once, NULL);
}

/* Sends the signal again. Not at once: then it would come before the interrupted thread can go on. */
static void again_soon(int number)
{
	uint32_t none = AGAIN_NONE;
	const struct itimerspec once = {.it_value = {.tv_nsec = AGAIN_NS}};
	if (atomic_compare_exchange_strong(&signals.again_state, &none, AGAIN_BEING_MADE)) {
		struct sigevent event;
		memset(&event, 0, sizeof event);
		event.sigev_notify = SIGEV_SIGNAL;
		event.sigev_signo = number;
		bool good = timer_create(CLOCK_MONOTONIC, &event, &signals.again) == 0;
		atomic_store(&signals.again_state, good ? AGAIN_MADE : AGAIN_NONE);
	}
	if (atomic_load(&signals.again_state) == AGAIN_MADE)
		timer_settime(signals.again, 0, &once, NULL);
}

/* Takes the snapshot, or has it taken a little later where no thread may be made for it. */
static void serve(enum snapshot_trigger trigger, int number, const void *context)
{
	const char *why_not;
	if (!control_needs_helper(trigger, &why_not) || interrupted_may_make_thread(context)) {
		control_snapshot(trigger, NULL, false);
		return;
	}
	control_note(trigger);
	again_soon(number);
}

static void serve_noted(int number, const void *context)
{
	static const enum snapshot_trigger triggers[] = {TRIGGER_REQUEST, TRIGGER_SIGNAL, TRIGGER_INTERVAL};
	for (size_t i = 0; i < sizeof triggers / sizeof triggers[0]; i++)
		if (atomic_fetch_and(&control_pending, ~(1u << triggers[i])) & 1u << triggers[i])
			serve(triggers[i], number, context);
}

static void on_signal(int number, siginfo_t *info, void *context)
{
	int saved = errno;
	if (!control_owns_process())
		return;
	if (info->si_code == SI_TIMER) {
		serve_noted(number, context);
		if (number == signals.timer_signal && control_interval_due(totals_elapsed_ns()))
			serve(TRIGGER_INTERVAL, number, context);
		if (number == signals.timer_signal && signals.timer_wanted)
			timer_arm();
	} else if (info->si_code == SI_QUEUE && info->si_value.sival_ptr) {
		/* Of two requests before one is served, as of a thread that holds a lock, the first asks again. */
		uint64_t unserved = atomic_exchange(&control.token, (uint64_t)(uintptr_t)info->si_value.sival_ptr);
		if (unserved)
			answers_busy(unserved);
		serve(TRIGGER_REQUEST, number, context);
	} else {
		serve(TRIGGER_SIGNAL, number, context);
	}
	broken_wait_resume(context);
	errno = saved;
}

static bool set_handler(int number, void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction action;
	memset(&action, 0, sizeof action);
	action.sa_sigaction = handler;
	action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
	sigfillset(&action.sa_mask);
	return sigaction(number, &action, NULL) == 0;
}

/* Takes a signal that nobody has. False: the program has it, or there is none with that number. */
static bool take_signal(int number, void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction old;
	if (sigaction(number, NULL, &old) || old.sa_flags & SA_SIGINFO || old.sa_handler != SIG_DFL)
		return false;
	return set_handler(number, handler);
}

/*
 * Go's runtime, as it starts, takes all signals there are, by system calls of its own, and drops those that the program
 * has not asked for: no request would be heard. So the one for snapshots is taken back, once.
 */
bool signals_watch(void)
{
	struct sigaction now;
	int number = control.options->signal;
	if (sigaction(number, NULL, &now))
		return false;
	if (now.sa_sigaction == on_signal)
		return atomic_fetch_add(&signals.watches, 1) < WATCHES_MAX;
	if (modules_is_go((uintptr_t)now.sa_sigaction) && set_handler(number, on_signal) && signals.timer_wanted)
		timer_arm();
	return false;
}

void signals_resume(void)
{
	if (!control.options->every_ns)
		return;
	atomic_store(&control.next_due, totals_elapsed_ns() + control.options->every_ns);
	if (!signals.timer_wanted)
		return; /* the allocation path's looks at the clock have to do */
	struct sigevent event;
	memset(&event, 0, sizeof event);
	event.sigev_notify = SIGEV_SIGNAL;
	event.sigev_signo = signals.timer_signal;
	if (timer_create(CLOCK_MONOTONIC, &event, &signals.timer) == 0)
		timer_arm();
}

void signals_init(pid_t pid)
{
	const struct options *options = control.options;
	if (options->signal && !take_signal(options->signal, on_signal))
		notes_add("the signal for snapshots is taken: choose another one with signal=");
	/* Go uses the other one itself, to interrupt goroutines. */
	(void)modules_find(getauxval(AT_ENTRY));
	bool go = modules_is_go(getauxval(AT_ENTRY));
	signals.timer_signal = go ? options->signal : TIMER_SIGNAL;
	signals.timer_wanted = options->every_ns && options->signal && (go || take_signal(TIMER_SIGNAL, on_signal));
	if (go && options->signal)
		atomic_fetch_or(&control_pending, 1u << WATCH_SIGNAL);
	/*
	 * Not in the first process of a namespace, for which the default action of signals is none. Go would hand them
	 * to us where it finds that nobody catches them, and end otherwise.
	 */
	if (options->fatal && pid != 1 && !go)
		dispositions_init();
	signals_resume();
}

void signals_fork_child(pid_t pid)
{
	atomic_store(&signals.again_state, AGAIN_NONE); /* timers stay with the parent */
	if (pid == 1)
		dispositions_give_back();
}
