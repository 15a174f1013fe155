/*
 * A SIGPROF handler at 1 kHz allocates and frees small and large blocks while thousands of threads come and go.
 * Pitfalls 22 and 28: the handler interrupts what the tool, or the allocator that it embeds, does at a thread's end.
 * Plain libc's malloc is not made for this, so the plain run leaves malloc out of the handler.
 * Expected: ends, "8000 threads ended".
 */
#include "expect.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>

enum { THREADS = 8000, AT_ONCE = 4 };

static int allocate_in_handler;

static void handler(int number)
{
	(void)number;
	if (allocate_in_handler) {
		free(malloc(100));
		free(malloc(40000));
		free(malloc(300000));
	}
}

static void *run(void *unused)
{
	void *blocks[40];
	for (size_t i = 0; i < 40; i++)
		blocks[i] = malloc(i * 997 + 1);
	for (int i = 0; i < 40; i++)
		free(blocks[i]);
	return unused;
}

int main(int argc, char **argv)
{
	allocate_in_handler = argc > 1 && strcmp(argv[1], "allocate") == 0;
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
	struct itimerval every = {{0, 1000}, {0, 1000}};
	sigaction(SIGPROF, &action, NULL);
	setitimer(ITIMER_PROF, &every, NULL);
	for (int i = 0; i < THREADS; i += AT_ONCE) {
		pthread_t threads[AT_ONCE];
		for (int k = 0; k < AT_ONCE; k++)
			NEED(pthread_create(&threads[k], NULL, run, NULL) == 0);
		for (int k = 0; k < AT_ONCE; k++)
			pthread_join(threads[k], NULL);
	}
	every.it_interval.tv_usec = every.it_value.tv_usec = 0;
	setitimer(ITIMER_PROF, &every, NULL);
	printf("%d threads ended\n", THREADS);
	return EXPECT_STATUS;
}
