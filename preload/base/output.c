/* Names and files of snapshots; output.h has the rules. */
#include "preload/base/output.h"

#include "preload/base/meta.h"
#include "preload/base/output_target.h"
#include "preload/base/sys.h"
#include "preload/base/text.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Names tried before giving up: that many snapshots of one pid may lie there. */
enum { NUMBER_TRIES = 100000, PROGRAM_BYTES = 64 };

static struct {
	char pattern[PATH_MAX];
	const char *program;               /* whole */
	char program_short[PROGRAM_BYTES]; /* as names of files have it, which may be 255 bytes long */
	char host[sizeof((struct utsname *)NULL)->nodename];
	char directory[PATH_MAX];
	char temporary[PATH_MAX]; /* not on the stack: that may be a signal stack of a few kilobytes */
	_Atomic uint32_t number;  /* of the last file written */
	pid_t command;            /* of the run; 0: there is none */
	bool tell_apart;          /* the file that is written now gets pid and number, which the pattern lacks */
	bool numbered;            /* the name of the file that is written now has a number, so that it replaces none */
	bool ended;               /* the name without them was used */
} output;

const char *output_program(void)
{
	return output.program ? output.program : "";
}

const char *output_host(void)
{
	return output.host;
}

const char *output_directory(void)
{
	return output.directory;
}

static void clean(char *name)
{
	for (; *name; name++)
		if ((unsigned char)*name < ' ')
			*name = '_';
}

/* The name that it was started by, as ps shows it: prctl may change the other one to anything. */
void output_set_program(const char *name)
{
	const char *slash = name ? strrchr(name, '/') : NULL;
	const char *base = slash ? slash + 1 : name;
	if (!base || !*base)
		base = "program";
	size_t length = strnlen(base, sizeof output.program_short - 1);
	memcpy(output.program_short, base, length);
	output.program_short[length] = '\0';
	clean(output.program_short);
	size_t bytes = strlen(base) + 1;
	char *copy = meta_allocate(bytes, META_OTHER);
	if (copy)
		clean(memcpy(copy, base, bytes));
	output.program = copy ? copy : output.program_short;
}

void output_set_command(pid_t command)
{
	output.command = command;
}

void output_init(const char *pattern)
{
	struct utsname names;
	if (uname(&names) == 0)
		memcpy(output.host, names.nodename, sizeof output.host);
	if (!getcwd(output.directory, sizeof output.directory) || output.directory[0] != '/')
		output.directory[0] = '\0';
	struct text text = text_in(output.pattern, sizeof output.pattern);
	if (pattern[0] != '/' && output.directory[0]) {
		for (const char *c = output.directory; *c; c++) {
			if (*c == '%')
				text_add_char(&text, '%');
			text_add_char(&text, *c);
		}
		text_add_char(&text, '/');
	}
	text_add(&text, pattern);
	if (text.cut)
		output.pattern[0] = '\0'; /* no file, rather than one under another name */
}

void output_fork_child(void)
{
	output.ended = false;
	atomic_store_explicit(&output.number, 0, memory_order_relaxed);
}

uint32_t output_next_number(void)
{
	return atomic_load_explicit(&output.number, memory_order_relaxed) + 1;
}

void output_set_number(uint32_t number)
{
	atomic_store_explicit(&output.number, number, memory_order_relaxed);
}

static bool pattern_has(char letter)
{
	for (const char *c = output.pattern; *c; c++)
		if (*c == '%' && c[1] && *++c == letter)
			return true;
	return false;
}

/* Puts ".PID.NUMBER" in front of the name's last '.', or behind a name without. */
static void add_numbers(struct text *text, pid_t pid, uint32_t number)
{
	char ending[NAME_MAX + 1];
	struct text kept = text_in(ending, sizeof ending);
	const char *slash = strrchr(text->data, '/'), *dot = strrchr(slash ? slash : text->data, '.');
	if (dot) {
		text_add(&kept, dot);
		text->length = (size_t)(dot - text->data);
	}
	text_add_char(text, '.');
	text_add_number(text, (uint64_t)pid);
	text_add_char(text, '.');
	text_add_number(text, number);
	text_add(text, ending);
	text->cut |= kept.cut;
}

/* The file's name; *numbered tells whether the pattern has %n. Returns false if it is too long. */
static bool expand(struct text *text, pid_t pid, uint32_t number, bool *numbered)
{
	*numbered = false;
	for (const char *c = output.pattern; *c; c++) {
		if (*c != '%' || !c[1]) {
			text_add_char(text, *c);
			continue;
		}
		switch (*++c) {
		case 'e':
			text_add(text, output.program_short);
			break;
		case 'h':
			text_add(text, output.host);
			break;
		case 'p':
			text_add_number(text, (uint64_t)pid);
			break;
		case 't':
			text_add_number(text, sys_real_ns() / 1000000000u);
			break;
		case 'n':
			text_add_number(text, number);
			*numbered = true;
			break;
		case '%':
			text_add_char(text, '%');
			break;
		default:
			text_add_char(text, '%');
			text_add_char(text, *c);
			break;
		}
	}
	if (output.tell_apart) {
		add_numbers(text, pid, number);
		*numbered = true;
	}
	return !text->cut && text->length;
}

/* The temporary file is created beside the target. Its name begins with a dot. */
static bool temporary_name(const char *path, pid_t pid, struct text *text)
{
	const char *slash = strrchr(path, '/');
	size_t directory_bytes = slash ? (size_t)(slash - path) + 1 : 0;
	for (size_t i = 0; i < directory_bytes; i++)
		text_add_char(text, path[i]);
	text_add(text, ".mudlark.");
	text_add_number(text, (uint64_t)pid);
	text_add_char(text, '.');
	text_add_hex(text, sys_monotonic_ns(), 1);
	text_add(text, ".tmp");
	return !text->cut;
}

/* In the directory of the path, which is cut meanwhile. */
static int create_unnamed(char *path)
{
	char *slash = strrchr(path, '/');
	char *end = !slash ? path : slash == path ? slash + 1 : slash;
	char cut = *end;
	*end = '\0';
	int fd = sys_create_unnamed(*path ? path : ".");
	*end = cut;
	return fd;
}

/* The file gets its temporary name when it is whole, where that is possible: little time is left to be killed in. */
static int write_temporary(char *path, int (*fill)(int fd, void *context), void *context)
{
	int fd = create_unnamed(path);
	bool unnamed = fd >= 0;
	if (!unnamed)
		fd = sys_create(path);
	if (fd < 0)
		return fd;
	int error = fill(fd, context);
	if (!error && unnamed)
		error = sys_give_name(fd, path);
	int close_error = sys_close(fd);
	if (!error)
		error = close_error;
	if (error)
		sys_unlink(path);
	return error;
}

/*
 * Gives the file the next free name and returns 0, or -errno. unnamed: its descriptor, when it has no name; -1: it has
 * the temporary one.
 */
static int place(int unnamed, pid_t pid, char path[PATH_MAX])
{
	int error = -EEXIST;
	for (int tries = 0; tries < NUMBER_TRIES && error == -EEXIST; tries++) {
		uint32_t number = atomic_fetch_add_explicit(&output.number, 1, memory_order_relaxed) + 1;
		struct text text = text_in(path, PATH_MAX);
		bool numbered;
		if (!expand(&text, pid, number, &numbered))
			return -ENAMETOOLONG;
		/* What is named without a number is replaced. */
		error = numbered ? 0 : output_target(path);
		if (error)
			return error;
		error = unnamed >= 0 ? sys_give_name(unnamed, path) : sys_rename(output.temporary, path, numbered);
	}
	return error;
}

/* A file that nobody sees before it is whole and has its name. */
static int write_unnamed(int fd, int (*fill)(int fd, void *context), void *context, pid_t pid, char path[PATH_MAX])
{
	int error = fill(fd, context);
	if (!error)
		error = place(fd, pid, path);
	int close_error = sys_close(fd);
	if (!error && close_error)
		sys_unlink(path);
	return error ? error : close_error;
}

void output_set_last(pid_t pid, bool last)
{
	bool plain = last && !output.ended && (pid == output.command || pattern_has('p'));
	output.tell_apart = output.command && !pattern_has('n') && !plain;
	output.ended |= plain;
}

int output_begin(pid_t pid, char path[PATH_MAX])
{
	struct text text = text_in(path, PATH_MAX);
	struct text temporary = text_in(output.temporary, sizeof output.temporary);
	if (!expand(&text, pid, output_next_number(), &output.numbered))
		return -ENAMETOOLONG;
	int error = output.numbered ? 0 : output_target(path);
	if (!error && !temporary_name(path, pid, &temporary))
		error = -ENAMETOOLONG;
	return error;
}

int output_write(int (*fill)(int fd, void *context), void *context, pid_t pid, char path[PATH_MAX])
{
	int fd = output.numbered ? create_unnamed(output.temporary) : -1;
	if (fd >= 0)
		return write_unnamed(fd, fill, context, pid, path);
	int error = write_temporary(output.temporary, fill, context);
	if (!error) {
		error = place(-1, pid, path);
		if (error)
			sys_unlink(output.temporary);
	}
	return error;
}

void output_discard(void)
{
	sys_unlink(output.temporary);
}
