/*
 * Programs that sandbox themselves: after a seccomp filter is installed, a system call that the program itself does not
 * make may kill it.
 *
 * prctl and syscall are interposed by stubs that only inspect their first argument and jump on. Just before a filter is
 * installed, the last snapshot is written and recording ends; from then on Mudlark makes no system call except mmap and
 * munmap (and futex, when threads contend). A filter inherited from the parent is not seen: it was made for programs
 * that open files.
 *
 * A filter that the program installs with its own system call instruction is not seen either. Two events indicate it:
 *
 *   prctl(PR_SET_NO_NEW_PRIVS)   which one needs without CAP_SYS_ADMIN. From then on there is no snapshot at the end nor
 *                                at signals, unless Landlock follows, which needs it as well.
 *   a call of ours is refused    by SIGSYS, which fatal.h's handler survives, or by an error. From then on none is made.
 *
 * A filter that kills, installed by root without either, cannot be detected: a check would end the process.
 */
#ifndef MUDLARK_SANDBOX_H
#define MUDLARK_SANDBOX_H

/* A filter that was not seen has refused a call of ours. Async-signal-safe. */
void sandbox_met(void);

/* Resolves libc's functions. From the constructor. */
void sandbox_init(void);

#endif
