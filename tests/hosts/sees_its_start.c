/*
 * Looks at what a program is given at its start: arguments, environment, its name, auxiliary vector; in main, in a
 * constructor, and in the constructor of a library that it opens later.
 * The design's section 2: the host must not be able to tell. A tool that opens a library before libc is initialised
 * leaves libc, and every library after that, without environment and arguments.
 * Expected: the same lines plain and preloaded.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static int constructor_argc = -1, constructor_saw_environment;

__attribute__((constructor)) static void constructor(int argc, char **argv, char **environment)
{
	(void)argv;
	constructor_argc = argc;
	constructor_saw_environment = environment != NULL && environment == environ && getenv("HOSTS") != NULL;
}

int main(int argc, char **argv, char **environment)
{
	char path[4096];
	EXPECT(argc == 3 && strcmp(argv[1], "one") == 0 && strcmp(argv[2], "two") == 0 && argv[3] == NULL);
	EXPECT(environ != NULL && environ == environment);
	EXPECT(getenv("HOSTS") != NULL && secure_getenv("PATH") != NULL);
	EXPECT(constructor_argc == 3);
	EXPECT(constructor_saw_environment);
	EXPECT(strcmp(program_invocation_short_name, "sees_its_start") == 0);
	EXPECT(strcmp(program_invocation_name, argv[0]) == 0);
	EXPECT(strstr((const char *)getauxval(AT_EXECFN), "sees_its_start") != NULL);
	EXPECT(errno == 0);
	NEED(getenv("HOSTS") != NULL);
	snprintf(path, sizeof(path), "%s/libstart.so", getenv("HOSTS"));
	void *library = dlopen(path, RTLD_NOW);
	NEED(library != NULL);
	EXPECT(*(int *)dlsym(library, "start_argc") == 3);
	EXPECT(*(char ***)dlsym(library, "start_argv") == argv);
	EXPECT(*(char ***)dlsym(library, "start_environment") == environ);
	fflush(stdout);
	EXPECT(system("test -n \"$HOSTS\"") == 0);
	puts("start seen");
	return EXPECT_STATUS;
}
