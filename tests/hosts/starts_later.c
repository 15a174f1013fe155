/*
 * Starts without recording and switches it on while another thread opens and closes pipes.
 * Mudlark loads its unwinder only then. Pitfall 34 again: libunwind's own pipe must be closed, and no pipe of the
 * host's in its stead.
 * Expected: the pipes carry bytes all the time, no descriptor is left open, and what is allocated is recorded with
 * stacks (the test's to see). Plain, it does the same and there is nothing to switch on.
 */
#define _GNU_SOURCE
#include "expect.h"
#include "preload/interface/mudlark.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

static atomic_bool done;

static void *open_pipes(void *unused)
{
	while (!done) {
		int ends[2];
		char byte = 'x';
		EXPECT(pipe(ends) == 0);
		EXPECT(write(ends[1], &byte, 1) == 1);
		EXPECT(read(ends[0], &byte, 1) == 1 && byte == 'x');
		EXPECT(close(ends[0]) == 0);
		EXPECT(close(ends[1]) == 0);
	}
	return unused;
}

static int lowest_free_descriptor(void)
{
	int fd = dup(0);
	close(fd);
	return fd;
}

int main(void)
{
	pthread_t thread;
	int before = lowest_free_descriptor();
	NEED(pthread_create(&thread, NULL, open_pipes, NULL) == 0);
	usleep(20000);
	MUDLARK(start());
	usleep(20000);
	for (int i = 0; i < 1000; i++)
		EXPECT(malloc(100) != NULL);
	done = true;
	pthread_join(thread, NULL);
	EXPECT(lowest_free_descriptor() == before);
	return EXPECT_STATUS;
}
