/*
 * Forks, closes every descriptor, allocates, and executes; as the JVM's forkAndExec and Python's subprocess do.
 * Pitfall 2 (gperftools #178; perfetto's Client::~Client): a tool that uses a descriptor it once opened.
 * Expected: the child's program runs and writes to the pipe that was left open for it.
 */
#include "expect.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	(void)argc;
	for (int round = 0; round < 20; round++) {
		int ends[2];
		NEED(pipe(ends) == 0);
		pid_t pid = fork();
		NEED(pid >= 0);
		if (pid == 0) {
			dup2(ends[1], 1);
			DIR *stream = opendir("/proc/self/fd"); /* allocates */
			for (struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream)) {
				int fd = atoi(entry->d_name);
				if (fd > 2 && fd != dirfd(stream))
					close(fd);
			}
			closedir(stream);
			for (int fd = 3; fd < 256; fd++)
				close(fd);
			close(0);
			close(2);
			free(malloc(100));
			execl("/bin/echo", "echo", "child", argv[0] != NULL ? "runs" : "", (char *)NULL);
			_exit(127);
		}
		close(ends[1]);
		char text[64] = {0};
		size_t got = 0;
		for (ssize_t more; (more = read(ends[0], text + got, sizeof(text) - 1 - got)) > 0;)
			got += (size_t)more;
		close(ends[0]);
		int status = -1;
		waitpid(pid, &status, 0);
		EXPECT(status == 0);
		EXPECT(strcmp(text, "child runs\n") == 0);
	}
	puts("20 programs executed");
	return EXPECT_STATUS;
}
