/* The entries, and the functions of libc's that would show them; dispositions.h has the idea. */
#include "preload/host/dispositions.h"

#include "preload/host/fatal.h"
#include "preload/interface/fatal_signals.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define EXPORTED __attribute__((visibility("default")))

typedef void handler(int);

/* Flags of the program's that an entry stands for: each entry is one set of them, by its number. */
static const int told_flags[] = {SA_SIGINFO, SA_ONSTACK, SA_NODEFER, (int)SA_RESETHAND};
enum {
	TOLD_FLAGS = sizeof told_flags / sizeof told_flags[0],
	UNTOUCHED = 1 << TOLD_FLAGS, /* the program has never set the action: no flags, no mask, no restorer */
	ENTRIES,
};

#define ENTRY(number)                                                                                                  \
	static void entry_##number(int signal_number, siginfo_t *info, void *context)                                  \
	{                                                                                                              \
		fatal_signal(signal_number, info, context);                                                            \
	}
#define ALL_ENTRIES(do)                                                                                                \
	do                                                                                                             \
	(0) do(1) do(2) do(3) do(4) do(5) do(6) do(7) do(8) do(9) do(10) do(11) do(12) do(13) do(14) do(15) do(16)
#define NAME(number) entry_##number,

ALL_ENTRIES(ENTRY)

static void (*const entries[])(int, siginfo_t *, void *) = {ALL_ENTRIES(NAME)};
_Static_assert(sizeof entries / sizeof entries[0] == ENTRIES, "an entry for each set of flags");

/*
 * A handler of the program's with SA_RESETHAND: the kernel would put its own default action in place of it. An entry for
 * each such handler does what the kernel does, with ours, and calls it. They are never taken away again: a table that
 * only grows cannot be wrong for a vfork child or for another thread.
 */
#define ONCE(number)                                                                                                   \
	static void once_##number(int signal_number, siginfo_t *info, void *context)                                   \
	{                                                                                                              \
		call_once(number, signal_number, info, context);                                                       \
	}
#define ONCE_NAME(number) once_##number,

static void call_once(unsigned slot, int number, siginfo_t *info, void *context);
ALL_ENTRIES(ONCE)

static void (*const once[])(int, siginfo_t *, void *) = {ALL_ENTRIES(ONCE_NAME)};
enum { ONCE_SLOTS = sizeof once / sizeof once[0] };
static _Atomic(handler *) once_handler[ONCE_SLOTS];

static _Atomic uint64_t caught; /* a bit for each signal */

/* libc's. */
static struct {
	int (*sigaction)(int, const struct sigaction *, struct sigaction *);
	handler *(*signal)(int, handler *);
	handler *(*sysv_signal)(int, handler *);
	handler *(*sigset)(int, handler *);
	int (*siginterrupt)(int, int);
} next;

/* Signals whose handlers by signal() interrupt system calls, as siginterrupt() has it; libc's own list is hidden. */
static _Atomic uint64_t interrupting;

static uint64_t bit(int number)
{
	return number > 0 && number < NSIG ? (uint64_t)1 << (number - 1) : 0;
}

static bool is_caught(int number)
{
	return (atomic_load_explicit(&caught, memory_order_relaxed) & bit(number)) != 0;
}

static void find_next(void)
{
	next.signal = (handler * (*)(int, handler *)) dlsym(RTLD_NEXT, "signal");
	next.sysv_signal = (handler * (*)(int, handler *)) dlsym(RTLD_NEXT, "sysv_signal");
	next.sigset = (handler * (*)(int, handler *)) dlsym(RTLD_NEXT, "sigset");
	next.siginterrupt = (int (*)(int, int))dlsym(RTLD_NEXT, "siginterrupt");
	next.sigaction = (int (*)(int, const struct sigaction *, struct sigaction *))dlsym(RTLD_NEXT, "sigaction");
}

/* Another library's constructor may come here before ours has run. */
static void resolve(void)
{
	if (!next.sigaction)
		find_next();
}

/* ENTRIES: it is none. */
static unsigned entry_of(const struct sigaction *action)
{
	unsigned entry = 0;
	if (!(action->sa_flags & SA_SIGINFO))
		return ENTRIES;
	while (entry < ENTRIES && entries[entry] != action->sa_sigaction)
		entry++;
	return entry;
}

/* ONCE_SLOTS: it is none. Whatever its flags say: the program may have had none that we use. */
static unsigned once_of(const struct sigaction *action)
{
	unsigned slot = 0;
	while (slot < ONCE_SLOTS && once[slot] != action->sa_sigaction)
		slot++;
	return slot;
}

/* The slot of a handler, a new one if need be; ONCE_SLOTS: none is left. */
static unsigned once_slot(handler *wanted)
{
	for (unsigned slot = 0; slot < ONCE_SLOTS; slot++) {
		handler *there = NULL;
		if (atomic_compare_exchange_strong(&once_handler[slot], &there, wanted) || there == wanted)
			return slot;
	}
	return ONCE_SLOTS;
}

static unsigned entry_for(const struct sigaction *action)
{
	unsigned entry = 0;
	for (unsigned i = 0; i < TOLD_FLAGS; i++)
		if (action->sa_flags & told_flags[i])
			entry |= 1u << i;
	return entry;
}

/*
 * The action to set for a default one. On the program's other stack only where its own may be what has overflowed: a
 * stack that it has forgotten there must not matter for what needs none.
 */
static struct sigaction hidden(int number, const struct sigaction *wanted, unsigned entry)
{
	struct sigaction action = *wanted;
	for (unsigned i = 0; i < TOLD_FLAGS; i++)
		action.sa_flags &= ~told_flags[i];
	action.sa_flags |= SA_SIGINFO | (number == SIGSEGV || number == SIGBUS ? SA_ONSTACK : 0);
	action.sa_sigaction = entries[entry];
	return action;
}

/* What the program is to see of what the kernel says. Whether that is something else. */
static bool show(struct sigaction *action)
{
	unsigned entry = entry_of(action), slot = once_of(action);
	if (slot < ONCE_SLOTS) {
		action->sa_handler = atomic_load(&once_handler[slot]);
		action->sa_flags |= (int)SA_RESETHAND;
		return true;
	}
	if (entry == ENTRIES)
		return false;
	action->sa_handler = SIG_DFL;
	if (entry == UNTOUCHED) {
		action->sa_flags = 0;
		action->sa_restorer = NULL;
		return true;
	}
	for (unsigned i = 0; i < TOLD_FLAGS; i++) {
		action->sa_flags &= ~told_flags[i];
		if (entry >> i & 1)
			action->sa_flags |= told_flags[i];
	}
	return true;
}

/* What the kernel is to get for what the program wants. */
static struct sigaction hide(int number, const struct sigaction *wanted)
{
	struct sigaction action = *wanted;
	if (wanted->sa_handler == SIG_DFL)
		return hidden(number, wanted, entry_for(wanted));
	unsigned slot = ONCE_SLOTS;
	if (wanted->sa_flags & (int)SA_RESETHAND && wanted->sa_handler != SIG_IGN)
		slot = once_slot(wanted->sa_handler);
	if (slot < ONCE_SLOTS) {
		action.sa_sigaction = once[slot];
		action.sa_flags &= ~(int)SA_RESETHAND;
	}
	return action;
}

/* As the kernel does, which keeps flags and mask. Not inlined: its frame is not to be under the handler's. */
static __attribute__((noinline)) void reset(unsigned slot, int number)
{
	struct sigaction action;
	int saved = errno;
	if (next.sigaction(number, NULL, &action) == 0 && once_of(&action) == slot) {
		show(&action);
		action.sa_handler = SIG_DFL;
		if (is_caught(number))
			action = hidden(number, &action, entry_for(&action));
		next.sigaction(number, &action, NULL);
	}
	errno = saved;
}

/* The handler gets all three arguments, whether it has asked for them or not. */
static void call_once(unsigned slot, int number, siginfo_t *info, void *context)
{
	reset(slot, number);
	((void (*)(int, siginfo_t *, void *))(uintptr_t)atomic_load(&once_handler[slot]))(number, info, context);
}

EXPORTED int sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
	struct sigaction ours;
	resolve();
	if (action && is_caught(number)) {
		ours = hide(number, action);
		action = &ours;
	}
	int result = next.sigaction(number, action, old);
	if (result == 0 && old)
		show(old);
	return result;
}

EXPORTED int __sigaction(int number, const struct sigaction *action, struct sigaction *old)
	__attribute__((alias("sigaction"), copy(sigaction)));

static handler *seen(handler *old)
{
	struct sigaction action = {.sa_flags = SA_SIGINFO};
	action.sa_handler = old;
	show(&action);
	return action.sa_handler;
}

/* sigaction() for the older functions, which say the old handler. */
static handler *set(int number, handler *wanted, int flags, bool masks_itself)
{
	struct sigaction action, old;
	memset(&action, 0, sizeof action);
	action.sa_handler = wanted;
	action.sa_flags = flags;
	if (masks_itself)
		sigaddset(&action.sa_mask, number);
	return sigaction(number, &action, &old) == 0 ? old.sa_handler : SIG_ERR;
}

EXPORTED handler *signal(int number, handler *wanted)
{
	resolve();
	if (wanted == SIG_DFL && is_caught(number))
		return set(number, SIG_DFL, atomic_load(&interrupting) & bit(number) ? 0 : SA_RESTART, true);
	return seen(next.signal(number, wanted));
}

EXPORTED handler *bsd_signal(int number, handler *wanted) __attribute__((alias("signal"), copy(signal)));
EXPORTED handler *ssignal(int number, handler *wanted) __attribute__((alias("signal"), copy(signal)));

EXPORTED handler *sysv_signal(int number, handler *wanted)
{
	resolve();
	if (is_caught(number))
		return set(number, wanted, (int)(SA_RESETHAND | SA_NODEFER | SA_INTERRUPT), false);
	return seen(next.sysv_signal(number, wanted));
}

EXPORTED handler *__sysv_signal(int number, handler *wanted) __attribute__((alias("sysv_signal"), copy(sysv_signal)));

/* Sets the action and takes the signal out of the mask; says SIG_HOLD if it was there. */
EXPORTED handler *sigset(int number, handler *wanted)
{
	sigset_t one, before;
	resolve();
	if (wanted != SIG_DFL || !is_caught(number))
		return seen(next.sigset(number, wanted));
	handler *old = set(number, SIG_DFL, 0, false);
	sigemptyset(&one);
	sigaddset(&one, number);
	if (old == SIG_ERR || sigprocmask(SIG_UNBLOCK, &one, &before))
		return SIG_ERR;
	return sigismember(&before, number) ? SIG_HOLD : old;
}

EXPORTED int siginterrupt(int number, int interrupts)
{
	struct sigaction action;
	resolve();
	int result = next.siginterrupt(number, interrupts);
	if (result)
		return result;
	if (interrupts)
		atomic_fetch_or(&interrupting, bit(number));
	else
		atomic_fetch_and(&interrupting, ~bit(number));
	/* libc has changed the flags of our entry: the program is to see them with the default action. */
	if (is_caught(number) && sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_DFL) {
		action.sa_flags &= ~SA_RESTART;
		action.sa_flags |= interrupts ? 0 : SA_RESTART;
		sigaction(number, &action, NULL);
	}
	return 0;
}

static const int fatal_numbers[] = {FATAL_SIGNALS};
enum { FATAL_NUMBERS = sizeof fatal_numbers / sizeof fatal_numbers[0] };

static bool wanted; /* there has been a dispositions_init() */

void dispositions_init(void)
{
	resolve();
	wanted = true;
	for (size_t i = 0; i < FATAL_NUMBERS; i++) {
		int number = fatal_numbers[i];
		struct sigaction old;
		atomic_fetch_or(&caught, bit(number));
		if (next.sigaction(number, NULL, &old) || old.sa_handler != SIG_DFL)
			continue;
		struct sigaction ours = hidden(number, &old, UNTOUCHED);
		next.sigaction(number, &ours, NULL);
	}
}

void dispositions_give_back(void)
{
	atomic_store(&caught, 0);
	for (size_t i = 0; next.sigaction && i < FATAL_NUMBERS; i++) {
		struct sigaction action;
		if (next.sigaction(fatal_numbers[i], NULL, &action) || !show(&action))
			continue;
		next.sigaction(fatal_numbers[i], &action, NULL);
	}
}

void dispositions_take_again(void)
{
	if (wanted)
		dispositions_init();
}
