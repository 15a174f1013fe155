/*
 * Installs a filter that kills the process at any system call but those that it takes to make children (fork, vfork)
 * and to try to execute something, then does so, in children and by itself. There is nothing to execute anywhere.
 * Pitfall 18: an interposed exec*(3) makes more system calls than exec itself.
 * Expected: "survived", status 0, one snapshot: of the moment before.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ALLOW(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* Each way to execute something. */
static int try_to_execute(void)
{
	char *argv[] = {"nothing", NULL}, *volatile nowhere = (char *)16;
	execv("/nonexistent/program", argv);
	EXPECT(errno == ENOENT);
	execl("/nonexistent/program", "a", "b", "c", "d", "e", "f", "g", (char *)NULL);
	EXPECT(errno == ENOENT);
	execvp("/nonexistent/program", argv);
	EXPECT(errno == ENOENT);
	execve(nowhere, argv, argv);
	EXPECT(errno == EFAULT);
	fexecve(77, argv, argv);
	EXPECT(errno == EBADF);
	execveat(77, "", argv, argv, AT_EMPTY_PATH);
	EXPECT(errno == EBADF);
	return EXPECT_STATUS;
}

static void wait_for(pid_t child)
{
	int status = -1;
	NEED(child > 0 && wait4(child, &status, 0, NULL) == child);
	EXPECT(status == 0);
}

int main(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(write),
		ALLOW(brk),
		ALLOW(mmap),
		ALLOW(munmap),
		ALLOW(exit_group),
		ALLOW(clone),
		ALLOW(vfork),
		ALLOW(set_robust_list),
		ALLOW(wait4),
		ALLOW(execve),
		ALLOW(execveat),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};
	NEED(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	NEED(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
	pid_t child = fork();
	if (child == 0)
		_exit(try_to_execute());
	wait_for(child);
	child = vfork();
	if (child == 0)
		_exit(try_to_execute());
	wait_for(child);
	try_to_execute();
	if (write(1, "survived\n", 9) < 0)
		_exit(7);
	_exit(EXPECT_STATUS);
}
