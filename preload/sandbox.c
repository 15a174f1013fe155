/* The moment before a seccomp filter; sandbox.h. The stubs are in sandbox_x86_64.S. */
#include "preload/sandbox.h"

#include "preload/control.h"
#include "preload/record.h"

#include <dlfcn.h>

_Atomic bool sandbox_entered;

/* Where the stubs jump to. */
void *sandbox_prctl;
void *sandbox_syscall;

void sandbox_init(void)
{
	sandbox_prctl = dlsym(RTLD_NEXT, "prctl");
	sandbox_syscall = dlsym(RTLD_NEXT, "syscall");
}

/* Called by the stubs. */
void sandbox_enter(void);
void sandbox_enter(void)
{
	if (!control_owns_process() || sandboxed())
		return;
	control_before_sandbox();
	/* Nothing recorded from here on could be told, and the unwinder makes system calls. */
	atomic_store(&record_active, false);
	atomic_store(&sandbox_entered, true);
}
