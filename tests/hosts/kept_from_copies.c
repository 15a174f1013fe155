/*
 * Keeps the only pointer to a block in memory that a copy of the process does not get (MADV_DONTFORK), as programs do
 * that share memory with a device. Makes the file "ready", and waits until a file "end" is there, at most 30 s.
 * Expected: a search in the process finds no leak. One in a copy cannot know, and says how much it could not read.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { REGION_BYTES = 1 << 20 };

static void **region;

/* Out of line, so that no register of main's has the pointer. */
static __attribute__((noinline)) void keep_block(void)
{
	region[100] = malloc(77);
}

int main(void)
{
	region = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(region != MAP_FAILED);
	NEED(madvise(region, REGION_BYTES, MADV_DONTFORK) == 0);
	keep_block();
	NEED(close(open("ready", O_CREAT | O_WRONLY, 0600)) == 0);
	for (int i = 0; i < 3000 && access("end", F_OK) != 0; i++) {
		struct timespec pause = {0, 10000000};
		nanosleep(&pause, NULL);
	}
	unlink("ready");
	unlink("end");
	return EXPECT_STATUS;
}
