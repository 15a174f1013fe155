/* What is said of a snapshot: on stderr, as a note, and to the `mudlark snap` that waits for it. */
#include "preload/base/losses.h"
#include "preload/base/notes.h"
#include "preload/base/sys.h"
#include "preload/base/text.h"
#include "preload/host/control_parts.h"
#include "preload/interface/output_reason.h"

#include <errno.h>
#include <unistd.h>

enum {
	TOKEN_DIGITS = 16,
	MESSAGE_BYTES = PATH_MAX + 256, /* a path, and what is the matter with it */
	/* Where others crowd in front of the socket for the answer: a fraction of a second, rather than none. */
	REPLY_TRIES = 20,
	REPLY_AGAIN_NS = 5000000,
	COPY_STAYS_MS = 2000, /* for who asked to see whose child it is */
};

static _Atomic bool failure_named;

/* Caller holds the snapshot lock. */
static void say(const char *what, const char *detail)
{
	static char line[MESSAGE_BYTES];
	struct text text = text_in(line, sizeof line - 1);
	if (!control.options->verbose)
		return;
	text_add(&text, "mudlark: ");
	text_add(&text, what);
	text_add(&text, detail);
	line[text.length] = '\n';
	sys_write_all(STDERR_FILENO, line, text.length + 1);
}

static void failed(int error, const char *path)
{
	loss_count(LOSS_SNAPSHOTS_FAILED);
	static char line[MESSAGE_BYTES]; /* under the snapshot lock */
	struct text text = text_in(line, sizeof line);
	text_add(&text, "a snapshot could not be written: ");
	text_add(&text, output_reason(-error));
	text_add(&text, ": ");
	text_add(&text, path);
	if (!atomic_exchange(&failure_named, true))
		notes_add(line);
	say(line, "");
}

/*
 * Sends the answer to the `mudlark snap` that waits for it. That one takes it from this process or a child of it only,
 * so a copy stays until it has been looked at. Its end closes the socket: then another request is served.
 */
static void reply(uint64_t token, const char *message, size_t bytes)
{
	char name[sizeof "mudlark." + TOKEN_DIGITS];
	struct text text = text_in(name, sizeof name);
	text_add(&text, "mudlark.");
	text_add_hex(&text, token, TOKEN_DIGITS);
	int fd = sys_connect(name);
	for (int tries = 1; fd == -EAGAIN && tries < REPLY_TRIES; tries++) {
		_Atomic uint32_t never = 0;
		sys_futex_wait_for(&never, 0, REPLY_AGAIN_NS);
		fd = sys_connect(name);
	}
	if (fd < 0)
		return;
	bool is_copy = sys_getpid() != atomic_load(&control.pid);
	bool sent = sys_peer_is_trusted(fd) && sys_send(fd, message, bytes) == 0;
	if (is_copy && sent)
		sys_wait_for_peer(fd, COPY_STAYS_MS);
	else
		sys_close(fd);
}

/* 'P' and the path, or 'E' and the reason; where another one is being written, 'B'. */
static void answer(uint64_t token, int error, const char *path)
{
	static char message[MESSAGE_BYTES]; /* under the snapshot lock */
	struct text text = text_in(message, sizeof message);
	text_add(&text, error ? "E" : "P");
	if (error) {
		text_add(&text, output_reason(-error));
		text_add(&text, ": ");
	}
	text_add(&text, path);
	reply(token, message, text.length);
}

static void tell(int error, const char *path)
{
	if (error)
		failed(error, path);
	else
		say("snapshot ", path);
}

const struct snapshot_listener answers_listener = {answer, tell};

void answers_busy(uint64_t token)
{
	static const char busy[] = "Banother snapshot is being written";
	reply(token, busy, sizeof busy - 1);
}
