/*
 * A copy of the process that does one piece of work and ends, while the process itself continues. It serves for work
 * that takes long to read from a large heap.
 *
 *   process   forked_start(): a raw clone, the address space copied on write       forked_poll(), later
 *                 |                                                                    ^
 *   copy          +--> prepares itself --> work(argument) --> ends --------------------+
 *
 * The host must not notice. Therefore:
 *   no libc fork        no handler of pthread_atfork runs, no lock of libc's is taken
 *   exit signal 0       no SIGCHLD, and the host's wait, waitpid and waitid do not see it: only with __WALL or __WCLONE
 *   CLONE_UNTRACED      debuggers and strace -f do not follow it, and gdb does not take it for a thread
 *   all signals stay blocked, as the caller has them; faults have their default action again, and no core is dumped
 *   its descriptors are closed at once: it keeps no pipe open and no file locked
 *   it is the first victim if memory is short: it has the highest oom_score_adj
 *
 * A child without an exit signal stays a zombie until its own parent waits for it with __WCLONE: forked_poll(), at the
 * next check of the clock, the next piece of work, a fork, and at exit. So an idle program has at most one. The
 * alternatives are worse: CLONE_PARENT gives the host's parent a child that it did not make; a double fork gives one,
 * with SIGCHLD, to the reaper, which may be the host itself or a process 1 that never waits. A program that the host
 * executes meanwhile inherits the zombie.
 *
 * The copy has one thread, the caller. A lock that another thread held stays taken forever, so the caller takes the
 * locks that the work needs beforehand; the work may release them. The work makes system calls only through sys.h,
 * allocates with sys_map(), and uses nothing of libc that takes a lock.
 */
#ifndef MUDLARK_FORKED_H
#define MUDLARK_FORKED_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Starts work(argument) in a copy; returns its pid, or -errno when there can be none (RLIMIT_NPROC, pids.max, memory,
 * a filter of system calls). keep_fd: a descriptor that the work needs, or -1. Caller has all signals blocked
 * (sys_quiet_begin). Async-signal-safe, preserves errno.
 */
pid_t forked_start(void (*work)(void *argument), void *argument, int keep_fd);

/*
 * For the work: forbids core dumps, and with them the reading of its own files in /proc. Once it needs these no more.
 */
void forked_hide(void);

enum forked_state {
	FORKED_RUNS,
	FORKED_ENDED, /* the work was done; also when the host has waited for it, and nobody knows */
	FORKED_DIED,  /* killed, or a fault */
};

/* How it is with the copy; with `wait` not before it has ended. It is forgotten by the kernel when it does not run. */
enum forked_state forked_poll(pid_t pid, bool wait);

#endif
