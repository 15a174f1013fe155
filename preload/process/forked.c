/* The copy's first steps and its end; forked.h says how it hides. */
#include "preload/process/forked.h"

#include "preload/base/sys.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

/* As ps shows it; the kernel keeps 15 bytes. */
#define COPY_NAME "mudlark-copy"

static void be_first_victim(void)
{
	static const char most[] = "1000";
	int fd = sys_open_write("/proc/self/oom_score_adj");
	if (fd < 0)
		return;
	sys_write_all(fd, most, sizeof most - 1);
	sys_close(fd);
}

/* A handler of the host's must not run here, and must not find what it would report. */
static void default_faults(void)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
		sys_signal_default(faults[i]);
}

static __attribute__((noreturn)) void copy_main(void (*work)(void *argument), void *argument, int keep_fd)
{
	default_faults();
	sys_close_all_but(keep_fd);
	sys_name_thread(COPY_NAME);
	be_first_victim();
	work(argument);
	sys_exit(0);
}

void forked_hide(void)
{
	sys_forbid_dump();
}

pid_t forked_start(void (*work)(void *argument), void *argument, int keep_fd)
{
	pid_t pid = sys_copy_process();
	if (pid == 0)
		copy_main(work, argument, keep_fd);
	return pid;
}

enum forked_state forked_poll(pid_t pid, bool wait)
{
	int status = 0;
	pid_t got = sys_wait_copy(pid, &status, wait);
	if (got == 0)
		return FORKED_RUNS;
	if (got == pid && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
		return FORKED_DIED;
	return FORKED_ENDED;
}
