/* Reading /proc/self/maps into a table; maps.h. The format is that of proc(5). */
#include "preload/maps.h"

#include "preload/sys.h"

#include <string.h>

enum { MOST_RANGES = 1 << 20, FEWER_RANGES = 1 << 17, BUFFER_BYTES = 64 << 10 };

static const char *parse_hex(const char *text, uintptr_t *value)
{
	uintptr_t n = 0;
	for (;; text++) {
		if (*text >= '0' && *text <= '9')
			n = n << 4 | (uintptr_t)(*text - '0');
		else if (*text >= 'a' && *text <= 'f')
			n = n << 4 | (uintptr_t)(*text - 'a' + 10);
		else
			break;
	}
	*value = n;
	return text;
}

/* Behind so many fields that end with blanks. */
static const char *skip_fields(const char *text, int fields)
{
	while (fields--) {
		while (*text && *text != ' ')
			text++;
		while (*text == ' ')
			text++;
	}
	return text;
}

static bool is_device(const char *path)
{
	if (strcmp(path, "[vvar]") == 0 || strcmp(path, "[vvar_vclock]") == 0)
		return true;
	return strncmp(path, "/dev/", 5) == 0 && strncmp(path, "/dev/zero", 9) != 0 &&
	       strncmp(path, "/dev/shm/", 9) != 0;
}

bool maps_parse(const char *line, struct map_range *range)
{
	const char *text = parse_hex(line, &range->start);
	if (text == line || *text != '-')
		return false;
	text = parse_hex(text + 1, &range->end);
	if (*text != ' ' || range->end <= range->start || strnlen(text, 6) < 6)
		return false;
	const char *rights = text + 1;
	const char *inode = skip_fields(rights, 3), *path = skip_fields(inode, 1);
	range->flags = (rights[0] == 'r' ? MAP_READABLE : 0u) | (rights[1] == 'w' ? MAP_WRITABLE : 0u);
	if (rights[3] == 'p' && inode[0] == '0' && (inode[1] == ' ' || !inode[1]))
		range->flags |= MAP_PLAIN;
	if (strcmp(path, "[stack]") == 0)
		range->flags |= MAP_MAIN_STACK;
	if (is_device(path))
		range->flags |= MAP_DEVICE;
	return true;
}

static bool read_all(struct maps *maps, int fd, char *buffer)
{
	size_t have = 0;
	ssize_t got;
	while ((got = sys_read(fd, buffer + have, BUFFER_BYTES - 1 - have)) > 0) {
		have += (size_t)got;
		char *line = buffer, *end;
		while ((end = memchr(line, '\n', have - (size_t)(line - buffer)))) {
			struct map_range range;
			*end = '\0';
			if (maps_parse(line, &range)) {
				if (maps->count == maps->capacity)
					return false;
				maps->range[maps->count++] = range;
			}
			line = end + 1;
		}
		have -= (size_t)(line - buffer);
		memmove(buffer, line, have);
		if (have == BUFFER_BYTES - 1)
			return false; /* no line is that long: not the file we know */
	}
	return got == 0 && maps->count;
}

bool maps_read(struct maps *maps)
{
	/*
	 * Memory for as many as there may be, of which only what is used exists, and nothing of it is given back before
	 * the end: what is in the table as ours would not be ours any more.
	 */
	*maps = (struct maps){.capacity = MOST_RANGES};
	maps->buffer = sys_map(BUFFER_BYTES);
	maps->range = sys_map(maps->capacity * sizeof *maps->range);
	if (!maps->range) {
		maps->capacity = FEWER_RANGES;
		maps->range = sys_map(maps->capacity * sizeof *maps->range);
	}
	int fd = maps->range && maps->buffer ? sys_open_read("/proc/self/maps") : -1;
	if (fd < 0)
		return false;
	bool good = read_all(maps, fd, maps->buffer);
	sys_close(fd);
	return good;
}

void maps_free(struct maps *maps)
{
	if (maps->range)
		sys_unmap(maps->range, maps->capacity * sizeof *maps->range);
	if (maps->buffer)
		sys_unmap(maps->buffer, BUFFER_BYTES);
	*maps = (struct maps){0};
}

const struct map_range *maps_find(const struct maps *maps, uintptr_t address)
{
	size_t low = 0, high = maps->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (maps->range[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < maps->count && maps->range[low].start <= address ? &maps->range[low] : NULL;
}

bool maps_readable(const struct maps *maps, uintptr_t address, size_t bytes)
{
	uintptr_t end = address + bytes;
	const struct map_range *range = maps_find(maps, address), *last = maps->range + maps->count;
	for (; range && range < last && range->start <= address; range++) {
		if (!(range->flags & MAP_READABLE) || range->flags & MAP_DEVICE)
			return false;
		if (end <= range->end)
			return true;
		address = range->end;
	}
	return false;
}
