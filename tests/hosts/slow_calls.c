/*
 * Sits in a slow system call (nanosleep, poll, read) while the snapshot's signal comes; the argument names the call.
 * Pitfall 40 (EINTR): the tool's signal must restart what SA_RESTART can restart; what Linux never restarts (poll,
 * nanosleep) reports EINTR as for any handled signal, and the host here copes.
 * Expected: "read 5 bytes" for read from a pipe whose writer comes late: no EINTR was seen.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static int ends[2];
static pthread_t reader;
static int told;

static void *write_late(void *unused)
{
	usleep(200000);
	if (told)
		for (int i = 0; i < 5; i++) {
			pthread_kill(reader, SIGRTMAX - 5);
			usleep(50000);
		}
	EXPECT(write(ends[1], "hello", 5) == 5);
	return unused;
}

int main(int argc, char **argv)
{
	char text[16];
	pthread_t writer;
	told = argc > 1 && strcmp(argv[1], "signalled") == 0;
	NEED(pipe(ends) == 0);
	free(malloc(100));
	reader = pthread_self();
	NEED(pthread_create(&writer, NULL, write_late, NULL) == 0);
	ssize_t got = read(ends[0], text, sizeof(text));
	EXPECT(got == 5);
	pthread_join(writer, NULL);
	printf("read %zd bytes\n", got);
	return EXPECT_STATUS;
}
