/* Reading what the kernel prints; proc_text.h. */
#include "preload/base/proc_text.h"

#include "preload/base/sys.h"

#include <string.h>

const char *proc_number(const char *text, unsigned base, uint64_t *value)
{
	*value = 0;
	for (;; text++) {
		unsigned digit = *text >= '0' && *text <= '9'   ? (unsigned)(*text - '0')
				 : *text >= 'a' && *text <= 'f' ? (unsigned)(*text - 'a') + 10
								: base;
		if (digit >= base)
			return text;
		*value = *value * base + digit;
	}
}

const char *proc_skip(const char *text, int fields)
{
	while (fields--) {
		while (*text && *text != ' ')
			text++;
		while (*text == ' ')
			text++;
	}
	return text;
}

bool proc_lines(int fd, char *buffer, size_t bytes, bool (*each)(char *line, void *context), void *context)
{
	size_t have = 0;
	ssize_t got;
	bool whole = true;
	while ((got = sys_read(fd, buffer + have, bytes - 1 - have)) > 0) {
		have += (size_t)got;
		char *line = buffer, *end;
		while ((end = memchr(line, '\n', have - (size_t)(line - buffer)))) {
			*end = '\0';
			if (!each(line, context))
				return false;
			line = end + 1;
		}
		have -= (size_t)(line - buffer);
		memmove(buffer, line, have);
		if (have == bytes - 1) {
			have = 0; /* no line is that long: not the file we know */
			whole = false;
		}
	}
	return got == 0 && whole;
}
