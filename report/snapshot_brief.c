/* See snapshot_brief.h. Every length is compared with the file's size before anything is allocated for it. */
#define XXH_INLINE_ALL
#include "report/snapshot_brief.h"

#include "report/snapshot_cursor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

static bool read_at(int descriptor, void *to, size_t bytes, uint64_t offset)
{
	char *next = to;
	while (bytes) {
		ssize_t got = pread(descriptor, next, bytes, (off_t)offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		next += got;
		offset += (uint64_t)got;
		bytes -= (size_t)got;
	}
	return true;
}

static int refuse(const char *path, const char *why, struct error *error)
{
	return error_set(error, EXIT_INPUT, "copy the file again (in binary mode) or take a new snapshot", "%s: %s",
			 path, why);
}

static void fill(struct snapshot_brief *brief, const struct snapshot *snapshot)
{
	memcpy(brief->numbers, snapshot->numbers, sizeof brief->numbers);
	brief->program = must_copy(snapshot->texts[META_PROGRAM].data);
	brief->host = must_copy(snapshot->texts[META_HOST].data);
}

static int decode(struct snapshot_brief *brief, const unsigned char *data, size_t bytes, struct error *error)
{
	struct snapshot snapshot = {0};
	struct cursor cursor = {data, data + bytes, NULL};
	for (size_t key = 0; key < META_KEYS; key++)
		snapshot.texts[key].data = "";
	decode_meta(&snapshot, &cursor);
	if (!cursor.failed)
		fill(brief, &snapshot);
	arena_free(&snapshot.arena);
	return cursor.failed ? refuse(brief->path, "section META is damaged", error) : EXIT_FINE;
}

/* The section that begins behind its header at offset. */
static int read_meta(struct snapshot_brief *brief, int descriptor, const struct snapshot_section *section,
		     uint64_t offset, struct error *error)
{
	size_t bytes = (size_t)section->data_bytes;
	unsigned char *data = must_allocate(bytes + 1, 1);
	int status = EXIT_FINE;
	if (!read_at(descriptor, data, bytes, offset))
		status = refuse(brief->path, "cannot read its META section", error);
	else if (section->checksum != XXH3_64bits_withSeed(data, bytes, section->type))
		status = refuse(brief->path, "section META is damaged (checksum)", error);
	else
		status = decode(brief, data, bytes, error);
	free(data);
	return status;
}

static int find_meta(struct snapshot_brief *brief, int descriptor, uint64_t size, struct error *error)
{
	struct snapshot_header header;
	struct snapshot_section section;
	unsigned char start[sizeof header] = {0};
	size_t there = size < sizeof start ? (size_t)size : sizeof start;
	if (!read_at(descriptor, start, there, 0))
		return refuse(brief->path, "cannot read it", error);
	if (!snapshot_check_header(start, (size_t)size, brief->path, &header, error))
		return error->code;
	for (uint64_t offset = header.header_bytes; size - offset >= sizeof section;) {
		if (!read_at(descriptor, &section, sizeof section, offset))
			break;
		offset += sizeof section;
		if (section.data_bytes > size - offset)
			break;
		if (section.type == SECTION_META)
			return read_meta(brief, descriptor, &section, offset, error);
		uint64_t padded = (section.data_bytes + 7) & ~UINT64_C(7);
		if (section.type == SECTION_END || padded > size - offset)
			break;
		offset += padded;
	}
	return refuse(brief->path, "section META is missing", error);
}

static int read_brief(struct snapshot_brief *brief, struct error *error)
{
	struct stat status;
	int descriptor = strcmp(brief->path, "-") != 0 ? snapshot_open(brief->path, error) : STDIN_FILENO;
	if (descriptor < 0)
		return error->code;
	int result = EXIT_FINE;
	if (descriptor == STDIN_FILENO || fstat(descriptor, &status) || !S_ISREG(status.st_mode)) {
		brief->whole = snapshot_load(brief->path, error);
		if (brief->whole)
			fill(brief, brief->whole);
		else
			result = error->code;
	} else {
		result = find_meta(brief, descriptor, (uint64_t)status.st_size, error);
	}
	if (descriptor != STDIN_FILENO)
		close(descriptor);
	return result;
}

static void free_brief(struct snapshot_brief *brief)
{
	snapshot_free(brief->whole);
	free(brief->path);
	free(brief->program);
	free(brief->host);
}

int snapshot_briefs_add(struct snapshot_briefs *briefs, const char *path, struct error *error)
{
	struct snapshot_brief brief = {.path = must_copy(path)};
	int status = read_brief(&brief, error);
	if (status != EXIT_FINE) {
		free_brief(&brief);
		return status;
	}
	must_grow(briefs->at, briefs->count, briefs->capacity);
	briefs->at[briefs->count++] = brief;
	return EXIT_FINE;
}

void snapshot_briefs_drop(struct snapshot_briefs *briefs)
{
	free_brief(&briefs->at[--briefs->count]);
}

void snapshot_briefs_free(struct snapshot_briefs *briefs)
{
	for (size_t i = 0; i < briefs->count; i++)
		free_brief(&briefs->at[i]);
	free(briefs->at);
	*briefs = (struct snapshot_briefs){0};
}

struct snapshot *snapshot_of_brief(struct snapshot_brief *brief, struct error *error)
{
	struct snapshot *whole = brief->whole;
	brief->whole = NULL;
	return whole ? whole : snapshot_load(brief->path, error);
}

bool is_same_process(const struct snapshot_brief *left, const struct snapshot_brief *right)
{
	return left->numbers[META_PID] == right->numbers[META_PID] &&
	       left->numbers[META_START_TIME_NS] == right->numbers[META_START_TIME_NS] &&
	       !strcmp(left->host, right->host);
}
