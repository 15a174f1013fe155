/*
 * Leaks 50 blocks of 200 bytes, makes the file "ready", and waits until a file "end" is there: idle, or with the
 * argument busy allocating all the time. For the tests that send signals or wait for intervals.
 * Arguments: idle|busy, then one of: ignore-all (blocks all signals), own-handler (handles SIGRTMAX-5 itself and
 * prints how often it came), late-handler (the same, installed after "ready" and "handler" exists).
 * Expected: "ended"; what the signal and the interval write is the test's affair. At most 30 s.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void *kept[50];
static volatile sig_atomic_t came;

static void handler(int number)
{
	(void)number;
	came = came + 1;
}

static int exists(const char *name)
{
	return access(name, F_OK) == 0;
}

int main(int argc, char **argv)
{
	int busy = argc > 1 && strcmp(argv[1], "busy") == 0;
	const char *more = argc > 2 ? argv[2] : "";
	struct sigaction action = {.sa_handler = handler};
	sigset_t all;
	sigfillset(&all);
	for (int i = 0; i < 50; i++)
		kept[i] = malloc(200);
	if (strcmp(more, "ignore-all") == 0)
		sigprocmask(SIG_SETMASK, &all, NULL);
	if (strcmp(more, "own-handler") == 0)
		sigaction(SIGRTMAX - 5, &action, NULL);
	close(open("ready", O_CREAT | O_WRONLY, 0600));
	for (int i = 0; i < 3000 && !exists("end"); i++) {
		if (strcmp(more, "late-handler") == 0 && exists("handler")) {
			sigaction(SIGRTMAX - 5, &action, NULL);
			unlink("handler");
		}
		for (unsigned k = 0; busy && k < 2000; k++)
			free(malloc(k * 13 % 5000));
		struct timespec pause = {0, 10000000};
		nanosleep(&pause, NULL);
	}
	unlink("ready");
	unlink("end");
	if (strstr(more, "handler") != NULL)
		printf("handled %d\n", (int)came);
	puts("ended");
	return EXPECT_STATUS;
}
