/*
 * A thread ends the process, with the status that is the argument, while main() waits in a system call that any signal
 * breaks off. Loses a block if there is a second argument.
 *
 * Pitfall: a search for leaks stops threads by a signal. When main()'s wait returns then, the process ends with its
 * status, and before the snapshot is written.
 * Expected: the thread's status.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

enum { MAINS_OWN = 99, LOST_BYTES = 100, DEAD_STACK_BYTES = 8192 };

static __attribute__((noinline)) void lose(void)
{
	memset(malloc(LOST_BYTES), 0, LOST_BYTES);
}

/* What the call has left behind on the stack. */
static __attribute__((noinline)) void forget(void)
{
	char dead[DEAD_STACK_BYTES];
	memset(dead, 0, sizeof dead);
	__asm__ volatile("" : : "r"(dead) : "memory");
}

static void *ends(void *argument)
{
	char **argv = argument;
	if (argv[2])
		lose();
	forget();
	usleep(20000); /* main() waits by then */
	exit(atoi(argv[1]));
}

int main(int argc, char **argv)
{
	pthread_t thread;
	NEED(argc > 1 && pthread_create(&thread, NULL, ends, argv) == 0);
	pause();
	_exit(MAINS_OWN);
}
