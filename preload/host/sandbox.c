/* The moment before a seccomp filter; sandbox.h. The stubs are in arch/x86_64/stubs/sandbox.S. */
#include "preload/host/sandbox.h"

#include "preload/base/sandboxed.h"
#include "preload/base/sys.h"
#include "preload/host/control.h"
#include "preload/host/dispositions.h"
#include "preload/process/roster.h"
#include "preload/sites/recording.h"

#include <dlfcn.h>
#include <linux/sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* Where the stubs jump to. */
void *sandbox_prctl;
void *sandbox_syscall;

void sandbox_init(void)
{
	sandbox_prctl = dlsym(RTLD_NEXT, "prctl");
	sandbox_syscall = dlsym(RTLD_NEXT, "syscall");
}

/* Called by the stub of syscall(): the run must know of processes that libc does not make. */
void sandbox_clone(long number, unsigned long argument);
void sandbox_clone(long number, unsigned long argument)
{
	uint64_t flags = number == SYS_clone ? argument : 0;
	if (number == SYS_clone3 && !sys_read_memory((const void *)argument, &flags, sizeof flags))
		return; /* it will fail */
	/* Threads and vfork children have the memory that is searched already. */
	if (!(flags & CLONE_VM) && control_owns_process())
		roster_clones();
}

void sandbox_met(void)
{
	/* Nothing recorded from here on could be told, and the unwinder makes system calls. */
	atomic_store(&recording_active, false);
	atomic_store(&sandbox_entered, true);
}

/* Called by the stubs. */
void sandbox_enter(void);
void sandbox_enter(void)
{
	if (!control_owns_process() || sandboxed())
		return;
	control_before_sandbox();
	/* A handler of ours could not make the calls that it ends the process by. */
	dispositions_give_back();
	sandbox_met();
}

void sandbox_suspect(void);
void sandbox_suspect(void)
{
	if (maybe_sandboxed() || !control_owns_process())
		return;
	dispositions_give_back();
	atomic_store(&sandbox_suspected, true);
}

/* syscall(SYS_prctl, option, ...) */
void sandbox_prctl_called(long number, unsigned long option);
void sandbox_prctl_called(long number, unsigned long option)
{
	(void)number;
	if (option == PR_SET_SECCOMP)
		sandbox_enter();
	else if (option == PR_SET_NO_NEW_PRIVS)
		sandbox_suspect();
}

/* Landlock, which refuses files and kills nobody: that is what the privileges were given up for. */
void sandbox_landlock(void);
void sandbox_landlock(void)
{
	if (sandboxed() || !atomic_exchange(&sandbox_suspected, false))
		return;
	dispositions_take_again();
}
