/*
 * A SIGPROF handler at 1 kHz calls backtrace, malloc and free while two threads and main allocate and free.
 * Pitfall 28 (libunwind #425, #924; heaptrack 378494): the handler interrupts the tool's own malloc or unwinder.
 * Plain libc's malloc is not made for this, so the plain run leaves malloc out of the handler.
 * Expected: ends, "interrupted"; blocks intact.
 */
#include "expect.h"

#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>

static volatile sig_atomic_t interrupts, depth_seen;
static int allocate_in_handler, stop;

static void handler(int number)
{
	(void)number;
	void *frames[32];
	int depth = backtrace(frames, 32);
	if (depth > depth_seen)
		depth_seen = depth;
	if (allocate_in_handler) {
		char *small = malloc(100), *other = malloc(3000);
		if (small != NULL && other != NULL)
			small[99] = other[2999] = 1;
		free(other);
		free(small);
	}
	interrupts = interrupts + 1;
}

static void *work(void *seed)
{
	char *kept[64] = {0};
	unsigned random = (unsigned)(size_t)seed;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		random = random * 1664525u + 1013904223u;
		unsigned slot = (random >> 8) % 64;
		if (kept[slot] != NULL)
			EXPECT(kept[slot][0] == (char)slot);
		free(kept[slot]);
		kept[slot] = malloc((random >> 14) % 3000 + 1);
		kept[slot][0] = (char)slot;
	}
	for (int i = 0; i < 64; i++)
		free(kept[i]);
	return NULL;
}

int main(int argc, char **argv)
{
	allocate_in_handler = argc > 1 && strcmp(argv[1], "allocate") == 0;
	void *frames[4];
	backtrace(frames, 4); /* loads libgcc_s outside the handler, as its manual page asks */
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
	struct itimerval every = {{0, 1000}, {0, 1000}};
	pthread_t threads[2];
	sigaction(SIGPROF, &action, NULL);
	for (int i = 0; i < 2; i++)
		NEED(pthread_create(&threads[i], NULL, work, (void *)(size_t)(i + 2)) == 0);
	setitimer(ITIMER_PROF, &every, NULL);
	char *kept[16] = {0};
	for (unsigned i = 0; interrupts < 1500; i++) {
		free(kept[i % 16]);
		kept[i % 16] = malloc(i * 37 % 20000 + 1);
	}
	every.it_interval.tv_usec = every.it_value.tv_usec = 0;
	setitimer(ITIMER_PROF, &every, NULL);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	EXPECT(depth_seen >= 3);
	puts("interrupted");
	return EXPECT_STATUS;
}
