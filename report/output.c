/*
 * See output.h. SIGPIPE is ignored by main() for commands that write data, so that EPIPE arrives here as an errno.
 */
#include "report/output.h"

#include "report/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int cannot_write(const char *path, int number, struct error *error)
{
	return error_set(error, EXIT_INPUT, number == ENOSPC ? "free some space or choose another place with -o" : NULL,
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

bool output_open(struct output *output, const char *path, struct error *error)
{
	*output = (struct output){0};
	if (!path || !strcmp(path, "-")) {
		output->stream = stdout;
		return true;
	}
	output->path = must_copy(path);
	struct stat status;
	if (!stat(path, &status) && !S_ISREG(status.st_mode)) {
		output->stream = fopen(path, "we");
	} else {
		output->temporary = must_format("%s.XXXXXX", path);
		int descriptor = mkostemp(output->temporary, O_CLOEXEC);
		if (descriptor >= 0) {
			mode_t mask = umask(0);
			umask(mask);
			fchmod(descriptor, 0666 & ~mask);
			output->stream = fdopen(descriptor, "w");
		}
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
