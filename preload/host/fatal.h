/*
 * A signal with its default action is about to end the process: the snapshot before, and then the end as it would have
 * been.
 *
 * The thread that the signal came to takes the snapshot on a stack of its own, inline, and sends itself the signal
 * again, with all that came with it, under the default action. The kernel delivers it when the handler returns, at the
 * instruction that it interrupted: parent, core file and its first thread are what they would have been.
 *
 * The end must come, and soon:
 *
 *   where                           what                         then
 *   the thread holds a lock of ours the signal is put off        tried again each PUT_OFF_NS
 *   ... and has faulted             nothing can be read          the end at once
 *   in the snapshot                 a fault                      the end at once, by the first signal
 *   another thread                  a fault                      waits for the end
 *   any thread, within MEANT_NS     a signal sent again          nothing: timeout(1) sends two
 *   any thread, later               a signal sent again          the end at once: somebody is impatient
 *   LIMIT_NS after the first one    a timer's signal             the end at once
 *
 * A vfork child, a raw copy of the process, and the first process of a namespace, for which the kernel ignores these
 * signals, write nothing and touch nothing of the process's.
 *
 * A stack that has overflowed has no room for a handler: the kernel ends the process as without us, and there is no
 * snapshot, unless the program has given the thread another stack (sigaltstack).
 */
#ifndef MUDLARK_FATAL_H
#define MUDLARK_FATAL_H

#include <signal.h>

/* The handler, for dispositions.c. Async-signal-safe. */
void fatal_signal(int number, siginfo_t *info, void *context);

/* In a fork child. */
void fatal_fork_child(void);

#endif
