/*
 * See baseline.h.
 */
#define XXH_INLINE_ALL
#include "report/gate/baseline.h"

#include "report/base/buffer.h"
#include "report/base/text_file.h"
#include "report/gate/gate.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* --- fingerprints ---------------------------------------------------------------------------------------------- */

static void put_frame(struct buffer *key, const struct location *location)
{
	const char *module = location->module_name;
	const char *version = strstr(module, ".so.");
	buffer_byte(key, location->python ? 'p' : 'n');
	/* A Python function lives in a file, whatever interpreter runs it. */
	if (location->python && location->file) {
		const char *slash = strrchr(location->file, '/');
		buffer_text(key, slash ? slash + 1 : location->file);
	} else if (!location->python) {
		buffer_append(key, module, version ? (size_t)(version - module) + 3 : strlen(module));
	}
	buffer_byte(key, '\n');
	if (location->function)
		buffer_text(key, location->function);
	buffer_byte(key, '\n');
}

enum put { PUT_ALL = 1, PUT_INLINED = 2 };

/* put: of enum put. PUT_ALL: whatever their role is. Sets *lines if native code has some. Returns how many there are. */
static unsigned put_frames(struct buffer *key, const struct names *names, const struct row *row, unsigned put,
			   bool *lines)
{
	static const struct aggregate_options everything = {.by = BY_STACK};
	struct stack_walk walk = {0};
	const struct location *location;
	unsigned count = 0;
	while (count < FINGERPRINT_FRAMES && (location = stack_next(&walk, names, row, &everything))) {
		if (location->role != ROLE_OWNER && !(put & PUT_ALL))
			continue;
		if (!(put & PUT_INLINED) && location_frame(names, location) != location)
			continue;
		put_frame(key, location);
		*lines |= !location->python && location->line;
		count++;
	}
	return count;
}

static bool hash_frames(const struct names *names, const struct row *row, unsigned put, char out[FINGERPRINT_BYTES])
{
	bool lines = false;
	struct buffer key = {0};
	/* So that one of another rule for who owns a block never fits by chance. */
	buffer_byte(&key, (char)BASELINE_VERSION);
	if (row->frame && !put_frames(&key, names, row, put, &lines))
		put_frames(&key, names, row, put | PUT_ALL, &lines);
	snprintf(out, FINGERPRINT_BYTES, "%016" PRIx64, XXH3_64bits(key.data, key.length));
	buffer_free(&key);
	return lines;
}

void fingerprint_of(const struct names *names, const struct row *row, struct fingerprint *out)
{
	out->bare = !hash_frames(names, row, PUT_INLINED, out->whole);
	hash_frames(names, row, 0, out->frames);
}

static bool same_stack(const struct fingerprint *a, const struct fingerprint *b)
{
	return !strcmp(a->whole, b->whole) || ((a->bare || b->bare) && !strcmp(a->frames, b->frames));
}

/* --- the file -------------------------------------------------------------------------------------------------- */

void baseline_free(struct baseline *baseline)
{
	free(baseline->entries);
	arena_free(&baseline->texts);
	*baseline = (struct baseline){0};
}

struct baseline_entry *baseline_add(struct baseline *baseline)
{
	must_grow(baseline->entries, baseline->count, baseline->capacity);
	struct baseline_entry *entry = &baseline->entries[baseline->count++];
	*entry = (struct baseline_entry){.comment = ""};
	return entry;
}

/* The next word of at most size - 1 bytes; false when there is none or it is longer. */
static bool next_word(const char **at, const char *end, char *word, size_t size)
{
	size_t length = 0;
	while (*at < end && (**at == ' ' || **at == '\t'))
		(*at)++;
	while (*at + length < end && (*at)[length] != ' ' && (*at)[length] != '\t')
		length++;
	if (!length || length >= size)
		return false;
	memcpy(word, *at, length);
	word[length] = '\0';
	*at += length;
	return true;
}

static bool read_number(const char **at, const char *end, uint64_t *number)
{
	char word[20], *stop;
	if (!next_word(at, end, word, sizeof word) || !isdigit((unsigned char)word[0]))
		return false;
	*number = strtoull(word, &stop, 10);
	return !*stop;
}

static bool is_day(const char *word)
{
	static const char form[] = "dddd-dd-dd";
	for (size_t i = 0; i < sizeof form; i++)
		if (form[i] == 'd' ? !isdigit((unsigned char)word[i]) : word[i] != form[i])
			return false;
	return true;
}

static const char heading[] = "# mudlark baseline ";

/*
 * Returns whether the comment is the heading of a file with other fingerprints: its entries would not be known again.
 */
static bool is_of_another_version(const char *at, const char *end)
{
	size_t length = sizeof heading - 1;
	if ((size_t)(end - at) <= length || memcmp(at, heading, length) != 0)
		return false;
	return strtoul(at + length, NULL, 10) != BASELINE_VERSION;
}

static bool is_fingerprint(const char *text)
{
	return strspn(text, "0123456789abcdef") == FINGERPRINT_BYTES - 1 && !text[FINGERPRINT_BYTES - 1];
}

/* One, or two with a '/' between them. */
static bool read_fingerprint(char *word, struct fingerprint *fingerprint)
{
	char *second = strchr(word, '/');
	fingerprint->bare = !second;
	if (second)
		*second++ = '\0';
	else
		second = word;
	if (!is_fingerprint(word) || !is_fingerprint(second))
		return false;
	memcpy(fingerprint->whole, word, FINGERPRINT_BYTES);
	memcpy(fingerprint->frames, second, FINGERPRINT_BYTES);
	return true;
}

/* What is wrong with the line; NULL: nothing, and the entry is filled. */
static const char *read_entry(struct baseline *baseline, const char *at, const char *end, struct baseline_entry *entry)
{
	char kind[32], prints[2 * FINGERPRINT_BYTES];
	if (!next_word(&at, end, prints, sizeof prints) || !read_fingerprint(prints, &entry->fingerprint))
		return "it does not begin with a fingerprint of 16 hex digits";
	if (!next_word(&at, end, kind, sizeof kind))
		return "no kind behind the fingerprint";
	for (entry->kind = 0; entry->kind < FINDING_KINDS; entry->kind++)
		if (!strcmp(kind, finding_name((enum finding_kind)entry->kind)))
			break;
	if (entry->kind == FINDING_KINDS)
		return "unknown kind of finding";
	if (!read_number(&at, end, &entry->blocks) || !read_number(&at, end, &entry->bytes))
		return "blocks and bytes are no numbers";
	if (!next_word(&at, end, entry->day, sizeof entry->day) || !is_day(entry->day))
		return "no day as 2026-01-31 behind the numbers";
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	if (at < end && *at != '#')
		return "more than a comment behind the day";
	at += at < end;
	while (at < end && *at == ' ')
		at++;
	entry->comment = arena_text(&baseline->texts, at, (size_t)(end - at));
	return NULL;
}

int baseline_parse(struct baseline *baseline, const char *name, const char *text, size_t length, struct error *error)
{
	const char *stop = text + length;
	uint32_t number = 0;
	bool stale = false; /* an empty one is of every version */
	while (text < stop) {
		const char *newline = memchr(text, '\n', (size_t)(stop - text));
		const char *end = newline ? newline : stop, *at = text;
		number++;
		text = newline ? newline + 1 : stop;
		while (end > at && (end[-1] == '\r' || end[-1] == ' ' || end[-1] == '\t'))
			end--;
		while (at < end && (*at == ' ' || *at == '\t'))
			at++;
		if (at < end && *at == '#')
			stale |= is_of_another_version(at, end);
		if (at == end || *at == '#')
			continue;
		if (stale)
			return error_set(
				error, EXIT_INPUT,
				"judge once without --baseline, and write a new one with --write-baseline FILE",
				"%s:%" PRIu32 ": the baseline is of another version of Mudlark, whose "
				"fingerprints mean other stacks",
				name, number);
		struct baseline_entry entry = {.comment = ""};
		const char *reason = memchr(at, '\0', (size_t)(end - at)) ? "it contains NUL bytes"
									  : read_entry(baseline, at, end, &entry);
		if (reason)
			return error_set(error, EXIT_INPUT, "mudlark gate --write-baseline writes a new one",
					 "%s:%" PRIu32 ": %s", name, number, reason);
		*baseline_add(baseline) = entry;
	}
	return EXIT_FINE;
}

int baseline_load(struct baseline *baseline, const char *path, struct error *error)
{
	size_t size;
	char *text = text_file_read(path, &size, error);
	if (!text)
		return error->code;
	int status = baseline_parse(baseline, path, text, size, error);
	free(text);
	return status;
}

/* Kinds that may turn into each other. */
static unsigned sort_of(unsigned kind)
{
	if (kind <= FINDING_REACHABLE)
		return 0;
	return kind <= FINDING_SUSPECTED ? 1 : kind;
}

struct baseline_entry *baseline_next(struct baseline *baseline, const struct fingerprint *fingerprint, unsigned kind,
				     const struct baseline_entry *after)
{
	for (size_t i = after ? (size_t)(after - baseline->entries) + 1 : 0; i < baseline->count; i++)
		if (sort_of(baseline->entries[i].kind) == sort_of(kind) &&
		    same_stack(&baseline->entries[i].fingerprint, fingerprint))
			return &baseline->entries[i];
	return NULL;
}

void baseline_remove_unseen(struct baseline *baseline)
{
	size_t count = 0;
	for (size_t i = 0; i < baseline->count; i++)
		if (baseline->entries[i].seen)
			baseline->entries[count++] = baseline->entries[i];
	baseline->count = count;
}

static int compare_entries(const void *left, const void *right)
{
	const struct baseline_entry *a = left, *b = right;
	int order = strcmp(a->fingerprint.whole, b->fingerprint.whole);
	return order ? order : (a->kind > b->kind) - (a->kind < b->kind);
}

void baseline_write(struct baseline *baseline, FILE *stream)
{
	if (baseline->count)
		qsort(baseline->entries, baseline->count, sizeof *baseline->entries, compare_entries);
	fprintf(stream,
		"%s%d\n"
		"# fingerprint, kind, blocks, bytes, since; what follows the # is yours to say why\n",
		heading, BASELINE_VERSION);
	for (size_t i = 0; i < baseline->count; i++) {
		const struct baseline_entry *entry = &baseline->entries[i];
		bool bare = entry->fingerprint.bare;
		fprintf(stream, "%s%s%s %s %" PRIu64 " %" PRIu64 " %s%s%s\n", entry->fingerprint.whole, bare ? "" : "/",
			bare ? "" : entry->fingerprint.frames, finding_name((enum finding_kind)entry->kind),
			entry->blocks, entry->bytes, entry->day, entry->comment[0] ? " # " : "", entry->comment);
	}
}
