/*
 * Installs a filter that kills the process at any system call but read, write, brk, mmap, munmap, exit, exit_group
 * and rt_sigreturn, then allocates small and large blocks, frees them, and ends.
 * Pitfall 18 (file/file PR #179): the tool makes a system call of its own and the sandbox kills the host.
 * Ends by the system call itself (raw), by _exit or by exit: at the last two a snapshot would be due.
 * Second argument "instruction": installs the filter by a system call instruction of its own, which the tool cannot
 * see; "syscall": through syscall(SYS_prctl). "threads": the same, then threads allocate and end; what glibc calls for them is allowed as well.
 * Third argument: what the filter does, "kill" (the default), "trap" or "errno"; with either of these new privileges are
 * given up by an instruction, too. Expected: "survived", status 0; a snapshot cannot be written, none half-written stays.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ALLOW(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static int deep(int depth)
{
	char *block = malloc((size_t)depth * 100 + 1);
	block[0] = 1;
	int sum = depth == 0 ? 0 : deep(depth - 1) + block[0];
	free(block);
	return sum;
}

static long by_instruction(long number, long a, long b, const void *c)
{
	long result;
	register long none4 __asm__("r10") = 0, none5 __asm__("r8") = 0;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(none4), "r"(none5)
			 : "rcx", "r11", "memory");
	return result;
}

static void *allocate_in_thread(void *sum)
{
	*(int *)sum += deep(50);
	return NULL;
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "raw";
	const char *by = argc > 2 ? argv[2] : "prctl";
	bool threads = strcmp(by, "threads") == 0;
	const char *refuses = argc > 3 ? argv[3] : "kill";
	unsigned refusal = strcmp(refuses, "trap") == 0    ? SECCOMP_RET_TRAP
			   : strcmp(refuses, "errno") == 0 ? SECCOMP_RET_ERRNO | EPERM
							   : SECCOMP_RET_KILL_PROCESS;
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(read),
		ALLOW(write),
		ALLOW(brk),
		ALLOW(mmap),
		ALLOW(munmap),
		ALLOW(exit),
		ALLOW(exit_group),
		ALLOW(rt_sigreturn),
		/* The second half: for threads only. */
		ALLOW(clone3),
		ALLOW(clone),
		ALLOW(rseq),
		ALLOW(set_robust_list),
		ALLOW(futex),
		ALLOW(madvise),
		ALLOW(mprotect),
		ALLOW(rt_sigprocmask),
		ALLOW(rt_sigaction),
		BPF_STMT(BPF_RET | BPF_K, refusal),
	};
	enum { LENGTH = sizeof(filter) / sizeof(filter[0]), FOR_THREADS = 2 * 9 };
	if (!threads)
		filter[LENGTH - 1 - FOR_THREADS] = filter[LENGTH - 1];
	struct sock_fprog program = {.len = threads ? LENGTH : LENGTH - FOR_THREADS, .filter = filter};
	void *early = malloc(100); /* a sandboxed program has usually allocated before */
	if (argc > 3)
		NEED(by_instruction(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, NULL) == 0);
	else
		NEED(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	if (strcmp(by, "prctl") == 0)
		NEED(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
	else if (strcmp(by, "syscall") == 0)
		NEED(syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
	else
		NEED(by_instruction(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0);
	static void *blocks[3000];
	for (int round = 0; round < 4; round++) {
		for (size_t i = 0; i < 3000; i++) {
			size_t bytes = i % 100 == 0 ? 200000 : (i * 13) % 9000 + 1;
			blocks[i] = malloc(bytes);
			if (blocks[i] == NULL)
				_exit(8);
			memset(blocks[i], 1, bytes);
		}
		for (size_t i = 0; i < 3000; i++)
			free(blocks[i]);
	}
	blocks[0] = malloc(8 << 20);
	free(blocks[0]);
	blocks[0] = calloc(20, 1 << 20);
	free(blocks[0]);
	free(early);
	int sum = deep(300);
	for (int i = 0; threads && i < 3; i++) {
		pthread_t thread;
		int theirs = 0;
		if (pthread_create(&thread, NULL, allocate_in_thread, &theirs) != 0 || pthread_join(thread, NULL) != 0)
			_exit(6);
		sum += theirs - 50;
	}
	if (write(1, sum == 300 ? "survived\n" : "wrong sum\n", sum == 300 ? 9 : 10) < 0)
		_exit(7);
	if (strcmp(how, "exit") == 0)
		exit(0);
	if (strcmp(how, "_exit") == 0)
		_exit(0);
	by_instruction(SYS_exit_group, 0, 0, NULL);
	return 9;
}
