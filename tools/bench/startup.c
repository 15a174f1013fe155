/*
 * startup LIBRARY [RUNS [COMMAND [ARG...]]]: what preloading the library costs a program that does nothing. Runs
 * COMMAND
 * (/bin/true) RUNS (300) times plain and RUNS times with LD_PRELOAD=LIBRARY, one after the other in turn, and prints
 * the medians in ms with what lies between them. MUDLARK_OPTIONS is passed on; snapshots go where it or the working
 * directory says.
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static double run_ms(char **command, char **environment)
{
	pid_t child;
	int status;
	double begun = now_ms();
	if (posix_spawn(&child, command[0], NULL, NULL, command, environment) != 0 ||
	    waitpid(child, &status, 0) != child || status != 0) {
		fprintf(stderr, "startup: %s did not end well\n", command[0]);
		exit(1);
	}
	return now_ms() - begun;
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
	double *without = calloc(2 * runs, sizeof *without), *with = without + runs;
	if (runs == 0 || !preloaded[variables] || !without) {
		fputs("startup: no runs, or no memory for them\n", stderr);
		free(without);
		return 1;
	}
	snprintf(preloaded[variables], bytes, "LD_PRELOAD=%s", argv[1]);
	for (size_t i = 0; i < runs; i++) {
		without[i] = run_ms(command, plain);
		with[i] = run_ms(command, preloaded);
	}
	double a = median(without, runs), b = median(with, runs);
	printf("plain %.3f ms, preloaded %.3f ms: %.3f ms more\n", a, b, b - a);
	free(without);
	return 0;
}
