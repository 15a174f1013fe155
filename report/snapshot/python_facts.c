/*
 * See python_facts.h.
 */
#include "report/snapshot/python_facts.h"

#include "report/text/table.h"

#include <inttypes.h>

/* PY_VERSION_HEX: major, minor, micro, a byte each; then four bits of level and four of serial. */
void python_version(struct buffer *out, const struct snapshot *snapshot)
{
	uint64_t hex = snapshot->python_numbers[PYTHON_VERSION_HEX];
	unsigned level = hex >> 4 & 15;
	if (!hex) {
		buffer_text(out, "of an unknown version");
		return;
	}
	buffer_format(out, "%u.%u.%u", (unsigned)(hex >> 24 & 255), (unsigned)(hex >> 16 & 255),
		      (unsigned)(hex >> 8 & 255));
	if (level == 10 || level == 11 || level == 12)
		buffer_format(out, "%s%u", level == 10 ? "a" : level == 11 ? "b" : "rc", (unsigned)(hex & 15));
}

static const char *objects_name(uint64_t objects)
{
	static const char *const names[] = {
		[OBJECTS_RECORDED] = "recorded", [OBJECTS_ARENAS] = "arenas", [OBJECTS_FOREIGN] = "foreign"};
	return objects < sizeof names / sizeof *names ? names[objects] : NULL;
}

bool python_is_whole(const struct snapshot *snapshot)
{
	return snapshot->python_numbers[PYTHON_STACKS] && snapshot->python_numbers[PYTHON_OBJECTS] == OBJECTS_RECORDED;
}

void python_facts_text(struct buffer *out, const struct snapshot *snapshot)
{
	static const char *const objects_words[] = {
		[OBJECTS_RECORDED] = ", objects recorded",
		[OBJECTS_ARENAS] = ", objects not recorded: they are in CPython's own arenas",
		[OBJECTS_FOREIGN] =
			", objects come from another allocator, and are recorded where that one requests memory",
	};
	uint64_t objects = snapshot->python_numbers[PYTHON_OBJECTS];
	if (!snapshot->has_python)
		return;
	python_version(out, snapshot);
	if (!snapshot->python_numbers[PYTHON_STACKS])
		buffer_text(out, ", no Python lines");
	if (objects_name(objects))
		buffer_text(out, objects_words[objects]);
	if (snapshot->python_texts[PYTHON_REASON].length) {
		buffer_text(out, ": ");
		text_clean(out, snapshot->python_texts[PYTHON_REASON].data);
	}
}

static void put_text_if_any(struct json *json, const char *key, const struct text *text)
{
	json_put_text(json, key, text->length ? text->data : NULL);
}

void python_facts_json(const struct snapshot *snapshot, struct json *json)
{
	struct buffer version = {0};
	if (!snapshot->has_python) {
		json_put_null(json, "python");
		return;
	}
	python_version(&version, snapshot);
	json_put_object(json, "python", false);
	json_put_text(json, "version", snapshot->python_numbers[PYTHON_VERSION_HEX] ? buffer_string(&version) : NULL);
	put_text_if_any(json, "version_text", &snapshot->python_texts[PYTHON_VERSION_TEXT]);
	json_put_boolean(json, "stacks", snapshot->python_numbers[PYTHON_STACKS] != 0);
	json_put_text(json, "objects", objects_name(snapshot->python_numbers[PYTHON_OBJECTS]));
	put_text_if_any(json, "reason", &snapshot->python_texts[PYTHON_REASON]);
	put_text_if_any(json, "malloc_stats", &snapshot->python_texts[PYTHON_MALLOC_STATS]);
	json_end_object(json);
	buffer_free(&version);
}
