/* Files of modules, by /proc/self/maps and stat(); module_files.h. */
#include "preload/process/module_files.h"

#include "preload/base/proc_text.h"
#include "preload/base/sys.h"
#include "preload/interface/snapshot_format.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* One line of /proc/self/maps: start-end perms offset major:minor inode path (proc(5)). */
struct maps_line {
	uint64_t start, device_major, device_minor, inode;
	const char *path;
};

static void parse_maps_line(const char *text, struct maps_line *line)
{
	proc_number(text, 16, &line->start);
	text = proc_number(proc_skip(text, 3), 16, &line->device_major);
	if (*text == ':')
		text++;
	text = proc_number(text, 16, &line->device_minor);
	proc_number(proc_skip(text, 1), 10, &line->inode);
	line->path = proc_skip(text, 2);
}

/* The kernel writes a newline in a path as \012 (seq_path). */
static void unescape(char *path)
{
	static const char newline[] = "\\012";
	char *to = path;
	while (*path) {
		if (strncmp(path, newline, sizeof newline - 1) == 0) {
			*to++ = '\n';
			path += sizeof newline - 1;
		} else {
			*to++ = *path++;
		}
	}
	*to = '\0';
}

static uint64_t mtime_of(const struct stat *file)
{
	return (uint64_t)file->st_mtim.tv_sec * 1000000000u + (uint64_t)file->st_mtim.tv_nsec;
}

static void note_file(struct module *module, const struct stat *file)
{
	module->file_device = file->st_dev;
	module->size = (uint64_t)file->st_size;
	module->mtime_ns = mtime_of(file);
}

bool module_file_is_same(const struct module *module, const char *name)
{
	struct stat file;
	return module->inode && module->size && sys_stat(name, &file) == 0 && file.st_ino == module->inode &&
	       file.st_dev == module->file_device && (uint64_t)file.st_size == module->size &&
	       mtime_of(&file) == module->mtime_ns;
}

static void describe_from_line(char *text)
{
	static const char deleted[] = " (deleted)";
	struct maps_line line;
	parse_maps_line(text, &line);
	if (line.path[0] != '/')
		return;
	for (uint32_t id = modules_count(); id; id--) {
		struct module *module = modules_at(id);
		if (module->described || !module_is_loaded(module) || module->start != line.start)
			continue;
		module->described = true;
		module->device = makedev((unsigned)line.device_major, (unsigned)line.device_minor);
		module->inode = line.inode;
		char *path = text + (line.path - text);

		struct stat file;
		bool there = sys_stat(path, &file) == 0 && file.st_ino == module->inode;
		if (!there) {
			unescape(path);
			there = sys_stat(path, &file) == 0 && file.st_ino == module->inode;
		}
		size_t length = strlen(path);
		/* Unless a file really is called so. */
		if (!there && length >= sizeof deleted && strcmp(path + length - (sizeof deleted - 1), deleted) == 0)
			path[length - (sizeof deleted - 1)] = '\0';
		if (strcmp(module->path, path) != 0)
			module->path = modules_copy_path(path);
		if (there)
			note_file(module, &file);
		else
			atomic_fetch_or_explicit(&module->flags, MODULE_DELETED, memory_order_relaxed);
		return;
	}
}

static bool describe_line(char *line, void *unused)
{
	(void)unused;
	describe_from_line(line);
	return true;
}

/* Returns whether all modules are described, without a look at the maps. */
static bool all_described(void)
{
	bool all = true;
	for (uint32_t id = modules_count(); id; id--) {
		struct module *module = modules_at(id);
		if (module->described || !module_is_loaded(module))
			continue;
		/* It has come back, and is what it was. */
		module->described = module_file_is_same(module, module->path);
		all &= module->described;
	}
	return all;
}

void modules_describe(void)
{
	if (all_described())
		return;
	int fd = sys_open_read("/proc/thread-self/maps");
	if (fd < 0)
		return;
	/* A path has up to PATH_MAX bytes, escaped newlines take four each. */
	enum { BUFFER_BYTES = 6 * PATH_MAX };
	char *buffer = sys_map(BUFFER_BYTES);
	if (buffer)
		proc_lines(fd, buffer, BUFFER_BYTES, describe_line, NULL);
	if (buffer)
		sys_unmap(buffer, BUFFER_BYTES);
	sys_close(fd);
	/* Not in the file under their start (the vDSO): asked once, not for ever. */
	for (uint32_t id = modules_count(); id; id--)
		modules_at(id)->described = true;
}
