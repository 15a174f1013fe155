/* See output_target.h. */
#include "preload/base/output_target.h"

#include "preload/base/sys.h"
#include "preload/base/text.h"
#include "preload/interface/output_reason.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINKS_MOST = 40 /* as the kernel follows */ };

/* Not on the stack: that may be a signal stack of a few kilobytes. */
static char next[PATH_MAX], link_text[PATH_MAX];

/* Writes the path's directory, with its '/', to out. */
static void directory_of(const char *path, struct text *out)
{
	const char *slash = strrchr(path, '/');
	for (const char *c = path; slash && c <= slash; c++)
		text_add_char(out, *c);
}

/* Returns 0 if the link may be followed, or the reason why not. */
static int check_link(const char *path, const struct stat *link)
{
	struct stat directory;
	struct text text = text_in(next, sizeof next);
	directory_of(path, &text);
	if (!text.length)
		text_add_char(&text, '.');
	int error = sys_stat(next, &directory);
	if (error)
		return error;
	if (sys_file_system(next) == PROC_SUPER_MAGIC)
		return -OUTPUT_IS_DESCRIPTOR;
	bool shared = (directory.st_mode & (S_ISVTX | S_IWOTH)) == (S_ISVTX | S_IWOTH);
	if (shared && link->st_uid != sys_effective_user() && link->st_uid != directory.st_uid)
		return -OUTPUT_IS_STRANGE;
	return 0;
}

/* Replaces path by what the link there says. */
static int follow(char path[PATH_MAX])
{
	ssize_t bytes = sys_readlink(path, link_text, sizeof link_text - 1);
	if (bytes < 0)
		return (int)bytes;
	link_text[bytes] = '\0';
	struct text text = text_in(next, sizeof next);
	if (link_text[0] != '/')
		directory_of(path, &text);
	text_add(&text, link_text);
	if (text.cut)
		return -ENAMETOOLONG;
	memcpy(path, next, text.length + 1);
	return 0;
}

/* An existing target must be something that a file can replace. */
static int check_kind(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return 0;
	case S_IFDIR:
		return -OUTPUT_IS_DIRECTORY;
	case S_IFIFO:
		return -OUTPUT_IS_FIFO;
	case S_IFSOCK:
		return -OUTPUT_IS_SOCKET;
	default:
		return -OUTPUT_IS_DEVICE;
	}
}

int output_target(char path[PATH_MAX])
{
	struct stat there;
	for (int links = 0; links <= LINKS_MOST; links++) {
		int error = sys_lstat(path, &there);
		if (error)
			return error == -ENOENT ? 0 : error;
		if (!S_ISLNK(there.st_mode))
			return check_kind(there.st_mode);
		error = check_link(path, &there);
		if (!error)
			error = follow(path);
		if (error)
			return error;
	}
	return -ELOOP;
}
