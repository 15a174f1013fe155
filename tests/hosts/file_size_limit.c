/*
 * Sets RLIMIT_FSIZE so low that no snapshot fits, counts SIGXFSZ and SIGPIPE, and leaks.
 * Pitfall 40 (heaptrack 393387, 408547): the tool's write raises a signal that kills the host.
 * Expected: "written" and status 0, no signal, no file half-written.
 */
#include "expect.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void *kept[1000];

static void handler(int number)
{
	(void)number;
	_exit(99);
}

int main(int argc, char **argv)
{
	int handles = argc > 1 && strcmp(argv[1], "handles") == 0;
	struct rlimit limit = {16, 16};
	if (handles) {
		signal(SIGXFSZ, handler);
		signal(SIGPIPE, handler);
	}
	for (int i = 0; i < 1000; i++)
		kept[i] = malloc(100);
	puts("written");
	fflush(stdout);
	NEED(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	if (argc > 2)
		raise(SIGRTMAX - 5);
	free(malloc(100));
	return EXPECT_STATUS;
}
