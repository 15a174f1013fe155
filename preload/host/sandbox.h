/*
 * Programs that lock themselves in: after a seccomp filter is installed, a system call that the program itself does not
 * make may kill it.
 *
 * prctl and syscall are interposed by stubs that only look at their first argument and jump on. Just before a filter is
 * installed the last snapshot is written and recording ends; from then on Mudlark makes no system call but mmap and
 * munmap (and futex, when threads contend). A filter inherited from the parent is not seen: it was made for programs
 * that open files.
 */
#ifndef MUDLARK_SANDBOX_H
#define MUDLARK_SANDBOX_H

/* A filter that was not seen has refused a call of ours. Async-signal-safe. */
void sandbox_met(void);

/* Resolves libc's functions. From the constructor. */
void sandbox_init(void);

#endif
