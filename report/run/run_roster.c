/* See run_roster.h. */
#include "report/run/run_roster.h"

#include "report/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CHUNKS_AT_FIRST = 1 };

static bool make_token(char token[ROSTER_TOKEN_DIGITS + 1])
{
	unsigned char bytes[ROSTER_TOKEN_DIGITS / 2];
	if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
		return false;
	for (size_t i = 0; i < sizeof bytes; i++)
		snprintf(token + 2 * i, 3, "%02x", bytes[i]);
	return true;
}

/* Zeros at the end of the file, until it has so many bytes: as preload/process/roster.c does, with which this may
 * compete. */
static bool append_zeros(int fd, off_t bytes)
{
	static const char zeros[ROSTER_HEADER_BYTES];
	struct stat status;
	bool well = !fcntl(fd, F_SETFL, O_APPEND);
	while (well && (well = !fstat(fd, &status)) && status.st_size < bytes)
		well = write(fd, zeros, sizeof zeros) > 0 || errno == EINTR;
	fcntl(fd, F_SETFL, 0);
	return well;
}

/*
 * Returns whether a full disk or a file system that cannot share memory is noticed here, and not by a signal in the
 * host.
 */
static bool can_be_mapped(int fd)
{
	void *page = mmap(NULL, ROSTER_HEADER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return page != MAP_FAILED && !munmap(page, ROSTER_HEADER_BYTES);
}

/*
 * The file with its header and the first chunk. Its memory is there before anybody maps it: see
 * preload/process/roster.c. writes: where the file system cannot allocate, as some of networks and FUSE cannot, zeros
 * are written.
 */
static bool make_file(struct run_roster *roster, bool writes)
{
	const off_t bytes = ROSTER_HEADER_BYTES + CHUNKS_AT_FIRST * ROSTER_CHUNK_BYTES;
	struct roster_header header = {.magic = ROSTER_MAGIC, .version = ROSTER_VERSION};
	memcpy(header.token, roster->token, ROSTER_TOKEN_DIGITS);
	roster->fd = open(roster->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
	if (roster->fd < 0)
		return false;
	return (writes ? append_zeros(roster->fd, bytes) : !fallocate(roster->fd, 0, 0, bytes)) &&
	       can_be_mapped(roster->fd) && pwrite(roster->fd, &header, sizeof header, 0) == sizeof header;
}

static bool make_below(struct run_roster *roster, const char *base, bool writes)
{
	if (!base || base[0] != '/')
		return false;
	roster->directory = must_format("%s/mudlark-run-XXXXXX", base);
	if (!mkdtemp(roster->directory)) {
		free(roster->directory);
		roster->directory = NULL;
		return false;
	}
	roster->path = must_format("%s/roster", roster->directory);
	if (make_file(roster, writes))
		return true;
	int number = errno;
	run_roster_remove(roster);
	errno = number;
	return false;
}

int run_roster_create(struct run_roster *roster, struct error *error)
{
	const char *const bases[] = {getenv("TMPDIR"), "/tmp", "/dev/shm", getenv("XDG_RUNTIME_DIR")};
	*roster = (struct run_roster){.fd = -1};
	if (!make_token(roster->token))
		return error_set(error, EXIT_INPUT, NULL, "cannot get random bytes for the run's token: %s",
				 strerror(errno));
	const size_t count = sizeof bases / sizeof *bases;
	for (size_t i = 0; i < 2 * count; i++)
		if (make_below(roster, bases[i % count], i >= count)) {
			roster->variable = must_format("%s:%s", roster->token, roster->path);
			return EXIT_FINE;
		}
	return error_set(error, EXIT_INPUT, "set TMPDIR to a directory on a local file system with some space",
			 "cannot create the run's directory in TMPDIR, /tmp or /dev/shm: %s", strerror(errno));
}

void run_roster_remove(struct run_roster *roster)
{
	if (roster->fd >= 0)
		close(roster->fd);
	if (roster->path)
		unlink(roster->path);
	if (roster->directory)
		rmdir(roster->directory);
	free(roster->path);
	free(roster->directory);
	free(roster->variable);
	roster->path = roster->directory = roster->variable = NULL;
	roster->fd = -1;
}

static bool is_roster(const struct roster_header *header, const char *token)
{
	return header->magic == ROSTER_MAGIC && header->version == ROSTER_VERSION &&
	       !memcmp(header->token, token, ROSTER_TOKEN_DIGITS);
}

/* All bytes of a file, as far as they can be read. */
static char *read_all(int fd, size_t *length)
{
	struct stat status;
	if (fstat(fd, &status))
		return NULL;
	size_t size = (size_t)status.st_size, have = 0;
	char *bytes = must_allocate(size + 1, 1);
	while (have < size) {
		ssize_t got = pread(fd, bytes + have, size - have, (off_t)have);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		have += (size_t)got;
	}
	*length = have;
	return bytes;
}

struct roster_slot *run_roster_slots(const struct run_roster *roster, size_t *count, struct roster_missing *missing)
{
	static const char vacant[ROSTER_SLOT_BYTES];
	struct roster_header header = {0};
	size_t length = 0;
	char *bytes = read_all(roster->fd, &length);
	*count = 0;
	*missing = (struct roster_missing){0};
	if (bytes && length >= sizeof header)
		memcpy(&header, bytes, sizeof header);
	if (!bytes || length < sizeof header || !is_roster(&header, roster->token)) {
		free(bytes);
		return NULL;
	}
	unsigned taken = atomic_load(&header.next);
	missing->unknown = atomic_load(&header.lost);
	struct roster_slot *slots = must_allocate(length / sizeof *slots + 1, sizeof *slots);
	for (size_t at = ROSTER_HEADER_BYTES; at + sizeof *slots <= length; at += sizeof *slots)
		if (memcmp(bytes + at, vacant, sizeof vacant) != 0)
			memcpy(&slots[(*count)++], bytes + at, sizeof *slots);
	if (taken > *count + missing->unknown)
		missing->gone = taken - (unsigned)*count - missing->unknown;
	free(bytes);
	return slots;
}

bool run_roster_is_whole(const struct run_roster *roster, const struct roster_slot *slot)
{
	return slot->seal == roster_seal(slot, roster_key(roster->token)) &&
	       memchr(slot->name, '\0', sizeof slot->name) && memchr(slot->path, '\0', sizeof slot->path);
}

/* --- the outer run --------------------------------------------------------------------------------------------- */

/* The roster that the variable names, checked; -1: there is none. */
static int open_outer(const char *value)
{
	struct roster_header header;
	if (!value || strnlen(value, ROSTER_TOKEN_DIGITS) < ROSTER_TOKEN_DIGITS || value[ROSTER_TOKEN_DIGITS] != ':')
		return -1;
	int fd = open(value + ROSTER_TOKEN_DIGITS + 1, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && (pread(fd, &header, sizeof header, 0) != sizeof header || !is_roster(&header, value))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

void run_roster_report(enum roster_verdict verdict)
{
	const char *value = getenv(ROSTER_VARIABLE);
	int fd = open_outer(value);
	if (fd < 0)
		return;
	struct roster_header *header = mmap(NULL, ROSTER_HEADER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (header != MAP_FAILED) {
		uint32_t index = atomic_fetch_add(&header->next, 1);
		struct roster_slot slot = {.taken = 1,
					   .kind = ROSTER_NESTED,
					   .pid = (uint32_t)getpid(),
					   .parent = (uint32_t)getppid(),
					   .verdict = (uint8_t)verdict};
		off_t at = ROSTER_HEADER_BYTES + (off_t)index * ROSTER_SLOT_BYTES;
		slot.seal = roster_seal(&slot, roster_key(value));
		if (index >= ROSTER_SLOTS_MOST || pwrite(fd, &slot, sizeof slot, at) != sizeof slot)
			atomic_fetch_add(&header->lost, 1);
		munmap(header, ROSTER_HEADER_BYTES);
	}
	close(fd);
}
