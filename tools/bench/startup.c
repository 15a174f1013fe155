/*
 * startup LIBRARY [RUNS [COMMAND [ARG...]]]: what preloading the library costs a program that does nothing.
 *
 * Runs COMMAND (/bin/true) RUNS (300) times plain and as often with LD_PRELOAD=LIBRARY, in turn, and prints the medians
 * of wall clock and of CPU time in ms with what lies between them. MUDLARK_OPTIONS is passed on; snapshots go where it
 * or the working directory says.
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { RUNS = 300, ENVIRONMENT_MAX = 4096 };

static double now_ms(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

/* Of runs of one kind. */
struct times {
	double *wall_ms, *cpu_ms;
};

static double ms_of(struct timeval time)
{
	return (double)time.tv_sec * 1e3 + (double)time.tv_usec / 1e3;
}

static void run(char **command, char **environment, struct times *times, size_t index)
{
	pid_t child;
	int status;
	struct rusage usage;
	double begun = now_ms();
	if (posix_spawn(&child, command[0], NULL, NULL, command, environment) != 0 ||
	    wait4(child, &status, 0, &usage) != child || status != 0) {
		fprintf(stderr, "startup: %s did not end well\n", command[0]);
		exit(1);
	}
	times->wall_ms[index] = now_ms() - begun;
	times->cpu_ms[index] = ms_of(usage.ru_utime) + ms_of(usage.ru_stime);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
	qsort(values, count, sizeof *values, compare);
	return values[count / 2];
}

static void say(const char *what, double *without, double *with, size_t runs)
{
	double a = median(without, runs), b = median(with, runs);
	printf("%-4s  plain %.3f ms, preloaded %.3f ms: %.3f ms more\n", what, a, b, b - a);
}

int main(int argc, char **argv)
{
	static char *truth[] = {"/bin/true", NULL};
	static char *plain[ENVIRONMENT_MAX], *preloaded[ENVIRONMENT_MAX];
	if (argc < 2) {
		fputs("usage: startup LIBRARY [RUNS [COMMAND [ARG...]]]\n", stderr);
		return 2;
	}
	size_t runs = argc > 2 ? strtoul(argv[2], NULL, 10) : RUNS, variables = 0;
	char **command = argc > 3 ? argv + 3 : truth;
	for (char **variable = environ; *variable && variables < ENVIRONMENT_MAX - 2; variable++)
		if (strncmp(*variable, "LD_PRELOAD=", strlen("LD_PRELOAD=")) != 0)
			plain[variables++] = *variable;
	memcpy(preloaded, plain, sizeof plain);
	size_t bytes = sizeof "LD_PRELOAD=" + strlen(argv[1]);
	preloaded[variables] = malloc(bytes);
	double *values = calloc(4 * runs, sizeof *values);
	if (runs == 0 || !preloaded[variables] || !values) {
		fputs("startup: no runs, or no memory for them\n", stderr);
		free(values);
		return 1;
	}
	struct times without = {values, values + runs}, with = {values + 2 * runs, values + 3 * runs};
	snprintf(preloaded[variables], bytes, "LD_PRELOAD=%s", argv[1]);
	for (size_t i = 0; i < runs; i++) {
		run(command, plain, &without, i);
		run(command, preloaded, &with, i);
	}
	say("wall", without.wall_ms, with.wall_ms, runs);
	say("CPU", without.cpu_ms, with.cpu_ms, runs);
	free(values);
	return 0;
}
