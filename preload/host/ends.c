/* The ends of a process; ends.h. */
#include "preload/host/ends.h"

#include "preload/base/sys.h"
#include "preload/host/control.h"
#include "preload/leaks/lsan_options.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * libc calls what is registered with on_exit() like what is with atexit(), but says the status. exit() within a handler
 * goes on with the handlers that are left, none, and then writes what stdio holds back: the program's output stays
 * whole.
 */
static void at_exit(int status, void *unused)
{
	(void)unused;
	control_at_exit();
	int judged = control_exit_status(status);
	if (judged != status)
		exit(judged);
}

/* libc's, and the status that the program gave it: handlers of at_quick_exit() are not told. */
static void (*next_quick_exit)(int);
static _Atomic int quick_status;

void ends_init(void)
{
	next_quick_exit = (void (*)(int))dlsym(RTLD_NEXT, "quick_exit");
}

/* The last one: libc would do nothing more than end the process. */
static void at_quick_exit_handler(void)
{
	int status = atomic_load(&quick_status);
	lsan_leaves_at_once();
	control_at_exit();
	int judged = control_exit_status(status);
	if (judged != status)
		sys_exit(judged);
}

__attribute__((visibility("default"))) void quick_exit(int status)
{
	/* Another library's constructor may end the process before ours has run. */
	if (!next_quick_exit)
		ends_init();
	atomic_store(&quick_status, status);
	next_quick_exit(status);
	__builtin_unreachable();
}

static __attribute__((noreturn)) void end_process(int status)
{
	lsan_leaves_at_once();
	control_at_exit();
	sys_exit(control_exit_status(status));
}

__attribute__((visibility("default"))) void _exit(int status)
{
	end_process(status);
}

__attribute__((visibility("default"))) void _Exit(int status)
{
	end_process(status);
}

void ends_watch(void)
{
	(void)on_exit(at_exit, NULL);
	(void)at_quick_exit(at_quick_exit_handler);
}
