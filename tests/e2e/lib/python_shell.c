/* Shell lines about Python programs: see python_shell.h. */
#define _GNU_SOURCE
#include "tests/e2e/lib/python_shell.h"
#include "tests/e2e/lib/pythons.h"
#include "tests/e2e/lib/runner.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static char place[PATH_MAX];

void python_shell_setup(void)
{
	runner_directory_make(place);
}

void python_shell_teardown(void)
{
	runner_directory_remove(place);
}

int python_shell(const char *python, const char *format, ...)
{
	char line[3 * PATH_MAX];
	va_list arguments;
	int used =
		snprintf(line, sizeof line,
			 "export PYTHONHASHSEED=0; M='%s/mudlark' P='%s'; export MUDLARK_LIBRARY='%s'; cd '%s' && { ",
			 BUILD_DIRECTORY, python, runner_preload(), place);
	va_start(arguments, format);
	used += vsnprintf(line + used, sizeof line - (size_t)used, format, arguments);
	va_end(arguments);
	snprintf(line + used, sizeof line - (size_t)used, "\n} >out 2>&1 </dev/null");
	return system(line);
}

const char *python_shell_output(void)
{
	static char text[1 << 16];
	char path[PATH_MAX + 8];
	snprintf(path, sizeof path, "%s/out", place);
	FILE *stream = fopen(path, "r");
	size_t length = stream ? fread(text, 1, sizeof text - 1, stream) : 0;
	if (stream)
		fclose(stream);
	text[length] = '\0';
	return text;
}

const char *python_at(int number)
{
	const struct python_found *all;
	size_t count = pythons_supported(&all);
	ck_assert((size_t)number < count);
	return all[number].path;
}
