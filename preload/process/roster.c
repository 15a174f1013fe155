/*
 * See roster.h.
 *
 * Slots are handed out by a counter in the shared header, and taken by compare-and-swap: should the counter have been
 * written over, a slot that is in use is not taken twice. A process that needs a slot beyond its chunk maps another
 * one, for which it must open the file again; where it cannot, it counts itself as lost in the header, which it always
 * has.
 *
 * Truncating the file removes the pages under the mappings: a store there would raise SIGBUS in the host.
 * So each is preceded by a question to the kernel; `mudlark run` misses what was not noted, since the header counts it.
 *
 * A raw copy of the process (clone(2) without libc) shares nothing but the roster with it. It is known by a page that
 * the kernel empties in copies (MADV_WIPEONFORK); a vfork child finds that page full.
 */
#include "preload/process/roster.h"

#include "preload/base/proc_text.h"
#include "preload/base/sandboxed.h"
#include "preload/base/sys.h"
#include "preload/base/text.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNKS_MOST = ROSTER_SLOTS_MOST / ROSTER_CHUNK_SLOTS };

static struct {
	struct roster_header *header;       /* NULL: there is no run */
	_Atomic(char *) chunk[CHUNKS_MOST]; /* mapped ones */
	struct roster_slot *own;            /* NULL: none could be had */
	uint64_t key;
	char token[ROSTER_TOKEN_DIGITS + 1];
	char path[PATH_MAX];
	char program[ROSTER_NAME_BYTES];
	pid_t pid;
	_Atomic uint32_t *present; /* 1 here, 0 in a raw copy; NULL: not known */
} roster;

const char *roster_token(void)
{
	return roster.token;
}

/*
 * Returns whether a store there raises no signal. A program that may have locked itself in must do without the
 * question.
 */
static bool is_there(const void *at)
{
	return maybe_sandboxed() || sys_is_readable(at);
}

/* Returns whether the slot is as we left it. One that was written over stays so, and tells by its seal. */
static bool is_whole(const struct roster_slot *slot)
{
	return is_there(slot) && slot->seal == roster_seal(slot, roster.key);
}

static void seal(struct roster_slot *slot)
{
	slot->seal = roster_seal(slot, roster.key);
}

/* Field 22 of /proc/PID/stat; 0: not known. The name in field 2 may hold anything, so fields count from its ')'. */
static uint64_t start_of(pid_t pid)
{
	enum { FIELDS_TO_START = 20, STAT_BYTES = 512 };
	char path[32], line[STAT_BYTES];
	struct text text = text_in(path, sizeof path);
	uint64_t start = 0;
	text_add(&text, "/proc/");
	text_add_number(&text, (uint64_t)pid);
	text_add(&text, "/stat");
	int fd = sys_open_read(path);
	if (fd < 0)
		return 0;
	ssize_t got = sys_read(fd, line, sizeof line - 1);
	sys_close(fd);
	line[got > 0 ? got : 0] = '\0';
	const char *fields = strrchr(line, ')');
	if (fields)
		proc_number(proc_skip(fields, FIELDS_TO_START), 10, &start);
	return start;
}

static int open_roster(void)
{
	struct stat status;
	int fd = sys_open_shared(roster.path);
	if (fd < 0)
		return fd;
	if (sys_fstat(fd, &status) || !S_ISREG(status.st_mode) || status.st_size < ROSTER_HEADER_BYTES) {
		sys_close(fd);
		return -1;
	}
	return fd;
}

/* The chunk's memory is allocated in the file before it is mapped: a store must not meet a full disk. */
static char *map_chunk(int fd, uint32_t number)
{
	uint64_t offset = ROSTER_HEADER_BYTES + (uint64_t)number * ROSTER_CHUNK_BYTES;
	struct sys_quiet quiet;
	sys_quiet_begin(&quiet);
	int error = sys_allocate_file(fd, offset, ROSTER_CHUNK_BYTES);
	if (error == -EOPNOTSUPP || error == -ENOSYS)
		error = sys_extend_file(fd, offset + ROSTER_CHUNK_BYTES);
	sys_quiet_end(&quiet);
	return error ? NULL : sys_map_file(fd, offset, ROSTER_CHUNK_BYTES);
}

/* The chunk that slot `index` is in, or NULL. fd: of the roster, or -1. */
static char *chunk_of(uint32_t index, int fd)
{
	uint32_t number = index / ROSTER_CHUNK_SLOTS;
	if (index >= ROSTER_SLOTS_MOST)
		return NULL;
	char *chunk = atomic_load(&roster.chunk[number]);
	if (chunk)
		return chunk;
	int opened = fd < 0 ? open_roster() : fd;
	char *fresh = opened < 0 ? NULL : map_chunk(opened, number);
	if (fd < 0 && opened >= 0)
		sys_close(opened);
	if (fresh && !atomic_compare_exchange_strong(&roster.chunk[number], &chunk, fresh)) {
		sys_unmap(fresh, ROSTER_CHUNK_BYTES);
		return chunk;
	}
	return fresh;
}

static bool is_ours(const struct roster_header *header)
{
	return is_there(header) && header->magic == ROSTER_MAGIC && header->version == ROSTER_VERSION &&
	       !memcmp(header->token, roster.token, ROSTER_TOKEN_DIGITS);
}

/* A program that has locked itself in (sandbox.h) may be killed for what a slot takes: it is counted as lost. */
static struct roster_slot *take(int fd)
{
	while (is_ours(roster.header)) {
		uint32_t index = atomic_fetch_add(&roster.header->next, 1), vacant = 0;
		char *chunk = sandboxed() ? NULL : chunk_of(index, fd);
		if (!chunk) {
			atomic_fetch_add(&roster.header->lost, 1);
			return NULL;
		}
		struct roster_slot *slot =
			(struct roster_slot *)(chunk + (size_t)(index % ROSTER_CHUNK_SLOTS) * ROSTER_SLOT_BYTES);
		if (is_there(slot) && atomic_compare_exchange_strong(&slot->taken, &vacant, 1))
			return slot;
	}
	return NULL;
}

static void set_path(struct roster_slot *slot, const char *path)
{
	static const char cut[] = "...";
	size_t length = strlen(path);
	char *out = slot->path;
	if (length >= sizeof slot->path) {
		memcpy(out, cut, sizeof cut - 1);
		out += sizeof cut - 1;
		path += length - (sizeof slot->path - sizeof cut);
	}
	memcpy(out, path, strlen(path) + 1);
}

/* Fills a slot that is not sealed yet. */
static void fill(struct roster_slot *slot, enum roster_kind kind, pid_t pid, pid_t parent)
{
	slot->kind = (uint8_t)kind;
	slot->pid = (uint32_t)pid;
	slot->parent = (uint32_t)parent;
	slot->start = pid ? start_of(pid) : 0;
	slot->begun_ns = sys_real_ns();
	memcpy(slot->name, roster.program, sizeof slot->name);
}

static void begin(enum roster_kind kind, pid_t pid, uint64_t started_ns, int fd)
{
	roster.pid = pid;
	roster.own = take(fd);
	if (!roster.own)
		return;
	fill(roster.own, kind, pid, sys_getppid());
	roster.own->begun_ns = started_ns;
	seal(roster.own);
}

/* "TOKEN:PATH". */
static bool parse(const char *value)
{
	if (!value || strnlen(value, ROSTER_TOKEN_DIGITS) < ROSTER_TOKEN_DIGITS || value[ROSTER_TOKEN_DIGITS] != ':')
		return false;
	const char *path = value + ROSTER_TOKEN_DIGITS + 1;
	if (path[0] != '/' || strlen(path) >= sizeof roster.path)
		return false;
	memcpy(roster.token, value, ROSTER_TOKEN_DIGITS);
	memcpy(roster.path, path, strlen(path) + 1);
	return true;
}

void roster_init(const char *value, pid_t pid, const char *program, uint64_t started_ns)
{
	if (!parse(value))
		return;
	roster.key = roster_key(roster.token);
	memcpy(roster.program, program, strnlen(program, sizeof roster.program - 1));
	int fd = open_roster();
	if (fd < 0)
		return;
	struct roster_header *header = sys_map_file(fd, 0, ROSTER_HEADER_BYTES);
	if (header && is_ours(header)) {
		roster.header = header;
		roster.present = sys_map_wiped_in_copies();
		if (roster.present)
			atomic_store(roster.present, 1);
		begin(ROSTER_IMAGE, pid, started_ns, fd);
	} else if (header) {
		sys_unmap(header, ROSTER_HEADER_BYTES);
	}
	sys_close(fd);
}

void roster_fork_child(pid_t pid, uint64_t started_ns)
{
	if (!roster.header)
		return;
	if (roster.present)
		atomic_store(roster.present, 1);
	begin(ROSTER_FORK, pid, started_ns, -1);
}

enum { NO_PAGE = 1 };

/*
 * Returns whether the text ends before memory does. page: one that is known to be readable, or NO_PAGE.
 */
static bool can_read_text(const char *text, uintptr_t *page)
{
	do {
		uintptr_t at = (uintptr_t)text & ~(uintptr_t)(SYS_PAGE_BYTES - 1);
		if (at != *page && !sys_is_readable((const void *)at))
			return false;
		*page = at;
	} while (*text++);
	return true;
}

static bool can_read_pointer(char *const *pointer, uintptr_t *page)
{
	uintptr_t at = (uintptr_t)pointer & ~(uintptr_t)(SYS_PAGE_BYTES - 1);
	bool known =
		at == *page && at == (((uintptr_t)pointer + sizeof *pointer - 1) & ~(uintptr_t)(SYS_PAGE_BYTES - 1));
	if (!known && !sys_is_readable(pointer))
		return false;
	*page = at;
	return true;
}

/*
 * Returns whether the kernel can read it. One that leads nowhere makes it refuse the exec with EFAULT, which is no
 * reason for us to fall over it.
 */
static bool can_read_environment(char *const *environment)
{
	uintptr_t pointers = NO_PAGE, texts = NO_PAGE;
	for (; environment; environment++) {
		if (!can_read_pointer(environment, &pointers))
			return false;
		if (!*environment)
			break;
		if (!can_read_text(*environment, &texts))
			return false;
	}
	return true;
}

/* Returns what a program that starts in this environment lacks to be part of the run. */
static uint8_t environment_flags(char *const *environment)
{
	static const char preload[] = "LD_PRELOAD=", run[] = ROSTER_VARIABLE "=";
	uint8_t flags = ROSTER_NO_PRELOAD | ROSTER_NO_RUN;
	if (!can_read_environment(environment))
		return flags;
	for (; environment && *environment; environment++) {
		const char *entry = *environment;
		if (!strncmp(entry, preload, sizeof preload - 1) && strstr(entry, "libmudlark.so"))
			flags &= (uint8_t)~ROSTER_NO_PRELOAD;
		if (strncmp(entry, run, sizeof run - 1) != 0)
			continue;
		flags &= (uint8_t)~ROSTER_NO_RUN;
		if (strncmp(entry + sizeof run - 1, roster.token, ROSTER_TOKEN_DIGITS) != 0)
			flags |= ROSTER_OTHER_RUN;
	}
	return flags;
}

static void write_end(enum roster_end end, enum roster_verdict verdict, int error, uint8_t flags)
{
	roster.own->end = (uint8_t)end;
	roster.own->verdict = (uint8_t)verdict;
	roster.own->error = error;
	roster.own->flags = flags;
	seal(roster.own);
}

void roster_set_end(enum roster_end end, enum roster_verdict verdict, int error)
{
	if (roster.own && is_whole(roster.own))
		write_end(end, verdict, error, 0);
}

void roster_set_killed(int number, int error)
{
	if (roster.own && is_whole(roster.own))
		write_end(ROSTER_KILLED, ROSTER_NOT_SEARCHED, error, (uint8_t)number);
}

void roster_decline(void)
{
	if (roster.own && roster.own->seal == roster_seal(roster.own, roster.key))
		write_end(ROSTER_DECLINED, ROSTER_NOT_SEARCHED, 0, 0);
}

static void set_executed(struct roster_slot *slot, const char *path, char *const *environment)
{
	slot->end = ROSTER_EXECUTED;
	slot->flags = environment_flags(environment);
	set_path(slot, path);
}

struct roster_slot *roster_exec(bool own, const char *path, char *const *environment, enum roster_verdict verdict,
				int error)
{
	if (!roster.header || !path)
		return NULL;
	struct roster_slot *slot = own ? roster.own : take(-1);
	if (!slot || (own && !is_whole(slot)))
		return NULL;
	if (own) {
		slot->verdict = (uint8_t)verdict;
		slot->error = error;
	} else {
		fill(slot, roster_is_raw_copy() ? ROSTER_CLONED : ROSTER_VFORK, sys_getpid(), sys_getppid());
	}
	set_executed(slot, path, environment);
	seal(slot);
	return slot;
}

void roster_exec_failed(struct roster_slot *slot)
{
	if (!slot || !is_whole(slot))
		return;
	/* A vfork child is its parent still, and tries again with a new note; others have to answer for themselves. */
	slot->end = slot->kind == ROSTER_VFORK ? ROSTER_LEFT_OUT : ROSTER_RUNS;
	slot->verdict = ROSTER_NOT_SEARCHED;
	slot->error = 0;
	slot->flags = 0;
	memset(slot->path, 0, sizeof slot->path);
	seal(slot);
}

void roster_spawned(pid_t pid, const char *path, char *const *environment)
{
	struct roster_slot *slot = roster.header ? take(-1) : NULL;
	if (!slot)
		return;
	fill(slot, ROSTER_SPAWN, pid, sys_getpid());
	set_executed(slot, path, environment);
	seal(slot);
}

void roster_shell(void)
{
	if (!roster.header || !environment_flags(environ))
		return;
	struct roster_slot *slot = take(-1);
	if (!slot)
		return;
	fill(slot, ROSTER_SPAWN, 0, sys_getpid());
	set_executed(slot, "/bin/sh", environ);
	seal(slot);
}

void roster_clones(void)
{
	struct roster_slot *slot = roster.header ? take(-1) : NULL;
	if (!slot)
		return;
	fill(slot, ROSTER_CLONE, 0, sys_getpid());
	seal(slot);
}

bool roster_is_raw_copy(void)
{
	return roster.present && !atomic_load(roster.present);
}

void roster_cloned(void)
{
	if (!roster.header || !roster_is_raw_copy())
		return;
	atomic_store(roster.present, 1); /* once */
	if (maybe_sandboxed()) {
		atomic_fetch_add(&roster.header->lost, 1);
		return;
	}
	roster.own = take(-1);
	if (!roster.own)
		return;
	fill(roster.own, ROSTER_CLONED, sys_getpid(), sys_getppid());
	seal(roster.own);
}
