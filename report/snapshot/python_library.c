/*
 * See python_library.h.
 */
#include "report/snapshot/python_library.h"

#include "report/base/memory.h"

#include <stdlib.h>
#include <string.h>

static void add_directory(struct python_library *library, char *directory)
{
	must_grow(library->directories, library->count, library->capacity);
	library->directories[library->count++] = directory;
}

/* PREFIX is the directory of the program or library, or one of the two above it: bin/, lib/, lib/x86_64-linux-gnu/. */
static void add_prefixes(struct python_library *library, const char *path, const char *version)
{
	enum { LEVELS = 3 };
	static const char *const places[] = {"lib", "lib64"};
	size_t length = strlen(path);
	for (int level = 0; level < LEVELS; level++) {
		while (length && path[length - 1] != '/')
			length--;
		if (!length)
			return;
		length--; /* the slash */
		for (size_t i = 0; i < sizeof places / sizeof *places; i++)
			add_directory(library, must_format("%.*s/%s/python%s", (int)length, path, places[i], version));
	}
}

static void add_landmark(struct python_library *library, const char *file, const char *version)
{
	static const char landmark[] = "/encodings/__init__.py";
	size_t length = strlen(file), tail = sizeof landmark - 1;
	if (length <= tail || strcmp(file + length - tail, landmark) != 0)
		return;
	char *directory = must_format("%.*s", (int)(length - tail), file);
	char *name = must_format("/python%s", version);
	size_t directory_length = length - tail, name_length = strlen(name);
	bool fits = directory_length > name_length && !strcmp(directory + directory_length - name_length, name);
	free(name);
	if (fits)
		add_directory(library, directory);
	else
		free(directory);
}

void python_library_find(struct python_library *library, const struct snapshot *snapshot, uint32_t interpreter)
{
	uint64_t hex = snapshot->python_numbers[PYTHON_VERSION_HEX];
	*library = (struct python_library){0};
	if (!interpreter || !hex)
		return;
	/* The second is a build without the global lock. */
	for (int free_threaded = 0; free_threaded < 2; free_threaded++) {
		char *version = must_format("%u.%u%s", (unsigned)(hex >> 24 & 0xff), (unsigned)(hex >> 16 & 0xff),
					    free_threaded ? "t" : "");
		add_prefixes(library, snapshot->modules[interpreter].path, version);
		for (uint32_t id = 1; id <= snapshot->code_count; id++)
			if (snapshot->codes[id].file)
				add_landmark(library, snapshot->codes[id].file, version);
		free(version);
	}
}

static bool begins_with(const char *text, const char *beginning)
{
	return !strncmp(text, beginning, strlen(beginning));
}

/* The modules that CPython freezes into itself. A program may freeze its own modules in the same way. */
static bool is_frozen_library(const char *path)
{
	static const char *const modules[] = {
		"importlib",     "zipimport",   "abc",     "codecs",    "io",         "_collections_abc",
		"_sitebuiltins", "genericpath", "ntpath",  "posixpath", "os",         "site",
		"stat",          "runpy",       "getpath", "encodings", "__future__",
	};
	static const char frozen[] = "<frozen ";
	if (!begins_with(path, frozen))
		return false;
	path += sizeof frozen - 1;
	for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
		size_t length = strlen(modules[i]);
		if (!strncmp(path, modules[i], length) && (path[length] == '.' || path[length] == '>'))
			return true;
	}
	return false;
}

bool python_library_has(const struct python_library *library, const char *path)
{
	for (size_t i = 0; i < library->count; i++) {
		size_t length = strlen(library->directories[i]);
		if (strncmp(path, library->directories[i], length) != 0 || path[length] != '/')
			continue;
		const char *rest = path + length + 1;
		return !begins_with(rest, "site-packages/") && !begins_with(rest, "dist-packages/");
	}
	return library->count && is_frozen_library(path);
}

void python_library_free(struct python_library *library)
{
	for (size_t i = 0; i < library->count; i++)
		free(library->directories[i]);
	free(library->directories);
	*library = (struct python_library){0};
}
