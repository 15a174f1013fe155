/*
 * Waits in calls that any handler's signal breaks off, until another process, which sleeps first, writes to it; has no
 * handlers of its own.
 *
 * Pitfall: a signal for snapshots makes such a call return EINTR, which the program takes for a failure.
 * Expected: each call returns what it waits for.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WRITES = 3, PAUSE_US = 200000 };

static void write_now_and_then(int fd)
{
	for (int i = 0; i < WRITES; i++) {
		usleep(PAUSE_US);
		EXPECT(write(fd, "x", 1) == 1);
	}
	_exit(EXPECT_STATUS);
}

int main(void)
{
	int ends[2], epoll = epoll_create1(0), status;
	char byte;
	NEED(pipe(ends) == 0 && epoll >= 0);
	struct pollfd poll_for = {.fd = ends[0], .events = POLLIN};
	struct epoll_event event = {.events = EPOLLIN};
	struct timespec long_time = {.tv_sec = 3600};
	NEED(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event) == 0);
	pid_t pid = fork();
	NEED(pid >= 0);
	if (pid == 0)
		write_now_and_then(ends[1]);
	EXPECT(poll(&poll_for, 1, -1) == 1);
	EXPECT(read(ends[0], &byte, 1) == 1);
	EXPECT(epoll_wait(epoll, &event, 1, -1) == 1);
	EXPECT(read(ends[0], &byte, 1) == 1);
	EXPECT(ppoll(&poll_for, 1, &long_time, NULL) == 1);
	EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
	EXPECT(sleep(1) == 0);
	return EXPECT_STATUS;
}
