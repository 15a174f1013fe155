/* Reading /proc/self/maps into a table; maps.h. The format is that of proc(5). */
#include "preload/process/maps.h"

#include "preload/base/own.h"
#include "preload/base/proc_text.h"
#include "preload/base/sys.h"
#include "preload/base/text.h"

#include <string.h>

enum { MOST_RANGES = 1 << 20, FEWER_RANGES = 1 << 17, BUFFER_BYTES = 64 << 10, PATH_BYTES = 40 };

static bool is_device(const char *path)
{
	if (strcmp(path, "[vvar]") == 0 || strcmp(path, "[vvar_vclock]") == 0)
		return true;
	return strncmp(path, "/dev/", 5) == 0 && strncmp(path, "/dev/zero", 9) != 0 &&
	       strncmp(path, "/dev/shm/", 9) != 0;
}

/* One line of the file; false when it is none. */
static bool parse_line(const char *line, struct map_range *range)
{
	uint64_t start, end;
	const char *text = proc_number(line, 16, &start);
	if (text == line || *text != '-')
		return false;
	text = proc_number(text + 1, 16, &end);
	if (*text != ' ' || end <= start || strnlen(text, 6) < 6)
		return false;
	const char *rights = text + 1;
	const char *inode = proc_skip(rights, 3), *path = proc_skip(inode, 1);
	range->start = start;
	range->end = end;
	range->flags = (rights[0] == 'r' ? MAP_READABLE : 0u) | (rights[1] == 'w' ? MAP_WRITABLE : 0u);
	range->flags |= rights[2] == 'x' ? MAP_CODE : 0u;
	bool has_file = inode[0] != '0' || (inode[1] != ' ' && inode[1]);
	if (rights[3] == 'p' && !has_file)
		range->flags |= MAP_PLAIN;
	if (has_file)
		range->flags |= MAP_OF_FILE;
	if (strcmp(path, "[stack]") == 0)
		range->flags |= MAP_MAIN_STACK;
	if (is_device(path))
		range->flags |= MAP_DEVICE;
	return true;
}

/* False: the table is full. */
static bool add_line(char *line, void *context)
{
	struct maps *maps = context;
	struct map_range range;
	if (!parse_line(line, &range))
		return true;
	if (maps->count == maps->capacity)
		return false;
	maps->range[maps->count++] = range;
	return true;
}

bool maps_room(struct maps *maps)
{
	/*
	 * Memory for as many as there may be, of which only what is used exists, and nothing of it is given back before
	 * the end: what is in the table as ours would no longer be ours.
	 */
	*maps = (struct maps){.capacity = MOST_RANGES};
	maps->buffer = sys_map(BUFFER_BYTES);
	maps->range = sys_map(maps->capacity * sizeof *maps->range);
	if (!maps->range) {
		maps->capacity = FEWER_RANGES;
		maps->range = sys_map(maps->capacity * sizeof *maps->range);
	}
	return maps->range && maps->buffer;
}

bool maps_fill(struct maps *maps, pid_t pid)
{
	char path[PATH_BYTES];
	struct text out = text_in(path, sizeof path);
	text_add(&out, "/proc/");
	if (pid)
		text_add_number(&out, (uint64_t)pid);
	else
		text_add(&out, "thread-self"); /* the first thread's are empty when it has ended */
	text_add(&out, "/maps");
	int fd = sys_open_read(path);
	if (fd < 0)
		return false;
	bool good = proc_lines(fd, maps->buffer, BUFFER_BYTES, add_line, maps) && maps->count;
	sys_close(fd);
	return good;
}

bool maps_read(struct maps *maps, pid_t pid)
{
	return maps_room(maps) && maps_fill(maps, pid);
}

void maps_free(struct maps *maps)
{
	if (maps->range)
		sys_unmap(maps->range, maps->capacity * sizeof *maps->range);
	if (maps->buffer)
		sys_unmap(maps->buffer, BUFFER_BYTES);
	*maps = (struct maps){0};
}

/* The first range that ends behind the address, or the table's end. */
static const struct map_range *range_behind(const struct maps *maps, uintptr_t address)
{
	size_t low = 0, high = maps->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (maps->range[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return &maps->range[low];
}

const struct map_range *maps_find(const struct maps *maps, uintptr_t address)
{
	const struct map_range *range = range_behind(maps, address);
	return range < maps->range + maps->count && range->start <= address ? range : NULL;
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

static uint64_t foreign_bytes(uintptr_t start, uintptr_t end)
{
	uint64_t bytes = 0;
	while (start < end) {
		uintptr_t foreign = own_find(start, end, false);
		start = own_find(foreign, end, true);
		bytes += start - foreign;
	}
	return bytes;
}

/* Returns the number of mapped bytes from start to end that are not ours. */
static uint64_t foreign_in(const struct maps *maps, uintptr_t start, uintptr_t end)
{
	const struct map_range *last = maps->range + maps->count;
	uint64_t bytes = 0;
	for (const struct map_range *range = range_behind(maps, start); range < last && range->start < end; range++)
		bytes +=
			foreign_bytes(range->start > start ? range->start : start, range->end < end ? range->end : end);
	return bytes;
}

uint64_t maps_missing(const struct maps *maps, const struct maps *before, const struct maps *still)
{
	const struct map_range *last = maps->range + maps->count;
	uint64_t bytes = 0;
	for (size_t i = 0; i < before->count; i++) {
		const struct map_range *range = &before->range[i];
		uint32_t rights = range->flags & (MAP_READABLE | MAP_WRITABLE | MAP_DEVICE);
		if (rights != (MAP_READABLE | MAP_WRITABLE))
			continue;
		for (uintptr_t at = range->start; at < range->end;) {
			const struct map_range *next = range_behind(maps, at);
			uintptr_t there = next < last && next->start < range->end ? next->start : range->end;
			if (there > at)
				bytes += still ? foreign_in(still, at, there) : foreign_bytes(at, there);
			at = there < range->end ? next->end : range->end;
		}
	}
	return bytes;
}
