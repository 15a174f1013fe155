/*
 * Stopping the world: all other threads of the process are stopped, at known places.
 *
 *   caller   looks at all threads -- signals them -- [ they stand ] -- releases them
 *   thread   handler: says its registers, waits at a futex ...................^ goes on
 *
 * By a real-time signal that nobody uses, whose handler is ours for the time of the stop only; what is left of it then
 * is thrown away, so that a thread which blocks it never meets it. Under a debugger, which would stop at that one, it
 * is one that does nothing by default. ptrace is not used: containers, debuggers and sandboxes refuse it.
 *
 * A thread that blocks the signal, or waits for signals, is not sent one: it would see it. If it waits in the kernel,
 * /proc/self/task/TID/syscall tells its stack pointer; the registers that a caller of libc may keep over a call are not
 * known then. One that runs is looked at again for some time: most block signals for a moment only. A thread that does
 * not stop in time goes on, and is counted.
 *
 * A thread that was waiting in the kernel goes on waiting when released, but for those calls that return EINTR even so
 * (broken_wait.h). Where the process ends they must not return: what comes then, as the end of main() behind a pause(),
 * would end it with another status. Such threads stand until it has.
 */
#ifndef MUDLARK_STOP_H
#define MUDLARK_STOP_H

#include "preload/arch/registers.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum stop_state {
	STOP_GONE = 0, /* it ended meanwhile */
	STOP_SENT,
	STOP_STANDS,
	STOP_IN_KERNEL, /* goes on when the kernel lets it; its stack pointer and program counter are known */
	STOP_RUNS,      /* nothing is known of it */
};

struct stop_thread {
	pid_t tid;
	uint32_t generation;
	_Atomic uint32_t state;                 /* enum stop_state */
	uintptr_t sp, ip;                       /* ip 0: not known */
	uintptr_t lowest;                       /* the first byte that it may use below sp */
	uintptr_t pointer;                      /* thread pointer; 0: not known */
	uintptr_t registers[GENERAL_REGISTERS]; /* as struct sigcontext has them */
	uintptr_t vector, vector_end;           /* where the other ones are saved */
	/* Of an alternate signal stack, which the handler may have been on, what the thread itself does not use. */
	uintptr_t alternate_low, alternate_high;
};

struct stopped {
	struct stop_thread *thread;
	uint32_t count, standing, in_kernel, running;
	bool unlisted; /* the threads could not be listed */
	uint64_t begun_ns;
	pid_t self; /* who stopped them, and its thread pointer */
	uintptr_t self_pointer;
};

/*
 * Stops one at a time: caller holds the snapshot lock, has all signals blocked, and holds no lock of ours that it needs
 * until the release. ends: the process is exiting, so that threads which answer late are waited for longer.
 */
void stop_world(struct stopped *stopped, bool ends);
/*
 * Says how long they stood before the first of them goes on: those that do may take the processor for long. ends: the
 * process is exiting; threads whose waits were interrupted stay stopped.
 */
void stop_release(struct stopped *stopped, _Atomic uint64_t *stood_ns, bool ends);

#endif
