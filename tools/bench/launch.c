/*
 * launch RESULT COMMAND [ARG...]: runs the command, with the variables of the host's environment that begin with
 * BENCH_ENV_ set in it without that prefix, and writes one line to the file RESULT:
 *
 *   seconds of wall clock, seconds of user and of system time, peak resident KiB, wait status
 *
 * A program of its own because a process inherits the peak memory of the one that forked it over exec: below a Python
 * driver everything small would seem to need what Python does. The prefix keeps LD_PRELOAD out of this program.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds_of(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void run(char **command)
{
	static const char prefix[] = "BENCH_ENV_";
	for (char **variable = environ; *variable != NULL; variable++)
		if (strncmp(*variable, prefix, sizeof prefix - 1) == 0)
			*variable += sizeof prefix - 1;
	execvp(command[0], command);
	perror(command[0]);
	_exit(127);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fputs("usage: launch RESULT COMMAND [ARG...]\n", stderr);
		return 2;
	}
	double start = now();
	pid_t child = fork();
	if (child < 0) {
		perror("fork");
		return 1;
	}
	if (child == 0)
		run(argv + 2);
	int status;
	if (waitpid(child, &status, 0) != child) {
		perror("waitpid");
		return 1;
	}
	double wall = now() - start;
	struct rusage usage;
	getrusage(RUSAGE_CHILDREN, &usage);
	FILE *result = fopen(argv[1], "w");
	if (result == NULL) {
		perror(argv[1]);
		return 1;
	}
	fprintf(result, "%.6f %.6f %.6f %ld %d\n", wall, seconds_of(usage.ru_utime), seconds_of(usage.ru_stime),
		usage.ru_maxrss, status);
	return fclose(result) == 0 ? 0 : 1;
}
