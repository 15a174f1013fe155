/*
 * See source_text.h. The name comes from a snapshot, so it may lead anywhere: to a device, a pipe, a file without
 * lines.
 */
#include "report/analysis/source_text.h"

#include "report/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LARGEST_SOURCE = 64 << 20 };

static void split_lines(struct source_text *source, size_t length)
{
	size_t capacity = 0;
	for (size_t at = 0; at < length;) {
		must_grow(source->lines, source->line_count, capacity); /* NOLINT(bugprone-sizeof-expression) */
		source->lines[source->line_count++] = source->text + at;
		char *end = memchr(source->text + at, '\n', length - at);
		size_t next = end ? (size_t)(end - source->text) + 1 : length;
		if (end)
			*end = '\0';
		if (end && end > source->text + at && end[-1] == '\r')
			end[-1] = '\0';
		at = next;
	}
}

/* Takes path, which is then the source's or freed. */
static bool read_file(struct source_text *source, char *path)
{
	struct stat status;
	int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (descriptor < 0 || fstat(descriptor, &status) || !S_ISREG(status.st_mode) ||
	    status.st_size > LARGEST_SOURCE) {
		if (descriptor >= 0)
			close(descriptor);
		free(path);
		return false;
	}
	size_t size = (size_t)status.st_size, length = 0;
	source->text = must_allocate(size + 1, 1);
	while (length < size) {
		ssize_t got = read(descriptor, source->text + length, size - length);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		length += (size_t)got;
	}
	close(descriptor);
	source->path = path;
	source->mtime_ns = (uint64_t)status.st_mtim.tv_sec * 1000000000u + (uint64_t)status.st_mtim.tv_nsec;
	split_lines(source, length);
	return true;
}

static bool read_below(struct source_text *source, const char *directory, const char *name)
{
	for (const char *rest = name + strspn(name, "/"); rest && *rest;) {
		if (read_file(source, must_format("%s/%s", directory, rest)))
			return true;
		rest = strchr(rest, '/');
		while (rest && *rest == '/')
			rest++;
	}
	return false;
}

void source_text_read(struct source_text *source, const char *name, const struct source_places *places)
{
	*source = (struct source_text){0};
	for (size_t i = 0; places->directories && places->directories[i]; i++)
		if (read_below(source, places->directories[i], name))
			return;
	bool relative = name[0] != '/';
	char *whole = relative && places->start_directory[0] ? must_format("%s/%s", places->start_directory, name)
							     : must_copy(name);
	if (!places->sysroot || !read_file(source, must_format("%s/%s", places->sysroot, whole)))
		read_file(source, must_copy(whole));
	free(whole);
}

const char *source_text_line(const struct source_text *source, uint32_t number)
{
	return number && number <= source->line_count ? source->lines[number - 1] : NULL;
}

void source_text_free(struct source_text *source)
{
	free(source->path);
	free(source->text);
	free(source->lines);
	*source = (struct source_text){0};
}
