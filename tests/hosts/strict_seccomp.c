/*
 * Installs a filter that kills the process at any system call but read, write, brk, mmap, munmap, exit, exit_group
 * and rt_sigreturn, then allocates small and large blocks, frees them, and ends.
 * Pitfall 18 (file/file PR #179): the tool makes a system call of its own and the sandbox kills the host.
 * Ends by the system call itself (raw), by _exit or by exit: at the last two a snapshot would be due.
 * Expected: "survived", status 0; a snapshot cannot be written, none half-written stays.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
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

int main(int argc, char **argv)
{
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
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};
	void *early = malloc(100); /* a sandboxed program has usually allocated before */
	NEED(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	NEED(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
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
	if (write(1, sum == 300 ? "survived\n" : "wrong sum\n", sum == 300 ? 9 : 10) < 0)
		_exit(7);
	const char *how = argc > 1 ? argv[1] : "raw";
	if (strcmp(how, "exit") == 0)
		exit(0);
	if (strcmp(how, "_exit") == 0)
		_exit(0);
	syscall(SYS_exit_group, 0);
	return 9;
}
