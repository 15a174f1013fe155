/*
 * See output.h. SIGPIPE is ignored by main() for commands that write data, so that EPIPE arrives here as an errno.
 */
#include "report/base/output.h"

#include "report/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int cannot_write(const char *path, int number, struct error *error)
{
	return error_set(error, EXIT_INPUT, number == ENOSPC ? "free some space or choose another path with -o" : NULL,
			 "%s: cannot write it: %s", path ? path : "standard output", strerror(number));
}

/* Why writing to the stream failed some time ago, when errno was overwritten since. */
static int lost_errno(FILE *stream)
{
	struct pollfd reader = {.fd = fileno(stream), .events = POLLOUT};
	return poll(&reader, 1, 0) == 1 && (reader.revents & POLLERR) ? EPIPE : EIO;
}

int output_flush(FILE *stream)
{
	errno = 0;
	bool failed = fflush(stream) != 0;
	int number = errno;
	if (!failed && !ferror(stream))
		return 0;
	clearerr(stream);
	return number ? number : lost_errno(stream);
}

/* The target of a link, even if it does not exist yet; the path itself if it is not a link. NULL with errno. */
static char *follow(const char *path)
{
	enum { MOST_LINKS = 40 };
	char *here = must_copy(path);
	for (unsigned links = 0; links < MOST_LINKS; links++) {
		char target[PATH_MAX];
		ssize_t length = readlink(here, target, sizeof target - 1);
		if (length < 0)
			return here;
		target[length] = '\0';
		const char *slash = strrchr(here, '/');
		int directory = slash && target[0] != '/' ? (int)(slash - here + 1) : 0;
		char *next = must_format("%.*s%s", directory, here, target);
		free(here);
		here = next;
	}
	free(here);
	errno = ELOOP;
	return NULL;
}

static mode_t mode_of_new_file(enum output_privacy privacy)
{
	if (privacy == OUTPUT_PRIVATE)
		return 0600;
	mode_t mask = umask(0);
	umask(mask);
	return 0666 & ~mask;
}

static FILE *open_temporary(struct output *output, mode_t mode)
{
	output->temporary = must_format("%s.XXXXXX", output->path);
	int descriptor = mkostemp(output->temporary, O_CLOEXEC);
	if (descriptor < 0)
		return NULL;
	fchmod(descriptor, mode);
	return fdopen(descriptor, "w");
}

bool output_open(struct output *output, const char *path, enum output_privacy privacy, struct error *error)
{
	*output = (struct output){0};
	if (!path || !strcmp(path, "-")) {
		output->stream = stdout;
		return true;
	}
	struct stat status;
	output->path = follow(path);
	if (output->path) {
		bool there = !stat(output->path, &status);
		if (there && !S_ISREG(status.st_mode))
			output->stream = fopen(output->path, "we");
		else
			output->stream =
				open_temporary(output, there ? status.st_mode & 0777 : mode_of_new_file(privacy));
	}
	if (output->stream)
		return true;
	cannot_write(path, errno, error);
	free(output->path);
	free(output->temporary);
	*output = (struct output){0};
	return false;
}

void output_abandon(struct output *output)
{
	if (output->stream && output->stream != stdout)
		fclose(output->stream);
	if (output->temporary)
		unlink(output->temporary);
	free(output->path);
	free(output->temporary);
	*output = (struct output){0};
}

int output_close(struct output *output, struct error *error)
{
	int number = output_flush(output->stream);
	if (output->stream != stdout) {
		if (fclose(output->stream) && !number)
			number = errno;
		output->stream = NULL;
	}
	if (!number && output->temporary && rename(output->temporary, output->path))
		number = errno;
	int code = EXIT_FINE;
	if (number && number != EPIPE)
		code = cannot_write(output->path, number, error);
	if (!number && output->temporary) {
		free(output->temporary);
		output->temporary = NULL;
	}
	output_abandon(output);
	return code;
}
