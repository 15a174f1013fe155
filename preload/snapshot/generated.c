/* Which files to read for names of generated code, and what is kept of them; generated.h says why. */
#include "preload/snapshot/generated.h"

#include "preload/base/proc_text.h"
#include "preload/base/sys.h"
#include "preload/base/text.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum {
	ANCESTORS_MAX = 4, /* fork parents whose maps are asked */
	SOURCES_MAX = 8,
	MAPS_LINE_BYTES = 16 << 10,
};

/* The clock of files is that much behind at most, and coarser on some file systems. */
#define CLOCKS_APART_NS UINT64_C(1000000000)

#define MARKER_PREFIX "jit-"
#define MARKER_SUFFIX ".dump"
#define GONE " (deleted)"

/* Protected by survey_lock. */
static struct {
	pid_t ancestor[ANCESTORS_MAX]; /* the nearest first */
	uint32_t ancestors;
	struct code_source source[SOURCES_MAX];
	uint32_t sources;
	char line[MAPS_LINE_BYTES];
} generated;

void generated_fork_child(pid_t parent)
{
	memmove(generated.ancestor + 1, generated.ancestor, (ANCESTORS_MAX - 1) * sizeof generated.ancestor[0]);
	generated.ancestor[0] = parent;
	if (generated.ancestors < ANCESTORS_MAX)
		generated.ancestors++;
}

static bool is_older(const struct stat *file, uint64_t start_ns)
{
	enum { NS_PER_S = 1000000000 };
	uint64_t written = (uint64_t)file->st_mtim.tv_sec * NS_PER_S + (uint64_t)file->st_mtim.tv_nsec;
	return file->st_mtim.tv_sec >= 0 && written + CLOCKS_APART_NS < start_ns;
}

int code_source_open(struct code_source *source, uint64_t bytes_max, uint64_t start_ns)
{
	struct stat file;
	int fd = sys_open_careful(source->path);
	if (fd < 0) {
		source->outcome = fd == -ENOENT ? SOURCE_MISSING : fd == -ELOOP ? SOURCE_NOT_A_FILE : SOURCE_UNREADABLE;
		return fd;
	}
	if (sys_file(fd, &file) != 0)
		source->outcome = SOURCE_UNREADABLE;
	else if (!S_ISREG(file.st_mode))
		source->outcome = SOURCE_NOT_A_FILE;
	else if (file.st_uid != sys_effective_user())
		source->outcome = SOURCE_OTHER_OWNER;
	else if ((uint64_t)file.st_size > bytes_max)
		source->outcome = SOURCE_TOO_LARGE;
	else if (is_older(&file, start_ns))
		source->outcome = SOURCE_OLDER;
	else
		source->outcome = SOURCE_READ;
	source->bytes = source->outcome == SOURCE_UNREADABLE ? 0 : (uint64_t)file.st_size;
	if (source->outcome == SOURCE_READ)
		return fd;
	sys_close(fd);
	return -EACCES;
}

static struct code_source *add_source(enum snapshot_source kind)
{
	if (generated.sources == SOURCES_MAX)
		return NULL;
	struct code_source *source = &generated.source[generated.sources++];
	memset(source, 0, sizeof *source);
	source->kind = kind;
	return source;
}

/* perf's own rule: in /tmp, whatever TMPDIR is. */
static void read_perf_map(struct code_names *names, pid_t pid, bool own, uint64_t start_ns)
{
	struct code_source *source = add_source(SOURCE_PERF_MAP);
	if (!source)
		return;
	struct text path = text_in(source->path, sizeof source->path);
	text_add(&path, "/tmp/perf-");
	text_add_number(&path, (uint64_t)pid);
	text_add(&path, ".map");
	perf_map_read(source, names, start_ns);
	/* Programs without one are the rule; that the own one is not there is what the report goes by. */
	if (!own && source->outcome == SOURCE_MISSING)
		generated.sources--;
}

/* Returns whether the file that is mapped is called jit-NUMBER.dump. */
static bool is_marker(const char *path)
{
	const char *name = strrchr(path, '/');
	uint64_t number;
	if (!name || strncmp(name + 1, MARKER_PREFIX, sizeof MARKER_PREFIX - 1) != 0)
		return false;
	const char *digits = name + sizeof MARKER_PREFIX, *end = proc_number(digits, 10, &number);
	return end > digits && strcmp(end, MARKER_SUFFIX) == 0;
}

/* A line of maps: "from-to r-xp offset major:minor inode   path". */
static bool see_mapping(char *line, void *context)
{
	uint64_t start, end, major, minor, inode;
	char *path = strchr(line, '/');
	const char *rights = proc_skip(line, 1);
	if (strnlen(rights, 4) < 4 || rights[2] != 'x')
		return true;
	const char *dash = proc_number(line, 16, &start);
	proc_number(*dash == '-' ? dash + 1 : dash, 16, &end);
	code_names_executable(context, start, end);
	if (!path)
		return true;
	/* Another file may have its name by now, or none: that is seen by its number. */
	size_t length = strlen(path), gone = sizeof GONE - 1;
	if (length > gone && !strcmp(path + length - gone, GONE))
		path[length - gone] = '\0';
	if (!is_marker(path))
		return true;
	const char *field = proc_number(proc_skip(line, 3), 16, &major);
	field = proc_number(*field == ':' ? field + 1 : field, 16, &minor);
	proc_number(proc_skip(field, 1), 10, &inode);
	for (uint32_t i = 0; i < generated.sources; i++)
		if (!strcmp(generated.source[i].path, path))
			return true;
	struct code_source *source = add_source(SOURCE_JITDUMP);
	if (!source)
		return false;
	struct text text = text_in(source->path, sizeof source->path);
	text_add(&text, path);
	if (text.cut)
		source->outcome = SOURCE_UNREADABLE;
	else
		jitdump_read(source, context, makedev((unsigned)major, (unsigned)minor), inode);
	return true;
}

/* Also marks what can be executed. */
static void read_jitdumps(struct code_names *names)
{
	int fd = sys_open_read("/proc/thread-self/maps");
	if (fd < 0)
		return;
	proc_lines(fd, generated.line, sizeof generated.line, see_mapping, names);
	sys_close(fd);
}

static void encode_sources(struct encoder *encoder)
{
	encode_number(encoder, generated.sources);
	for (uint32_t i = 0; i < generated.sources; i++) {
		const struct code_source *source = &generated.source[i];
		encode_number(encoder, source->kind);
		encode_number(encoder, source->outcome);
		encode_number(encoder, source->bytes);
		encode_number(encoder, source->records);
		encode_number(encoder, source->malformed);
		encode_text(encoder, source->path);
	}
}

/* Calls of one function stand side by side: its name is written once for them. */
static bool begins_name(const struct code_names *names, uint32_t i)
{
	const char *text = code_names_text(names, i), *before = i ? code_names_text(names, i - 1) : NULL;
	return text && (!before || strcmp(text, before) != 0);
}

static void encode_names(struct encoder *encoder, const struct code_names *names)
{
	uint32_t strings = 0, string = 0;
	uint64_t previous = 0;
	for (uint32_t i = 0; i < names->count; i++)
		strings += begins_name(names, i);
	encode_number(encoder, strings);
	for (uint32_t i = 0; i < names->count; i++)
		if (begins_name(names, i))
			encode_text(encoder, code_names_text(names, i));
	encode_number(encoder, names->count);
	for (uint32_t i = 0; i < names->count; i++) {
		const struct code_name *entry = &names->entry[i];
		string += begins_name(names, i);
		uint64_t row[] = {entry->pc - previous, entry->name ? string : 0,
				  (entry->reused ? GENERATED_REUSED : 0u) |
					  (entry->executable ? GENERATED_EXECUTABLE : 0u)};
		encode_row(encoder, row, sizeof row / sizeof row[0]);
		previous = entry->pc;
	}
	encode_number(encoder, names->left_out);
	encode_number(encoder, names->unnamed);
}

void generated_encode(struct encoder *encoder, uint32_t frames, pid_t pid, uint64_t start_ns)
{
	struct code_names names;
	if (!code_names_find(&names, frames))
		return;
	generated.sources = 0;
	read_perf_map(&names, pid, true, start_ns);
	read_jitdumps(&names);
	for (uint32_t i = 0; i < generated.ancestors; i++) {
		code_names_settle(&names);
		read_perf_map(&names, generated.ancestor[i], false, start_ns);
	}
	encoder->minor = SNAPSHOT_MINOR;
	encode_section_begin(encoder, SECTION_GENERATED);
	encode_sources(encoder);
	encode_names(encoder, &names);
	encode_section_end(encoder);
	code_names_free(&names);
}
