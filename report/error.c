/*
 * The one place that prints errors.
 *
 * Messages quote names out of snapshots and file systems, which may hold escape sequences; a terminal never sees
 * them, because every byte below 0x20 leaves here as '?'.
 */
#include "report/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *error, int code, const char *hint, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(error->message, sizeof error->message, format, arguments);
	va_end(arguments);
	snprintf(error->hint, sizeof error->hint, "%s", hint ? hint : "");
	error->code = code;
	return code;
}

void error_hint(struct error *error, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(error->hint, sizeof error->hint, format, arguments);
	va_end(arguments);
}

static void print_clean(const char *prefix, const char *text)
{
	/* One write per line, so that lines of parallel runs do not mix. */
	char line[4096];
	size_t length = (size_t)snprintf(line, sizeof line, "%s", prefix);
	for (; *text && length < sizeof line - 1; text++)
		line[length++] = ((unsigned char)*text < 0x20 || *text == 0x7f) ? '?' : *text;
	line[length++] = '\n';
	fwrite(line, 1, length, stderr);
	fflush(stderr);
}

void error_print(const struct error *error)
{
	print_clean("mudlark: ", error->message);
	if (error->hint[0])
		print_clean("hint: ", error->hint);
}

void notice(const char *format, ...)
{
	char text[3072];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	print_clean("mudlark: ", text);
}
