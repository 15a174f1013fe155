/*
 * Children end by exit while their parent sends SIGTERM, each a little later than the one before, as a pool of worker
 * processes does that is being shut down.
 * Pitfall 5 and the design's "atomic": a process that dies in the middle of writing leaves a half-written or a
 * temporary file.
 * Expected: "200 ended"; every snapshot that is there is whole, and nothing else is.
 */
#include "expect.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILDREN = 200, STEP_US = 15 };

static void *kept[2000];

int main(void)
{
	int ended = 0;
	for (int i = 0; i < 2000; i++)
		kept[i] = malloc((size_t)i + 1);
	for (int i = 0; i < CHILDREN; i++) {
		int ends[2];
		char byte = 0;
		NEED(pipe(ends) == 0);
		pid_t pid = fork();
		NEED(pid >= 0);
		if (pid == 0) {
			if (write(ends[1], "x", 1) != 1)
				_exit(9);
			exit(0);
		}
		NEED(read(ends[0], &byte, 1) == 1); /* it is about to end */
		usleep((useconds_t)(i * STEP_US));
		kill(pid, SIGTERM);
		int status = -1;
		NEED(waitpid(pid, &status, 0) == pid);
		EXPECT(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM));
		ended++;
		close(ends[0]);
		close(ends[1]);
	}
	printf("%d ended\n", ended);
	return EXPECT_STATUS;
}
