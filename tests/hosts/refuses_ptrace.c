/*
 * Runs the command in its arguments behind a filter that answers with EPERM what lets a process look into others:
 * ptrace, process_vm_readv, process_vm_writev, pidfd_open, pidfd_getfd, pidfd_send_signal, kcmp, perf_event_open.
 * Pitfall: containers have such filters (google/sanitizers #764, #777), and a tool that looks into itself by these
 * calls fails in them, or takes what it could not read for nothing. Expected: the command's own end, and the same
 * verdict as without.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REFUSE(name)                                                                                                   \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

int main(int argc, char **argv)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		REFUSE(ptrace),
		REFUSE(process_vm_readv),
		REFUSE(process_vm_writev),
		REFUSE(pidfd_open),
		REFUSE(pidfd_getfd),
		REFUSE(pidfd_send_signal),
		REFUSE(kcmp),
		REFUSE(perf_event_open),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};
	NEED(argc > 1);
	NEED(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	NEED(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
	execv(argv[1], argv + 1);
	perror(argv[1]);
	return 127;
}
