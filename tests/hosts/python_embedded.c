/*
 * A program with CPython inside that comes by dlopen: LIBRARY local|global|twice PROGRAM. With "twice" the library is
 * closed and opened again in between.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *find(void *library, const char *name)
{
	void *found = dlsym(library, name);
	if (!found) {
		fprintf(stderr, "%s\n", dlerror());
		exit(2);
	}
	return found;
}

static int run(const char *path, int flags, const char *program)
{
	void *library = dlopen(path, RTLD_NOW | flags);
	if (!library) {
		fprintf(stderr, "%s\n", dlerror());
		return 2;
	}
	void (*initialize)(int) = (void (*)(int))find(library, "Py_InitializeEx");
	int (*execute)(const char *, void *) = (int (*)(const char *, void *))find(library, "PyRun_SimpleStringFlags");
	int (*finalize)(void) = (int (*)(void))find(library, "Py_FinalizeEx");
	initialize(0);
	int status = execute(program, NULL);
	if (finalize() != 0)
		status = 3;
	if (dlclose(library) != 0)
		status = 4;
	/* What it left does not matter; that the process goes on does. */
	free(malloc(1000));
	return status;
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 2;
	int flags = strcmp(argv[2], "global") == 0 ? RTLD_GLOBAL : RTLD_LOCAL;
	int status = run(argv[1], flags, argv[3]);
	if (status == 0 && strcmp(argv[2], "twice") == 0)
		status = run(argv[1], flags, argv[3]);
	return status;
}
