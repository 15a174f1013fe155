/*
 * Holds flockfile on stdout and stderr, and the locale and environment busy, while it is asked to write a snapshot by
 * its signal; then says so.
 * Pitfall 39 (heaptrack 68fbf9d, 378494): stdio used by the tool hangs under the host's own lock.
 * Expected: a snapshot while the locks are held, then "locks released".
 */
#define _GNU_SOURCE
#include "expect.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static pthread_barrier_t held, release;

static void *hold(void *unused)
{
	flockfile(stdout);
	flockfile(stderr);
	pthread_barrier_wait(&held);
	pthread_barrier_wait(&release);
	funlockfile(stderr);
	funlockfile(stdout);
	return unused;
}

static int snapshots(void)
{
	int count = 0;
	DIR *stream = opendir(".");
	for (struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream))
		count += strstr(entry->d_name, ".mud") != NULL;
	closedir(stream);
	return count;
}

int main(int argc, char **argv)
{
	pthread_t holder;
	int wanted = argc > 1 ? atoi(argv[1]) : 0;
	pthread_barrier_init(&held, NULL, 2);
	pthread_barrier_init(&release, NULL, 2);
	NEED(pthread_create(&holder, NULL, hold, NULL) == 0);
	pthread_barrier_wait(&held);
	if (wanted > 0) {
		kill(getpid(), SIGRTMAX - 5);
		for (int i = 0; i < 500 && snapshots() < wanted; i++) {
			free(malloc(100));
			usleep(10000);
		}
	}
	int seen = snapshots();
	pthread_barrier_wait(&release);
	pthread_join(holder, NULL);
	EXPECT(seen == wanted);
	puts("locks released");
	return EXPECT_STATUS;
}
