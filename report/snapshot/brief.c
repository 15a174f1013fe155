/* See brief.h. Every length is compared with the file's size before anything is allocated for it. */
#define XXH_INLINE_ALL
#include "report/snapshot/brief.h"

#include "report/snapshot/cursor.h"

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

/* why: a format with one %s, for the section. */
static int refuse(const char *path, const char *why, const char *section, struct error *error)
{
	char *text = must_format(why, section);
	error_set(error, EXIT_INPUT, "copy the file again (in binary mode) or take a new snapshot", "%s: %s", path,
		  text);
	free(text);
	return error->code;
}

static void fill(struct snapshot_brief *brief, const struct snapshot *snapshot)
{
	memcpy(brief->numbers, snapshot->numbers, sizeof brief->numbers);
	brief->program = must_copy(snapshot->texts[META_PROGRAM].data);
	brief->host = must_copy(snapshot->texts[META_HOST].data);
	brief->run = must_copy(snapshot->texts[META_RUN].data);
	brief->live_bytes = snapshot->totals[TOTAL_LIVE_BYTES];
	brief->live_blocks = snapshot->totals[TOTAL_LIVE_BLOCKS];
	brief->peak_bytes = snapshot->totals[TOTAL_PEAK_BYTES];
	brief->misuses = snapshot->totals[TOTAL_MISUSES];
}

/* Reads the section that begins behind its header at offset into the snapshot, if it is one of the two. */
static int read_section(struct snapshot *snapshot, const char *path, int descriptor,
			const struct snapshot_section *section, uint64_t offset, struct error *error)
{
	size_t bytes = (size_t)section->data_bytes;
	unsigned char *data = must_allocate(bytes + 1, 1);
	struct cursor cursor = {data, data + bytes, NULL};
	const char *why = NULL;
	bool meta = section->type == SECTION_META;
	if (!read_at(descriptor, data, bytes, offset))
		why = "cannot read its section %s";
	else if (section->checksum != XXH3_64bits_withSeed(data, bytes, section->type))
		why = "section %s is damaged (checksum)";
	else if (meta)
		decode_meta(snapshot, &cursor);
	else
		decode_totals(snapshot, &cursor);
	if (cursor.failed)
		why = "section %s is damaged";
	free(data);
	return why ? refuse(path, why, meta ? "META" : "TOTALS", error) : EXIT_FINE;
}

static int read_sections(struct snapshot *snapshot, const char *path, int descriptor, uint64_t size,
			 struct error *error)
{
	struct snapshot_header header;
	struct snapshot_section section;
	unsigned char start[sizeof header] = {0};
	size_t there = size < sizeof start ? (size_t)size : sizeof start;
	bool meta = false, totals = false;
	if (!read_at(descriptor, start, there, 0))
		return refuse(path, "cannot read its %s", "header", error);
	if (!snapshot_check_header(start, (size_t)size, path, &header, error))
		return error->code;
	for (uint64_t offset = header.header_bytes; size - offset >= sizeof section && !(meta && totals);) {
		if (!read_at(descriptor, &section, sizeof section, offset))
			break;
		offset += sizeof section;
		if (section.data_bytes > size - offset)
			break;
		meta |= section.type == SECTION_META;
		totals |= section.type == SECTION_TOTALS;
		if ((section.type == SECTION_META || section.type == SECTION_TOTALS) &&
		    read_section(snapshot, path, descriptor, &section, offset, error) != EXIT_FINE)
			return error->code;
		uint64_t padded = (section.data_bytes + 7) & ~UINT64_C(7);
		if (section.type == SECTION_END || padded > size - offset)
			break;
		offset += padded;
	}
	return meta && totals ? EXIT_FINE : refuse(path, "section %s is missing", meta ? "TOTALS" : "META", error);
}

static int find_meta(struct snapshot_brief *brief, int descriptor, uint64_t size, struct error *error)
{
	struct snapshot snapshot = {0};
	for (size_t key = 0; key < META_KEYS; key++)
		snapshot.texts[key].data = "";
	int status = read_sections(&snapshot, brief->path, descriptor, size, error);
	if (status == EXIT_FINE)
		fill(brief, &snapshot);
	arena_free(&snapshot.arena);
	return status;
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
	free(brief->run);
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
