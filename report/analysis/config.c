/*
 * See config.h.
 */
#include "report/analysis/config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* More was not written by hand. */
enum { CONFIG_MOST_BYTES = 1 << 20 };

#define PROJECT_FILE ".mudlark"
static const char syntax[] = "write 'skip PATTERN', or a comment that starts with '#'; --no-config ignores these "
			     "files";

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Returns what is wrong with the line, or NULL after adding its pattern if it has one. */
static const char *parse_line(struct skips *skips, const char *line, const char *end)
{
	static const char word[] = "skip";
	enum { WORD_BYTES = sizeof word - 1 };
	while (line < end && is_blank(*line))
		line++;
	while (line < end && is_blank(end[-1]))
		end--;
	if (line == end || *line == '#')
		return NULL;
	if (memchr(line, '\0', (size_t)(end - line)))
		return "it contains NUL bytes";
	bool is_skip = end - line >= WORD_BYTES && !memcmp(line, word, WORD_BYTES);
	if (!is_skip || (end - line > WORD_BYTES && !is_blank(line[WORD_BYTES])))
		return "it does not start with 'skip'";
	line += WORD_BYTES;
	while (line < end && is_blank(*line))
		line++;
	if (line == end)
		return "no pattern follows 'skip'";
	skips_add(skips, arena_text(&skips->texts, line, (size_t)(end - line)));
	return NULL;
}

int config_parse(struct skips *skips, const char *path, const char *text, size_t length, struct error *error)
{
	const char *stop = text + length;
	for (uint32_t number = 1; text < stop; number++) {
		const char *newline = memchr(text, '\n', (size_t)(stop - text));
		const char *reason = parse_line(skips, text, newline ? newline : stop);
		if (reason)
			return error_set(error, EXIT_USAGE, syntax, "%s:%" PRIu32 ": %s", path, number, reason);
		text = newline ? newline + 1 : stop;
	}
	return EXIT_FINE;
}

/* --- which file, and whose ------------------------------------------------------------------------------------- */

static bool is_trusted(const struct stat *status)
{
	return status->st_uid == geteuid() || status->st_uid == 0;
}

/* Why the file is not read; NULL: it may be. */
static const char *distrust(const struct stat *link, const struct stat *file)
{
	if (!S_ISREG(file->st_mode))
		return "it is not a regular file";
	if (!is_trusted(link) || !is_trusted(file))
		return "it belongs to another user";
	if (file->st_mode & S_IWOTH)
		return "every user can write to it";
	return NULL;
}

static int read_all(struct skips *skips, const char *path, int descriptor, struct error *error)
{
	char *text = must_allocate(CONFIG_MOST_BYTES + 1, 1);
	size_t length = 0;
	ssize_t got = 1;
	while (got > 0 && length <= CONFIG_MOST_BYTES) {
		got = read(descriptor, text + length, CONFIG_MOST_BYTES + 1 - length);
		length += got > 0 ? (size_t)got : 0;
	}
	int status;
	if (got < 0)
		status = error_set(error, EXIT_INPUT, syntax, "%s: cannot read it: %s", path, strerror(errno));
	else if (length > CONFIG_MOST_BYTES)
		status = error_set(error, EXIT_INPUT, syntax, "%s: it is larger than %d KiB", path,
				   CONFIG_MOST_BYTES >> 10);
	else
		status = config_parse(skips, path, text, length, error);
	free(text);
	return status;
}

/* Reads the file, if there is one; *found says so. */
static int load(struct skips *skips, const char *path, bool *found, struct error *error)
{
	struct stat link, file;
	*found = !lstat(path, &link);
	if (!*found)
		return EXIT_FINE;
	/* A FIFO must not make us wait for a writer. */
	int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (descriptor < 0) {
		if (!is_trusted(&link)) {
			notice("%s is not read: it belongs to another user", path);
			return EXIT_FINE;
		}
		return error_set(error, EXIT_INPUT, "--no-config reads no file", "%s: cannot open it: %s", path,
				 strerror(errno));
	}
	const char *reason = fstat(descriptor, &file) ? strerror(errno) : distrust(&link, &file);
	int status = EXIT_FINE;
	if (reason)
		notice("%s is not read: %s", path, reason);
	else
		status = read_all(skips, path, descriptor, error);
	close(descriptor);
	return status;
}

static int load_users(struct skips *skips, struct error *error)
{
	const char *place = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	bool found;
	char *path;
	/* The specification has relative paths ignored. */
	if (place && place[0] == '/')
		path = must_format("%s/mudlark/config", place);
	else if (home && home[0] == '/')
		path = must_format("%s/.config/mudlark/config", home);
	else
		return EXIT_FINE;
	int status = load(skips, path, &found, error);
	free(path);
	return status;
}

static int load_projects(struct skips *skips, struct error *error)
{
	/* Without a working directory there is no project. */
	char *directory = getcwd(NULL, 0), *slash;
	int status = EXIT_FINE;
	bool found = false;
	while (directory && !found && status == EXIT_FINE) {
		/* The root is "/", its files begin with one slash all the same. */
		char *path = must_format("%s/" PROJECT_FILE, directory[1] ? directory : "");
		status = load(skips, path, &found, error);
		free(path);
		if (!directory[1] || !(slash = strrchr(directory, '/')))
			break;
		slash[slash == directory] = '\0';
	}
	free(directory);
	return status;
}

int config_load(struct skips *skips, struct error *error)
{
	int status = load_users(skips, error);
	return status == EXIT_FINE ? load_projects(skips, error) : status;
}
