/*
 * The child leaks 77 blocks of 1234 bytes and ends; the parent leaks 11 of 4321 before the fork.
 * Pitfall 4 (bytehound #80, PR #84; memray PR #645, #448): the child is never profiled, or overwrites its parent's
 * file. Expected: two snapshots, each with its own pid; the child's holds both lots, the parent's own lot only.
 */
#include "expect.h"

#include <sys/wait.h>
#include <unistd.h>

static void *leaked[128];

int main(void)
{
	for (int i = 0; i < 11; i++)
		leaked[i] = malloc(4321);
	pid_t pid = fork();
	NEED(pid >= 0);
	if (pid == 0) {
		for (int i = 0; i < 77; i++)
			leaked[20 + i] = malloc(1234);
		return 0;
	}
	int status = -1;
	waitpid(pid, &status, 0);
	EXPECT(status == 0);
	puts("child ended");
	return EXPECT_STATUS;
}
