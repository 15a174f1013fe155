/*
 * /tmp/perf-PID.map: a line for each function, "START SIZE NAME", the numbers in base 16, the name up to the end of the
 * line. Code that was moved or replaced appears twice: the later line counts. The file grows while it is read; an
 * incomplete last line is ignored.
 */
#include "preload/base/sys.h"
#include "preload/snapshot/generated.h"

#include <string.h>

enum { MAP_BYTES_MAX = 256 << 20, BUFFER_BYTES = 64 << 10 };

/* Protected by survey_lock. */
static char buffer[BUFFER_BYTES];

static const char *hex_number(const char *text, const char *end, uint64_t *value)
{
	if (end - text > 2 && text[0] == '0' && (text[1] | 0x20) == 'x')
		text += 2;
	const char *begin = text;
	for (*value = 0; text < end && text - begin < 16; text++) {
		char c = (char)(*text | 0x20);
		if (c >= '0' && c <= '9')
			*value = *value << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			*value = *value << 4 | (uint64_t)(c - 'a' + 10);
		else
			break;
	}
	return text > begin ? text : NULL;
}

/* False: it is no such line. */
static bool read_line(struct code_names *names, const char *line, const char *end)
{
	uint64_t start, bytes;
	if (!(line = hex_number(line, end, &start)) || line == end || *line++ != ' ' ||
	    !(line = hex_number(line, end, &bytes)) || line == end || *line++ != ' ' || line == end ||
	    end - line >= CODE_NAME_MAX || memchr(line, '\0', (size_t)(end - line)) || bytes > UINT64_MAX - start)
		return false;
	code_names_set(names, start, bytes, line, (size_t)(end - line));
	return true;
}

void perf_map_read(struct code_source *source, struct code_names *names, uint64_t start_ns)
{
	size_t have = 0;
	ssize_t got;
	bool skipping = false; /* the rest of a line that is longer than the buffer */
	int fd = code_source_open(source, MAP_BYTES_MAX, start_ns);
	if (fd < 0)
		return;
	/* What is appended meanwhile is not waited for. */
	uint64_t left = source->bytes;
	while (left &&
	       (got = sys_read(fd, buffer + have, sizeof buffer - have < left ? sizeof buffer - have : left)) > 0) {
		char *line = buffer, *end;
		left -= (uint64_t)got;
		have += (size_t)got;
		while ((end = memchr(line, '\n', have - (size_t)(line - buffer)))) {
			source->records++;
			source->malformed += skipping || !read_line(names, line, end);
			skipping = false;
			line = end + 1;
		}
		have -= (size_t)(line - buffer);
		memmove(buffer, line, have);
		if (have == sizeof buffer) {
			skipping = true;
			have = 0;
		}
	}
	if (left && got < 0)
		source->outcome = SOURCE_UNREADABLE;
	sys_close(fd);
}
