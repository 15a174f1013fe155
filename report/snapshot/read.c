/*
 * The decoder of snapshot files. Everything that it reads may be damaged or hostile.
 *
 * Three checks in this order, so that the later ones can be simple:
 *   1. header and section chain: sizes, padding and checksums; nothing is interpreted yet;
 *   2. each section by itself through a cursor that cannot leave it; every count is compared with the bytes that are
 *      left (an element takes at least one byte) before anything is allocated for it;
 *   3. ids across sections, once all of them are read, so that their order in the file does not matter.
 *
 * A section of an unknown type is skipped only if the file's minor version is newer than ours. In a file of our own
 * version it can only be damage, and skipping it could silently drop, say, LOSSES.
 */
#define XXH_INLINE_ALL
#include "report/snapshot/read.h"

#include "report/snapshot/cursor.h"
#include "report/snapshot/losses.h"
#include "report/snapshot/sampled.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { KNOWN_SECTIONS = SECTION_DAMAGE + 1 };

static const char *const section_names[KNOWN_SECTIONS] = {
	[SECTION_END] = "END",
	[SECTION_META] = "META",
	[SECTION_TOTALS] = "TOTALS",
	[SECTION_LOSSES] = "LOSSES",
	[SECTION_MODULES] = "MODULES",
	[SECTION_FRAMES] = "FRAMES",
	[SECTION_STACKS] = "STACKS",
	[SECTION_THREADS] = "THREADS",
	[SECTION_SITES] = "SITES",
	[SECTION_COHORTS] = "COHORTS",
	[SECTION_TIMELINE] = "TIMELINE",
	[SECTION_NOTES] = "NOTES",
	[SECTION_SYMBOLS] = "SYMBOLS",
	[SECTION_SAMPLES] = "SAMPLES",
	[SECTION_CODES] = "CODES",
	[SECTION_PYTHON] = "PYTHON",
	[SECTION_TYPES] = "TYPES",
	[SECTION_TYPE_SITES] = "TYPE_SITES",
	[SECTION_GC] = "GC",
	[SECTION_REFS] = "REFS",
	[SECTION_LEAKS] = "LEAKS",
	[SECTION_PATHS] = "PATHS",
	[SECTION_RETAINED] = "RETAINED",
	[SECTION_INDIRECT] = "INDIRECT",
	[SECTION_SUPPRESSIONS] = "SUPPRESSIONS",
	[SECTION_PLACES] = "PLACES",
	[SECTION_OBJECTS] = "OBJECTS",
	[SECTION_SEARCHED] = "SEARCHED",
	[SECTION_GENERATED] = "GENERATED",
	[SECTION_SHARES] = "SHARES",
	[SECTION_DAMAGE] = "DAMAGE",
};

static const uint32_t required_sections[] = {SECTION_META,   SECTION_TOTALS,  SECTION_MODULES, SECTION_FRAMES,
					     SECTION_STACKS, SECTION_THREADS, SECTION_SITES,   SECTION_COHORTS};

struct section {
	const unsigned char *data; /* NULL: not in the file */
	uint64_t bytes;
};

struct decoder {
	struct snapshot *snapshot;
	struct error *error;
	const char *name;
	struct section sections[KNOWN_SECTIONS];
};

const char *snapshot_section_name(uint32_t type)
{
	return type < KNOWN_SECTIONS ? section_names[type] : NULL;
}

const char *snapshot_trigger_name(uint64_t trigger)
{
	static const char *const names[] = {
		[TRIGGER_EXIT] = "exit",   [TRIGGER_SIGNAL] = "signal",          [TRIGGER_INTERVAL] = "interval",
		[TRIGGER_PEAK] = "peak",   [TRIGGER_REQUEST] = "request",        [TRIGGER_API] = "api",
		[TRIGGER_FATAL] = "fatal", [TRIGGER_SANDBOX] = "before seccomp", [TRIGGER_MARK] = "mark",
	};
	return trigger < sizeof names / sizeof *names && names[trigger] ? names[trigger] : "unknown";
}

/* --- the cursor ------------------------------------------------------------------------------------------------ */

uint64_t cursor_fail(struct cursor *cursor, const char *why)
{
	if (!cursor->failed)
		cursor->failed = why;
	cursor->next = cursor->end;
	return 0;
}

uint64_t read_varint(struct cursor *cursor)
{
	uint64_t value = 0;
	for (unsigned shift = 0; shift < 64; shift += 7) {
		if (cursor->next == cursor->end)
			return cursor_fail(cursor, "it ends inside a number");
		unsigned char byte = *cursor->next++;
		if (shift == 63 && byte > 1)
			return cursor_fail(cursor, "a number exceeds 64 bits");
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
	return cursor_fail(cursor, "a number exceeds 64 bits");
}

uint32_t read_limited(struct cursor *cursor, uint64_t limit, const char *why)
{
	uint64_t value = read_varint(cursor);
	if (value > limit)
		return (uint32_t)cursor_fail(cursor, why);
	return (uint32_t)value;
}

/* A count of elements that take at least least_bytes each. */
uint32_t read_count(struct cursor *cursor, size_t least_bytes)
{
	uint64_t count = read_varint(cursor);
	if (count > cursor_left(cursor) / least_bytes || count >= UINT32_MAX)
		return (uint32_t)cursor_fail(cursor, "a count is larger than the section");
	return (uint32_t)count;
}

struct text read_text(struct cursor *cursor, struct arena *arena)
{
	uint64_t length = read_varint(cursor);
	if (length > cursor_left(cursor)) {
		cursor_fail(cursor, "a text is longer than the section");
		length = 0;
	}
	struct text text = {arena_text(arena, cursor->next, (size_t)length), (size_t)length};
	cursor->next += length;
	return text;
}

/* --- sections -------------------------------------------------------------------------------------------------- */

void decode_meta(struct snapshot *snapshot, struct cursor *cursor)
{
	while (cursor_left(cursor)) {
		uint64_t key = read_varint(cursor);
		if (SNAPSHOT_KEY_IS_TEXT(key)) {
			struct text text = read_text(cursor, &snapshot->arena);
			if (key < META_KEYS)
				snapshot->texts[key] = text;
		} else {
			uint64_t value = read_varint(cursor);
			if (key < META_KEYS)
				snapshot->numbers[key] = value;
		}
	}
}

void decode_totals(struct snapshot *snapshot, struct cursor *cursor)
{
	while (cursor_left(cursor)) {
		uint64_t key = read_varint(cursor);
		if (SNAPSHOT_KEY_IS_TEXT(key)) {
			read_text(cursor, &snapshot->arena);
			continue;
		}
		uint64_t value = read_varint(cursor);
		if (key < TOTAL_KEYS)
			snapshot->totals[key] = value;
	}
}

static void decode_losses(struct snapshot *snapshot, struct cursor *cursor)
{
	while (cursor_left(cursor)) {
		uint64_t key = read_varint(cursor);
		if (SNAPSHOT_KEY_IS_TEXT(key)) {
			read_text(cursor, &snapshot->arena);
			continue;
		}
		uint64_t value = read_varint(cursor);
		if (losses_known(key))
			snapshot->losses[key] = value;
		else
			snapshot->unknown_losses += value;
	}
}

static void decode_modules(struct snapshot *snapshot, struct cursor *cursor)
{
	uint32_t count = read_count(cursor, 9);
	snapshot->modules = arena_allocate(&snapshot->arena, (size_t)count + 1, sizeof *snapshot->modules);
	snapshot->modules[0].path = snapshot->modules[0].name = "";
	snapshot->module_count = count;
	for (uint32_t id = 1; id <= count && !cursor->failed; id++) {
		struct snapshot_module *module = &snapshot->modules[id];
		module->flags = read_varint(cursor);
		module->bias = read_varint(cursor);
		module->path = read_text(cursor, &snapshot->arena).data;
		const char *slash = strrchr(module->path, '/');
		module->name = slash && slash[1] ? slash + 1 : module->path;
		struct text build_id = read_text(cursor, &snapshot->arena);
		module->build_id = (const uint8_t *)build_id.data;
		module->build_id_bytes = build_id.length;
		module->device = read_varint(cursor);
		module->inode = read_varint(cursor);
		module->size = read_varint(cursor);
		module->mtime_ns = read_varint(cursor);
		uint32_t segment_count = read_count(cursor, 5);
		struct module_segment *segments =
			arena_allocate(&snapshot->arena, segment_count, sizeof *module->segments);
		for (uint32_t i = 0; i < segment_count; i++) {
			segments[i].vaddr = read_varint(cursor);
			segments[i].offset = read_varint(cursor);
			segments[i].filesz = read_varint(cursor);
			segments[i].memsz = read_varint(cursor);
			segments[i].flags = read_varint(cursor);
		}
		module->segments = segments;
		module->segment_count = segment_count;
	}
}

static void decode_frames(struct snapshot *snapshot, struct cursor *cursor)
{
	uint32_t count = read_count(cursor, 4);
	snapshot->frames = arena_allocate(&snapshot->arena, (size_t)count + 1, sizeof *snapshot->frames);
	snapshot->frame_count = count;
	for (uint32_t id = 1; id <= count && !cursor->failed; id++) {
		struct snapshot_frame *frame = &snapshot->frames[id];
		frame->flags = (uint8_t)read_limited(cursor, UINT8_MAX, "frame flags are out of range");
		uint32_t distance = read_limited(cursor, id, "a frame's parent is out of range");
		if (!distance)
			cursor_fail(cursor, "a frame is its own parent");
		frame->parent = id - distance;
		frame->module = read_limited(cursor, UINT32_MAX, "a module id is out of range");
		frame->address = read_varint(cursor);
	}
}

static void decode_stacks(struct snapshot *snapshot, struct cursor *cursor)
{
	uint32_t count = read_count(cursor, 1);
	snapshot->stacks = arena_allocate(&snapshot->arena, (size_t)count + 1, sizeof *snapshot->stacks);
	snapshot->stack_count = count;
	for (uint32_t id = 1; id <= count && !cursor->failed; id++) {
		uint64_t value = read_varint(cursor);
		if (value >> 1 > UINT32_MAX)
			cursor_fail(cursor, "a frame id is out of range");
		snapshot->stacks[id] = (struct snapshot_stack){(uint32_t)(value >> 1), value & 1};
	}
}

static void decode_threads(struct snapshot *snapshot, struct cursor *cursor)
{
	uint32_t count = read_count(cursor, 9);
	snapshot->threads = arena_allocate(&snapshot->arena, (size_t)count + 1, sizeof *snapshot->threads);
	snapshot->threads[0].name = snapshot->threads[0].label = "";
	snapshot->thread_count = count;
	for (uint32_t id = 1; id <= count && !cursor->failed; id++) {
		struct snapshot_thread *thread = &snapshot->threads[id];
		thread->flags = read_varint(cursor);
		thread->tid = read_varint(cursor);
		thread->threads = read_varint(cursor);
		thread->name = read_text(cursor, &snapshot->arena).data;
		thread->label = read_text(cursor, &snapshot->arena).data;
		thread->alloc_blocks = read_varint(cursor);
		thread->alloc_bytes = read_varint(cursor);
		thread->freed_blocks = read_varint(cursor);
		thread->freed_bytes = read_varint(cursor);
	}
}

static void decode_sites(struct snapshot *snapshot, struct cursor *cursor)
{
	uint32_t count = read_count(cursor, 7);
	snapshot->sites = arena_allocate(&snapshot->arena, (size_t)count + 1, sizeof *snapshot->sites);
	snapshot->site_count = count;
	for (uint32_t id = 1; id <= count && !cursor->failed; id++) {
		struct snapshot_site *site = &snapshot->sites[id];
		site->stack = read_limited(cursor, UINT32_MAX, "a stack id is out of range");
		site->thread = read_limited(cursor, UINT32_MAX, "a thread id is out of range");
		site->alloc_blocks = read_varint(cursor);
		site->alloc_bytes = read_varint(cursor);
		site->temporary_blocks = read_varint(cursor);
		site->peak_blocks = read_varint(cursor);
		site->peak_bytes = read_varint(cursor);
	}
}

static void decode_cohorts(struct snapshot *snapshot, struct cursor *cursor)
{
	uint32_t count = read_count(cursor, 4);
	snapshot->cohorts = arena_allocate(&snapshot->arena, count, sizeof *snapshot->cohorts);
	snapshot->cohort_count = count;
	for (uint32_t i = 0; i < count && !cursor->failed; i++) {
		struct snapshot_cohort *cohort = &snapshot->cohorts[i];
		cohort->site = read_limited(cursor, UINT32_MAX, "a site id is out of range");
		cohort->epoch = read_varint(cursor);
		cohort->live_blocks = read_varint(cursor);
		cohort->live_bytes = read_varint(cursor);
	}
}

static void decode_samples(struct snapshot *snapshot, struct cursor *cursor)
{
	uint32_t count = read_count(cursor, 1);
	snapshot->sample_bytes = arena_allocate(&snapshot->arena, (size_t)count + 1, sizeof *snapshot->sample_bytes);
	snapshot->sample_count = count;
	for (uint32_t id = 1; id <= count; id++)
		snapshot->sample_bytes[id] = read_varint(cursor);
}

static void decode_timeline(struct snapshot *snapshot, struct cursor *cursor)
{
	uint32_t count = read_count(cursor, 4);
	snapshot->timeline = arena_allocate(&snapshot->arena, count, sizeof *snapshot->timeline);
	snapshot->timeline_count = count;
	uint64_t elapsed_ns = 0;
	for (uint32_t i = 0; i < count && !cursor->failed; i++) {
		struct snapshot_point *point = &snapshot->timeline[i];
		elapsed_ns += read_varint(cursor);
		point->elapsed_ns = elapsed_ns;
		point->live_bytes = read_varint(cursor);
		point->live_blocks = read_varint(cursor);
		point->rss_bytes = read_varint(cursor);
	}
}

static void decode_notes(struct snapshot *snapshot, struct cursor *cursor)
{
	uint32_t count = read_count(cursor, 1);
	snapshot->notes = arena_allocate(&snapshot->arena, count, sizeof *snapshot->notes);
	snapshot->note_count = count;
	for (uint32_t i = 0; i < count; i++)
		snapshot->notes[i] = read_text(cursor, &snapshot->arena).data;
}

/* A string by its number + 1; NULL for 0. */
static const char *read_string(struct cursor *cursor, const char *const *strings, uint32_t count)
{
	uint32_t number = read_limited(cursor, count, "a string number is out of range");
	return number ? strings[number - 1] : NULL;
}

static void decode_stored_names(struct snapshot *snapshot, struct cursor *cursor, const char *const *strings,
				uint32_t string_count, uint32_t *capacity)
{
	uint32_t count = read_count(cursor, 5);
	for (uint32_t i = 0; i < count && !cursor->failed; i++) {
		must_grow(snapshot->stored_names, snapshot->stored_name_count, *capacity);
		struct stored_name *name = &snapshot->stored_names[snapshot->stored_name_count++];
		name->function = read_string(cursor, strings, string_count);
		name->linkage_name = read_string(cursor, strings, string_count);
		name->file = read_string(cursor, strings, string_count);
		name->line = read_limited(cursor, UINT32_MAX, "a line number is out of range");
		name->inlined = read_limited(cursor, 1, "an inline mark is neither 0 nor 1");
	}
}

static void decode_symbols(struct snapshot *snapshot, struct cursor *cursor)
{
	uint32_t string_count = read_count(cursor, 1);
	const char **strings = must_allocate(string_count, sizeof *strings);
	for (uint32_t i = 0; i < string_count; i++)
		strings[i] = read_text(cursor, &snapshot->arena).data;

	uint32_t module_count = read_count(cursor, 3);
	uint32_t address_capacity = 0, name_capacity = 0;
	snapshot->stored_modules = arena_allocate(&snapshot->arena, module_count, sizeof *snapshot->stored_modules);
	for (uint32_t i = 0; i < module_count && !cursor->failed; i++) {
		struct stored_module *module = &snapshot->stored_modules[snapshot->stored_module_count++];
		module->module = read_limited(cursor, UINT32_MAX, "a module id is out of range");
		module->note = read_string(cursor, strings, string_count);
		module->first_address = snapshot->stored_address_count;
		uint32_t address_count = read_count(cursor, 3);
		for (uint32_t j = 0; j < address_count && !cursor->failed; j++) {
			must_grow(snapshot->stored_addresses, snapshot->stored_address_count, address_capacity);
			struct stored_address *address = &snapshot->stored_addresses[snapshot->stored_address_count++];
			address->address = read_varint(cursor);
			address->flags = (uint8_t)read_limited(cursor, UINT8_MAX, "frame flags are out of range");
			address->first_name = snapshot->stored_name_count;
			decode_stored_names(snapshot, cursor, strings, string_count, &name_capacity);
			address->name_count = snapshot->stored_name_count - address->first_name;
		}
		module->address_count = snapshot->stored_address_count - module->first_address;
	}
	snapshot->has_symbols = true;
	free(strings);
}

static void decode_codes(struct snapshot *snapshot, struct cursor *cursor)
{
	uint32_t string_count = read_count(cursor, 1);
	const char **strings = must_allocate(string_count, sizeof *strings);
	for (uint32_t i = 0; i < string_count; i++)
		strings[i] = read_text(cursor, &snapshot->arena).data;

	uint32_t count = read_count(cursor, 5);
	snapshot->codes = arena_allocate(&snapshot->arena, (size_t)count + 1, sizeof *snapshot->codes);
	snapshot->code_count = count;
	for (uint32_t id = 1; id <= count && !cursor->failed; id++) {
		struct snapshot_code *code = &snapshot->codes[id];
		code->format = (uint8_t)read_limited(cursor, UINT8_MAX, "a format of lines is out of range");
		code->file = read_string(cursor, strings, string_count);
		code->name = read_string(cursor, strings, string_count);
		code->first_line = read_limited(cursor, UINT32_MAX, "a line number is out of range");
		code->lines = read_text(cursor, &snapshot->arena);
	}
	free(strings);
}

static void decode_python(struct snapshot *snapshot, struct cursor *cursor)
{
	snapshot->has_python = true;
	while (cursor_left(cursor)) {
		uint64_t key = read_varint(cursor);
		if (SNAPSHOT_KEY_IS_TEXT(key)) {
			struct text text = read_text(cursor, &snapshot->arena);
			if (key < PYTHON_KEYS)
				snapshot->python_texts[key] = text;
		} else {
			uint64_t value = read_varint(cursor);
			if (key < PYTHON_KEYS)
				snapshot->python_numbers[key] = value;
		}
	}
}

static void (*const section_decoders[KNOWN_SECTIONS])(struct snapshot *, struct cursor *) = {
	[SECTION_META] = decode_meta,
	[SECTION_TOTALS] = decode_totals,
	[SECTION_LOSSES] = decode_losses,
	[SECTION_MODULES] = decode_modules,
	[SECTION_FRAMES] = decode_frames,
	[SECTION_STACKS] = decode_stacks,
	[SECTION_THREADS] = decode_threads,
	[SECTION_SITES] = decode_sites,
	[SECTION_COHORTS] = decode_cohorts,
	[SECTION_TIMELINE] = decode_timeline,
	[SECTION_NOTES] = decode_notes,
	[SECTION_SYMBOLS] = decode_symbols,
	[SECTION_SAMPLES] = decode_samples,
	[SECTION_CODES] = decode_codes,
	[SECTION_PYTHON] = decode_python,
	[SECTION_TYPES] = decode_types,
	[SECTION_GC] = decode_gc,
	[SECTION_TYPE_SITES] = decode_type_sites,
	[SECTION_REFS] = decode_refs,
	[SECTION_SHARES] = decode_shares,
	[SECTION_LEAKS] = decode_leaks,
	[SECTION_PATHS] = decode_paths,
	[SECTION_RETAINED] = decode_retained,
	[SECTION_INDIRECT] = decode_indirect,
	[SECTION_SUPPRESSIONS] = decode_suppressions,
	[SECTION_PLACES] = decode_places,
	[SECTION_OBJECTS] = decode_objects,
	[SECTION_SEARCHED] = decode_searched,
	[SECTION_GENERATED] = decode_generated,
	[SECTION_DAMAGE] = decode_damage,
};

/* --- wall 3: ids across sections ------------------------------------------------------------------------------- */

/* Returns the type of the section with a dangling id and says what it is, or SECTION_END when all is well. */
static uint32_t link_sections(struct snapshot *snapshot, const char **why)
{
	for (uint32_t id = 1; id <= snapshot->frame_count; id++) {
		const struct snapshot_frame *frame = &snapshot->frames[id];
		if (frame->module > snapshot->module_count)
			return *why = "a frame names a module that does not exist", SECTION_FRAMES;
		if (!is_python_frame(frame))
			continue;
		if (frame->module)
			return *why = "a Python frame has a module", SECTION_FRAMES;
		uint64_t code = frame->address >> CODE_OFFSET_BITS;
		if (!code || code > snapshot->code_count)
			return *why = "a Python frame names a code that does not exist", SECTION_FRAMES;
	}
	for (uint32_t id = 1; id <= snapshot->stack_count; id++)
		if (snapshot->stacks[id].frame > snapshot->frame_count)
			return *why = "a stack names a frame that does not exist", SECTION_STACKS;
	for (uint32_t id = 1; id <= snapshot->site_count; id++) {
		if (snapshot->sites[id].stack > snapshot->stack_count)
			return *why = "a site names a stack that does not exist", SECTION_SITES;
		if (snapshot->sites[id].thread > snapshot->thread_count)
			return *why = "a site names a thread that does not exist", SECTION_SITES;
	}
	for (uint32_t i = 0; i < snapshot->cohort_count; i++) {
		const struct snapshot_cohort *cohort = &snapshot->cohorts[i];
		if (!cohort->site || cohort->site > snapshot->site_count)
			return *why = "a cohort names a site that does not exist", SECTION_COHORTS;
		snapshot->sites[cohort->site].live_blocks += cohort->live_blocks;
		snapshot->sites[cohort->site].live_bytes += cohort->live_bytes;
	}
	for (uint32_t i = 0; i < snapshot->stored_module_count; i++)
		if (snapshot->stored_modules[i].module > snapshot->module_count)
			return *why = "it names a module that does not exist", SECTION_SYMBOLS;
	link_generated(snapshot);
	uint32_t census = link_census(snapshot, why);
	if (census != SECTION_END)
		return census;
	uint32_t leaks = link_leaks(snapshot, why);
	if (leaks != SECTION_END)
		return leaks;
	uint32_t retained = link_retained(snapshot, why);
	if (retained != SECTION_END)
		return retained;
	uint32_t damage = link_damage(snapshot, why);
	if (damage != SECTION_END)
		return damage;
	if (snapshot->numbers[META_SAMPLE_BYTES] && snapshot->sample_count != snapshot->site_count)
		return *why = "its element count differs from the number of sites", SECTION_SAMPLES;
	return SECTION_END;
}

/* --- wall 1: header and section chain -------------------------------------------------------------------------- */

static const char again_hint[] = "copy the file again (in binary mode) or take a new snapshot";

static bool refuse(struct decoder *decoder, const char *hint, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static bool refuse(struct decoder *decoder, const char *hint, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	char *why = must_format_list(format, arguments);
	va_end(arguments);
	error_set(decoder->error, EXIT_INPUT, hint, "%s: %s", decoder->name, why);
	free(why);
	return false;
}

static bool check_header(struct decoder *decoder, const unsigned char *bytes, size_t size, unsigned flags,
			 struct snapshot_header *header)
{
	size_t seen = size < SNAPSHOT_MAGIC_BYTES ? size : SNAPSHOT_MAGIC_BYTES;
	if (!size)
		return refuse(decoder, again_hint, "the file is empty");
	if (memcmp(bytes, SNAPSHOT_MAGIC, seen) != 0) {
		if (size >= 5 && !memcmp(bytes + 1, "MUDL", 4))
			return refuse(decoder, "copy the file again in binary mode",
				      "it was damaged by a copy in text mode");
		return refuse(decoder, "snapshots are the *.mud files that a profiled program writes",
			      "it is not a Mudlark snapshot");
	}
	if (size < sizeof *header)
		return refuse(decoder, again_hint, "it is truncated: %zu bytes do not hold the header", size);
	memcpy(header, bytes, sizeof *header);
	/* The version first: the header of a later major version may be laid out differently. */
	if (header->major > SNAPSHOT_MAJOR)
		return refuse(decoder, "read it with the mudlark command of the version that wrote it, or a newer one",
			      "its format is version %u.%u and this mudlark (" MUDLARK_VERSION ") reads up to %u.x",
			      header->major, header->minor, SNAPSHOT_MAJOR);
	if (!(flags & SNAPSHOT_SKIP_CHECKSUMS) &&
	    header->checksum != XXH3_64bits(bytes, offsetof(struct snapshot_header, checksum)))
		return refuse(decoder, again_hint, "its header is damaged (checksum)");
	if (header->major < 1)
		return refuse(decoder, again_hint, "its header is damaged (version %u.%u)", header->major,
			      header->minor);
	if (size < header->file_bytes)
		return refuse(decoder, again_hint, "it is truncated: %zu of %llu bytes are there", size,
			      (unsigned long long)header->file_bytes);
	if (size > header->file_bytes)
		return refuse(decoder, again_hint, "it is damaged: %llu bytes follow its end",
			      (unsigned long long)(size - header->file_bytes));
	if (header->header_bytes < sizeof *header || header->header_bytes % 8 || header->header_bytes > size)
		return refuse(decoder, again_hint, "its header is damaged (first section at %u)", header->header_bytes);
	return true;
}

bool snapshot_check_header(const unsigned char *start, size_t size, const char *name, struct snapshot_header *header,
			   struct error *error)
{
	struct decoder decoder = {.error = error, .name = name};
	return check_header(&decoder, start, size, 0, header);
}

/* Finds and checks every section up to END. */
static bool find_sections(struct decoder *decoder, const unsigned char *bytes, size_t size, unsigned flags,
			  const struct snapshot_header *header)
{
	size_t offset = header->header_bytes;
	for (uint32_t number = 1;; number++) {
		struct snapshot_section section;
		if (size - offset < sizeof section)
			return refuse(decoder, again_hint, "it is truncated: there is no END section");
		memcpy(&section, bytes + offset, sizeof section);
		offset += sizeof section;
		const char *name = snapshot_section_name(section.type);
		char unknown_name[32];
		if (!name) {
			snprintf(unknown_name, sizeof unknown_name, "of type %u", section.type);
			name = unknown_name;
		}
		if (section.data_bytes > size - offset)
			return refuse(decoder, again_hint, "section %s is damaged: it exceeds the file", name);
		size_t padded = ((size_t)section.data_bytes + 7) & ~(size_t)7;
		if (padded > size - offset)
			return refuse(decoder, again_hint, "section %s is damaged: it exceeds the file", name);
		const unsigned char *data = bytes + offset;
		if (!(flags & SNAPSHOT_SKIP_CHECKSUMS) &&
		    section.checksum != XXH3_64bits_withSeed(data, section.data_bytes, section.type))
			return refuse(decoder, again_hint, "section %s is damaged (checksum)", name);
		for (size_t i = (size_t)section.data_bytes; i < padded; i++)
			if (data[i])
				return refuse(decoder, again_hint, "section %s is damaged (padding)", name);
		offset += padded;
		if (section.reserved && header->minor <= SNAPSHOT_MINOR)
			return refuse(decoder, again_hint, "section %s is damaged (reserved field)", name);
		if (section.type == SECTION_END) {
			if (section.data_bytes || offset != size)
				return refuse(decoder, again_hint, "section END is damaged: something follows it");
			/* Writers may or may not count END itself. */
			if (header->section_count != number && header->section_count != number - 1)
				return refuse(decoder, again_hint, "it is damaged: %u sections of %u are there", number,
					      header->section_count);
			return true;
		}
		if (section.type >= KNOWN_SECTIONS || !section_names[section.type]) {
			if (header->minor <= SNAPSHOT_MINOR)
				return refuse(decoder, again_hint, "a section %s is damaged: there is no such type",
					      name);
			continue;
		}
		if (decoder->sections[section.type].data)
			return refuse(decoder, again_hint, "section %s is damaged: it appears twice", name);
		decoder->sections[section.type] = (struct section){data, section.data_bytes};
	}
}

static bool decode_all(struct decoder *decoder, uint16_t minor)
{
	for (size_t i = 0; i < sizeof required_sections / sizeof *required_sections; i++)
		if (!decoder->sections[required_sections[i]].data)
			return refuse(decoder, again_hint, "section %s is missing",
				      section_names[required_sections[i]]);
	for (uint32_t type = 1; type < KNOWN_SECTIONS; type++) {
		const struct section *section = &decoder->sections[type];
		if (!section->data)
			continue;
		struct cursor cursor = {section->data, section->data + section->bytes, NULL};
		section_decoders[type](decoder->snapshot, &cursor);
		/* A later minor version may append to a section; our own may not. */
		if (!cursor.failed && cursor_left(&cursor) && minor <= SNAPSHOT_MINOR)
			cursor.failed = "something follows its last element";
		if (cursor.failed)
			return refuse(decoder, again_hint, "section %s is damaged: %s", section_names[type],
				      cursor.failed);
	}
	const char *why = NULL;
	uint32_t broken = link_sections(decoder->snapshot, &why);
	if (broken)
		return refuse(decoder, again_hint, "section %s is damaged: %s", section_names[broken], why);
	if (decoder->snapshot->numbers[META_SAMPLE_BYTES])
		sampled_estimate(decoder->snapshot);
	return true;
}

struct snapshot *snapshot_decode(const void *bytes, size_t size, const char *name, unsigned flags, struct error *error)
{
	struct snapshot *snapshot = must_allocate(1, sizeof *snapshot);
	struct decoder decoder = {.snapshot = snapshot, .error = error, .name = name};
	struct snapshot_header header;
	const char *slash = strrchr(name, '/');
	snapshot->file_name = must_copy(slash && slash[1] ? slash + 1 : name);
	snapshot->file_bytes = size;
	for (size_t key = 0; key < META_KEYS; key++)
		snapshot->texts[key].data = "";
	for (size_t key = 0; key < PYTHON_KEYS; key++)
		snapshot->python_texts[key].data = "";
	if (check_header(&decoder, bytes, size, flags, &header) &&
	    find_sections(&decoder, bytes, size, flags, &header) && decode_all(&decoder, header.minor))
		return snapshot;
	snapshot_free(snapshot);
	return NULL;
}

int snapshot_open(const char *path, struct error *error)
{
	int descriptor = open(path, O_RDONLY | O_CLOEXEC);
	if (descriptor >= 0)
		return descriptor;
	bool missing = errno == ENOENT;
	error_set(error, EXIT_INPUT, NULL, "%s: cannot open it: %s", path, strerror(errno));
	if (missing)
		error_hint(error, "snapshots are named mudlark.PROGRAM.PID.NUMBER.mud unless `output` names another "
				  "path; `mudlark run` prints where they are");
	return -1;
}

unsigned char *snapshot_file_bytes(const char *path, size_t *size, struct error *error)
{
	bool standard_input = !strcmp(path, "-");
	int descriptor = standard_input ? STDIN_FILENO : snapshot_open(path, error);
	if (descriptor < 0)
		return NULL;
	struct stat status;
	size_t capacity = 1 << 16;
	if (!fstat(descriptor, &status) && S_ISREG(status.st_mode) && status.st_size > 0)
		capacity = (size_t)status.st_size + 1;
	unsigned char *bytes = must_allocate(capacity, 1);
	size_t length = 0;
	for (;;) {
		if (length == capacity) {
			capacity *= 2;
			bytes = must_resize(bytes, capacity, 1);
		}
		ssize_t got = read(descriptor, bytes + length, capacity - length);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			error_set(error, EXIT_INPUT, NULL, "%s: cannot read it: %s", path, strerror(errno));
			free(bytes);
			bytes = NULL;
		}
		if (got <= 0)
			break;
		length += (size_t)got;
		/* What does not begin as a snapshot need not be read to its end; it may have none (/dev/zero). */
		if (length >= SNAPSHOT_MAGIC_BYTES && memcmp(bytes, SNAPSHOT_MAGIC, 5) != 0)
			break;
	}
	if (!standard_input)
		close(descriptor);
	*size = length;
	return bytes;
}

struct snapshot *snapshot_load(const char *path, struct error *error)
{
	size_t size;
	unsigned char *bytes = snapshot_file_bytes(path, &size, error);
	if (!bytes)
		return NULL;
	struct snapshot *snapshot = snapshot_decode(bytes, size, strcmp(path, "-") ? path : "standard input", 0, error);
	free(bytes);
	return snapshot;
}

void snapshot_free(struct snapshot *snapshot)
{
	if (!snapshot)
		return;
	for (uint32_t i = 0; i < snapshot->part_count; i++)
		snapshot_free(snapshot->parts[i]);
	free(snapshot->parts);
	arena_free(&snapshot->arena);
	free(snapshot->census.steps);
	free(snapshot->census.births);
	free(snapshot->retained.steps);
	free(snapshot->stored_addresses);
	free(snapshot->stored_names);
	free((char *)snapshot->file_name);
	free(snapshot);
}

void snapshot_forget_figures(struct snapshot *snapshot)
{
	for (uint32_t id = 1; id <= snapshot->site_count; id++)
		snapshot->sites[id] = (struct snapshot_site){
			.stack = snapshot->sites[id].stack,
			.thread = snapshot->sites[id].thread,
		};
}
