/*
 * Leaks 10 blocks of 1000 bytes and ends in the way that its argument names.
 * Pitfall 5 (gperftools #1475, #1542; bytehound's exit_1/2/3): empty, truncated or missing profile.
 * Expected: a snapshot after return, exit, quick_exit, _exit, _Exit, and exit or the last pthread_exit from a thread, and
 * after abort, SIGTERM and SIGSEGV (none with fatal=0); none, and no temporary file, after SIGKILL.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *leaked[10];

static void *exit_here(void *unused)
{
	(void)unused;
	exit(3);
}

static void *underscore_exit_here(void *unused)
{
	(void)unused;
	_exit(3);
}

static void *end_last(void *unused)
{
	(void)unused;
	usleep(50000);
	return NULL;
}

static void at_quick_exit_say(void)
{
	if (write(1, "quick\n", 6) != 6)
		_exit(9);
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "return";
	pthread_t thread;
	for (int i = 0; i < 10; i++)
		leaked[i] = malloc(1000);
	if (strcmp(how, "return") == 0)
		return 3;
	if (strcmp(how, "exit") == 0)
		exit(3);
	if (strcmp(how, "quick_exit") == 0) {
		at_quick_exit(at_quick_exit_say);
		quick_exit(3);
	}
	if (strcmp(how, "_exit") == 0)
		_exit(3);
	if (strcmp(how, "_Exit") == 0)
		_Exit(3);
	if (strcmp(how, "exit_in_thread") == 0) {
		NEED(pthread_create(&thread, NULL, exit_here, NULL) == 0);
		pause();
	}
	if (strcmp(how, "_exit_in_thread") == 0) {
		NEED(pthread_create(&thread, NULL, underscore_exit_here, NULL) == 0);
		pause();
	}
	if (strcmp(how, "last_thread") == 0) {
		NEED(pthread_create(&thread, NULL, end_last, NULL) == 0);
		pthread_exit(NULL);
	}
	if (strcmp(how, "abort") == 0)
		abort();
	if (strcmp(how, "raw_exit_group") == 0)
		syscall(SYS_exit_group, 3);
	int number = strcmp(how, "sigterm") == 0   ? SIGTERM
		     : strcmp(how, "sigsegv") == 0 ? SIGSEGV
		     : strcmp(how, "sigkill") == 0 ? SIGKILL
						   : SIGUSR1;
	kill(getpid(), number);
	pause();
	return 9;
}
