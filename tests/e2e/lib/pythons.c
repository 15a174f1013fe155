/* Finding interpreters: see pythons.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tests/e2e/lib/pythons.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
	bool asked;
	size_t count, supported;
	struct python_found all[PYTHONS_MAX], usable[PYTHONS_MAX];
	char place[PYTHONS_MAX][PATH_MAX]; /* the real paths */
} pythons;

#define QUESTION                                                                                                       \
	"import os, sys, sysconfig, importlib.util as u\n"                                                             \
	"has = lambda name: int(u.find_spec(name) is not None)\n"                                                      \
	"tests = has(\"test\") and has(\"test.regrtest\") and has(\"test.test_gc\")\n"                                 \
	"print(sys.implementation.name, sys.version_info[0], sys.version_info[1],\n"                                   \
	"      int(hasattr(sys, \"gettotalrefcount\")), int(bool(sysconfig.get_config_var(\"Py_GIL_DISABLED\"))),\n"   \
	"      int(tests), has(\"greenlet\"), has(\"numpy\"), os.path.realpath(sys.executable))\n"                     \
	"paths = [\"/\".join((c(\"LIBDIR\"), c(\"INSTSONAME\") or \"none\")) for c in [sysconfig.get_config_var]]\n"   \
	"print(*[p for p in paths if os.path.exists(p)] or [\"none\"], sysconfig.get_path(\"include\"), "              \
	"sys.base_prefix)\n"

/*
 * Asks the interpreter what it is and where: a path may lead to a script that starts it. False: no CPython that
 * concerns us.
 */
static bool ask(struct python_found *python, char place[PATH_MAX])
{
	char line[PATH_MAX + sizeof(QUESTION) + 64], name[32] = "";
	unsigned major = 0, debug = 0, free_threaded = 0, tests = 0, greenlet = 0, numpy = 0;
	snprintf(line, sizeof(line), "env -u LD_PRELOAD '%s' -c '%s' 2>/dev/null", python->path, QUESTION);
	FILE *answer = popen(line, "r");
	if (!answer)
		return false;
	int got = fscanf(answer, "%31s %u %u %u %u %u %u %u %4095s %4095s %4095s %4095s", name, &major, &python->minor,
			 &debug, &free_threaded, &tests, &greenlet, &numpy, place, python->library, python->include,
			 python->prefix);
	if (strcmp(python->library, "none") == 0)
		python->library[0] = '\0';
	pclose(answer);
	python->is_debug = debug;
	python->is_free_threaded = free_threaded;
	python->has_tests = tests;
	python->has_greenlet = greenlet;
	python->has_numpy = numpy;
	return got == 12 && strcmp(name, "cpython") == 0 && major == 3 && python->minor >= PYTHON_OLDEST_MINOR;
}

static void add(const char *path)
{
	if (pythons.count == PYTHONS_MAX || access(path, X_OK) != 0)
		return;
	struct python_found *python = &pythons.all[pythons.count];
	char *place = pythons.place[pythons.count];
	snprintf(python->path, sizeof(python->path), "%s", path);
	if (!ask(python, place))
		return;
	for (size_t i = 0; i < pythons.count; i++)
		if (strcmp(pythons.place[i], place) == 0)
			return;
	pythons.count++;
	if (python->minor <= PYTHON_NEWEST_MINOR && !python->is_debug && !python->is_free_threaded)
		pythons.usable[pythons.supported++] = *python;
}

static void add_pattern(const char *directory, const char *pattern)
{
	char text[PATH_MAX];
	glob_t found;
	snprintf(text, sizeof(text), "%s/%s", directory, pattern);
	if (glob(text, 0, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		add(found.gl_pathv[i]);
	globfree(&found);
}

static void find(void)
{
	const char *named = getenv("MUDLARK_TEST_PYTHONS"), *root = getenv("PYENV_ROOT"), *home = getenv("HOME");
	const char *directories = getenv("PATH");
	char *rest = NULL;
	pythons.asked = true;
	add("/usr/bin/python3");
	if (named)
		for (char *path = strtok_r(strdup(named), ":", &rest); path; path = strtok_r(NULL, ":", &rest))
			add(path);
	if (root)
		add_pattern(root, "versions/3.*/bin/python3");
	if (home)
		add_pattern(home, ".pyenv/versions/3.*/bin/python3");
	add_pattern("/usr/bin", "python3.[0-9]*-dbg");
	if (!directories)
		return;
	for (char *path = strtok_r(strdup(directories), ":", &rest); path; path = strtok_r(NULL, ":", &rest)) {
		add_pattern(path, "python3.[0-9]");
		add_pattern(path, "python3.[0-9][0-9]");
	}
}

size_t pythons_all(const struct python_found **found)
{
	if (!pythons.asked)
		find();
	*found = pythons.all;
	return pythons.count;
}

size_t pythons_supported(const struct python_found **found)
{
	if (!pythons.asked)
		find();
	*found = pythons.usable;
	return pythons.supported;
}
