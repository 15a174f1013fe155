/*
 * The one place that prints errors.
 *
 * Messages quote names from snapshots and file systems, which may contain escape sequences. Every message therefore
 * passes through text_clean().
 */
#include "report/base/error.h"

#include "report/base/escape.h"
#include "report/base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As vsnprintf(); what does not fit is left out visibly. */
static void fill(char *text, size_t size, const char *format, va_list arguments) __attribute__((format(printf, 3, 0)));
static void fill(char *text, size_t size, const char *format, va_list arguments)
{
	static const char more[] = "...";
	int length = vsnprintf(text, size, format, arguments);
	if (length >= 0 && (size_t)length >= size)
		memcpy(text + size - sizeof more, more, sizeof more);
}

int error_set(struct error *error, int code, const char *hint, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fill(error->message, sizeof error->message, format, arguments);
	va_end(arguments);
	error_hint(error, "%s", hint ? hint : "");
	error->code = code;
	return code;
}

void error_hint(struct error *error, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fill(error->hint, sizeof error->hint, format, arguments);
	va_end(arguments);
}

static void print_clean(const char *prefix, const char *text)
{
	/* One write per line, so that lines of parallel runs do not mix. */
	struct buffer line = {0};
	buffer_text(&line, prefix);
	text_clean(&line, text);
	buffer_byte(&line, '\n');
	fwrite(line.data, 1, line.length, stderr);
	fflush(stderr);
	buffer_free(&line);
}

void error_print(const struct error *error)
{
	print_clean("mudlark: ", error->message);
	if (error->hint[0])
		print_clean("hint: ", error->hint);
}

void notice(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	char *text = must_format_list(format, arguments);
	va_end(arguments);
	print_clean("mudlark: ", text);
	free(text);
}
