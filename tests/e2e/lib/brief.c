/* Reads a snapshot with code that shares only the format's header with the rest: see runner.h. */
#define _GNU_SOURCE
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <xxhash.h>
#pragma GCC diagnostic pop

struct cursor {
	const unsigned char *at;
	const unsigned char *end;
	const char *file;
};

#define MUST(condition, cursor, what)                                                                                  \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			ck_abort_msg("snapshot %s is broken: %s", (cursor)->file, what);                               \
	} while (0)

static uint64_t varint(struct cursor *cursor)
{
	uint64_t value = 0;
	for (unsigned shift = 0; shift < 70; shift += 7) {
		MUST(cursor->at < cursor->end, cursor, "varint beyond its section");
		unsigned char byte = *cursor->at++;
		value |= shift < 64 ? (uint64_t)(byte & 127) << shift : 0;
		if ((byte & 128) == 0)
			return value;
	}
	MUST(false, cursor, "varint too long");
	return 0;
}

/* A copy with a NUL behind it; it may hold others. */
static char *bytes_of(struct cursor *cursor, uint64_t *count)
{
	uint64_t bytes = varint(cursor);
	MUST(bytes <= (uint64_t)(cursor->end - cursor->at), cursor, "text beyond its section");
	char *copy = calloc(1, bytes + 1);
	memcpy(copy, cursor->at, bytes);
	cursor->at += bytes;
	*count = bytes;
	return copy;
}

static char *text(struct cursor *cursor)
{
	uint64_t count;
	return bytes_of(cursor, &count);
}

/* Room for the rows of a section, with one of id 0 in front. Each row takes a byte or more. */
static void *rows_of(struct cursor *cursor, uint64_t count, size_t row_bytes)
{
	MUST(count <= (uint64_t)(cursor->end - cursor->at), cursor, "more rows than bytes");
	return calloc(count + 1, row_bytes);
}

static void tagged(struct cursor *cursor, uint64_t numbers[64], char *texts[64])
{
	while (cursor->at < cursor->end) {
		uint64_t key = varint(cursor);
		if (SNAPSHOT_KEY_IS_TEXT(key)) {
			char *value = text(cursor);
			MUST(texts != NULL, cursor, "text key in a section of numbers");
			if (key < 64)
				texts[key] = value;
			else
				free(value);
		} else {
			uint64_t value = varint(cursor);
			if (key < 64)
				numbers[key] = value;
		}
	}
}

static void modules(struct cursor *cursor, struct brief *brief)
{
	brief->modules = varint(cursor);
	brief->module = rows_of(cursor, brief->modules, sizeof(*brief->module));
	for (uint64_t id = 1; id <= brief->modules; id++) {
		brief->module[id].flags = varint(cursor);
		varint(cursor); /* bias */
		brief->module[id].path = text(cursor);
		free(text(cursor));
		for (int field = 0; field < 4; field++)
			varint(cursor);
		uint64_t loads = varint(cursor);
		MUST(loads < 1000, cursor, "thousands of PT_LOADs");
		for (uint64_t load = 0; load < loads * 5; load++)
			varint(cursor);
	}
}

static void frames(struct cursor *cursor, struct brief *brief)
{
	brief->frames = varint(cursor);
	brief->frame = rows_of(cursor, brief->frames, sizeof(*brief->frame));
	for (uint64_t id = 1; id <= brief->frames; id++) {
		struct brief_frame *frame = &brief->frame[id];
		frame->flags = varint(cursor);
		uint64_t distance = varint(cursor);
		MUST(distance >= 1 && distance <= id, cursor, "frame whose parent is not smaller");
		frame->parent = id - distance;
		frame->module = varint(cursor);
		frame->address = varint(cursor);
		MUST(frame->module <= brief->modules, cursor, "frame of a module that is not there");
	}
}

static void stacks(struct cursor *cursor, struct brief *brief)
{
	brief->stacks = varint(cursor);
	brief->stack = rows_of(cursor, brief->stacks, sizeof(*brief->stack));
	for (uint64_t id = 1; id <= brief->stacks; id++) {
		uint64_t word = varint(cursor);
		brief->stack[id] = (struct brief_stack){word >> 1, word & 1};
		MUST(word >> 1 <= brief->frames, cursor, "stack of a frame that is not there");
	}
}

static void codes(struct cursor *cursor, struct brief *brief)
{
	brief->strings = varint(cursor);
	brief->string = rows_of(cursor, brief->strings, sizeof(*brief->string));
	brief->string[0] = strdup("");
	for (uint64_t id = 1; id <= brief->strings; id++)
		brief->string[id] = text(cursor);
	brief->codes = varint(cursor);
	brief->code = rows_of(cursor, brief->codes, sizeof(*brief->code));
	for (uint64_t id = 1; id <= brief->codes; id++) {
		struct brief_code *code = &brief->code[id];
		code->format = varint(cursor);
		uint64_t file = varint(cursor), name = varint(cursor);
		MUST(file <= brief->strings && name <= brief->strings, cursor, "code of a string that is not there");
		code->file = brief->string[file];
		code->name = brief->string[name];
		code->first_line = varint(cursor);
		code->lines = bytes_of(cursor, &code->lines_bytes);
	}
}

/* Sections come in any order, so this waits for the end. */
static void check_python_frames(struct cursor *whole, const struct brief *brief)
{
	for (uint64_t id = 1; id <= brief->frames; id++) {
		const struct brief_frame *frame = &brief->frame[id];
		uint64_t code = frame->address >> CODE_OFFSET_BITS;
		if ((frame->flags & FRAME_KIND_MASK) == FRAME_PYTHON)
			MUST(frame->module == 0 && code >= 1 && code <= brief->codes, whole,
			     "Python frame of a code that is not there");
	}
}

static void sites(struct cursor *cursor, struct brief *brief)
{
	brief->sites = varint(cursor);
	brief->site = rows_of(cursor, brief->sites, sizeof(*brief->site));
	for (uint64_t id = 1; id <= brief->sites; id++) {
		struct brief_site *site = &brief->site[id];
		site->stack = varint(cursor);
		site->thread = varint(cursor);
		site->alloc_blocks = varint(cursor);
		site->alloc_bytes = varint(cursor);
		MUST(site->stack <= brief->stacks, cursor, "site of a stack that is not there");
		MUST(site->thread <= brief->threads, cursor, "site of a thread that is not there");
		brief->site_alloc_blocks += site->alloc_blocks;
		brief->site_alloc_bytes += site->alloc_bytes;
		for (int field = 0; field < 3; field++)
			varint(cursor);
	}
}

static void cohorts(struct cursor *cursor, struct brief *brief)
{
	brief->cohorts = varint(cursor);
	for (uint64_t i = 0; i < brief->cohorts; i++) {
		uint64_t site = varint(cursor);
		MUST(site >= 1 && site <= brief->sites, cursor, "cohort of a site that is not there");
		uint64_t epoch = varint(cursor);
		if (epoch > brief->latest_epoch)
			brief->latest_epoch = epoch;
		uint64_t blocks = varint(cursor), bytes = varint(cursor);
		brief->site[site].live_blocks += blocks;
		brief->site[site].live_bytes += bytes;
		brief->cohort_live_blocks += blocks;
		brief->cohort_live_bytes += bytes;
	}
}

static void section(uint32_t type, struct cursor *cursor, struct brief *brief)
{
	switch (type) {
	case SECTION_META:
		tagged(cursor, brief->meta, brief->meta_text);
		break;
	case SECTION_TOTALS:
		tagged(cursor, brief->totals, NULL);
		break;
	case SECTION_LOSSES:
		tagged(cursor, brief->losses, NULL);
		break;
	case SECTION_MODULES:
		modules(cursor, brief);
		break;
	case SECTION_FRAMES:
		frames(cursor, brief);
		break;
	case SECTION_STACKS:
		stacks(cursor, brief);
		break;
	case SECTION_THREADS:
		brief->threads = varint(cursor);
		for (uint64_t i = 0; i < brief->threads; i++) {
			for (int field = 0; field < 3; field++)
				varint(cursor);
			free(text(cursor));
			free(text(cursor));
			for (int field = 0; field < 4; field++)
				varint(cursor);
		}
		break;
	case SECTION_SITES:
		sites(cursor, brief);
		break;
	case SECTION_COHORTS:
		cohorts(cursor, brief);
		break;
	case SECTION_TIMELINE:
		brief->timeline_points = varint(cursor);
		for (uint64_t i = 0; i < brief->timeline_points * 4; i++)
			varint(cursor);
		break;
	case SECTION_NOTES:
		brief->notes = varint(cursor);
		for (uint64_t i = 0; i < brief->notes; i++)
			free(text(cursor));
		break;
	case SECTION_CODES:
		codes(cursor, brief);
		break;
	case SECTION_PYTHON:
		brief->has_python = true;
		tagged(cursor, brief->python, brief->python_text);
		break;
	default:
		return; /* a reader skips what it does not know */
	}
	MUST(cursor->at == cursor->end, cursor, "section longer than its content");
}

static void read_brief(const char *directory, const char *name, const char *what, struct brief *brief)
{
	char path[PATH_MAX + NAME_MAX + 2];
	char label[PATH_MAX + NAME_MAX + 256];
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	snprintf(label, sizeof(label), "%s (of %s)", path, what);
	memset(brief, 0, sizeof(*brief));
	snprintf(brief->name, sizeof(brief->name), "%s", name);
	FILE *file = fopen(path, "rb");
	if (file == NULL)
		ck_abort_msg("snapshot %s cannot be opened", label);
	fseek(file, 0, SEEK_END);
	size_t bytes = (size_t)ftell(file);
	rewind(file);
	unsigned char *data = malloc(bytes + 8);
	size_t got = fread(data, 1, bytes, file);
	fclose(file);
	struct cursor whole = {data, data + bytes, label};
	struct snapshot_header header;
	MUST(got == bytes && bytes >= sizeof(header), &whole, "shorter than its header");
	memcpy(&header, data, sizeof(header));
	MUST(memcmp(header.magic, SNAPSHOT_MAGIC, SNAPSHOT_MAGIC_BYTES) == 0, &whole, "magic");
	MUST(header.major == SNAPSHOT_MAJOR, &whole, "major version");
	MUST(header.file_bytes == bytes, &whole, "length is not the one of the header");
	MUST(header.checksum == XXH3_64bits(data, offsetof(struct snapshot_header, checksum)), &whole,
	     "header checksum");
	MUST(header.header_bytes >= sizeof(header) && header.header_bytes <= bytes, &whole, "header length");
	brief->file_bytes = bytes;
	const unsigned char *at = data + header.header_bytes;
	bool ended = false;
	for (uint32_t i = 0; i < header.section_count; i++) {
		struct snapshot_section head;
		MUST((size_t)(whole.end - at) >= sizeof(head), &whole, "section header beyond the end");
		memcpy(&head, at, sizeof(head));
		at += sizeof(head);
		uint64_t padded = (head.data_bytes + 7) & ~(uint64_t)7;
		MUST(padded <= (uint64_t)(whole.end - at), &whole, "section beyond the end");
		MUST(head.checksum == XXH3_64bits_withSeed(at, head.data_bytes, head.type), &whole, "section checksum");
		struct cursor cursor = {at, at + head.data_bytes, label};
		section(head.type, &cursor, brief);
		ended = head.type == SECTION_END;
		at += padded;
	}
	MUST(ended && at == whole.end, &whole, "does not end with END");
	check_python_frames(&whole, brief);
	MUST(brief->latest_epoch <= brief->meta[META_EPOCH], &whole,
	     "cohort of an epoch to come"); /* sections come in any order */
	if (brief->meta[META_SAMPLE_BYTES] == 0 && brief->meta[META_RECORDING] != 0) {
		MUST(brief->cohort_live_blocks == brief->totals[TOTAL_LIVE_BLOCKS], &whole,
		     "cohorts' blocks are not the total");
		MUST(brief->cohort_live_bytes == brief->totals[TOTAL_LIVE_BYTES], &whole,
		     "cohorts' bytes are not the total");
		MUST(brief->site_alloc_blocks == brief->totals[TOTAL_ALLOC_BLOCKS], &whole,
		     "sites' blocks are not the total");
		MUST(brief->site_alloc_bytes == brief->totals[TOTAL_ALLOC_BYTES], &whole,
		     "sites' bytes are not the total");
	}
	free(data);
}

static int is_snapshot(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);
	return length > 4 && strcmp(entry->d_name + length - 4, ".mud") == 0;
}

void runner_briefs(const char *directory, const char *what, struct briefs *briefs)
{
	struct dirent **entries = NULL;
	int count = scandir(directory, &entries, is_snapshot, versionsort);
	briefs->count = count > 0 ? (size_t)count : 0;
	briefs->at = calloc(briefs->count + 1, sizeof(*briefs->at));
	for (size_t i = 0; i < briefs->count; i++) {
		read_brief(directory, entries[i]->d_name, what, &briefs->at[i]);
		free(entries[i]);
	}
	free(entries);
}

static void brief_free(struct brief *brief)
{
	for (size_t key = 0; key < 64; key++) {
		free(brief->meta_text[key]);
		free(brief->python_text[key]);
	}
	for (uint64_t id = 1; id <= brief->modules; id++)
		free(brief->module[id].path);
	for (uint64_t id = 1; id <= brief->codes; id++)
		free(brief->code[id].lines);
	for (uint64_t id = 0; brief->string && id <= brief->strings; id++)
		free(brief->string[id]);
	free(brief->module);
	free(brief->frame);
	free(brief->stack);
	free(brief->site);
	free(brief->code);
	free(brief->string);
}

void runner_briefs_free(struct briefs *briefs)
{
	for (size_t i = 0; i < briefs->count; i++)
		brief_free(&briefs->at[i]);
	free(briefs->at);
	briefs->at = NULL;
	briefs->count = 0;
}

size_t runner_count_trigger(const struct briefs *briefs, enum snapshot_trigger trigger)
{
	size_t count = 0;
	for (size_t i = 0; i < briefs->count; i++)
		count += briefs->at[i].meta[META_TRIGGER] == (uint64_t)trigger;
	return count;
}

const struct brief *runner_brief_of(const struct briefs *briefs, pid_t pid)
{
	for (size_t i = 0; i < briefs->count; i++)
		if (briefs->at[i].meta[META_PID] == (uint64_t)pid)
			return &briefs->at[i];
	return NULL;
}
