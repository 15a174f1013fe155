/*
 * Programs that are executed: the moment at which a process's memory disappears without a snapshot at its end.
 *
 * exec*(3), posix_spawn(3), system(3) and popen(3) are interposed, because nothing else sees that moment: neither
 * handlers of atexit() nor of pthread_atfork() run, and the new program knows nothing of the old one. If a leak search
 * at the end is requested, it is made here (control_before_exec()). The run's roster learns what replaced the process,
 * so that a program in which the library does not start is missed by name.
 *
 * system(3) and popen(3) make their children inside libc. What they start has the process's own environment: if that
 * lacks what the run needs, the roster says so.
 *
 * The functions may be called in a vfork child, and in signal handlers.
 */
#ifndef MUDLARK_EXEC_H
#define MUDLARK_EXEC_H

/* Resolves libc's functions. From the constructor. */
void exec_init(void);

#endif
