/*
 * From text to rules, for both grammars. The text is untrusted: every line is checked, and the first malformed line
 * ends the reading with its number, because a rule that is silently skipped is a leak that comes back.
 *
 * One of the tools accepts some rules without meaning (an empty template hides every leak in LeakSanitizer); the other
 * refuses some (Valgrind refuses a rule of nothing but "..."). We refuse all of these.
 */
#include "report/analysis/suppressions.h"
#include "report/base/text_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Valgrind's documented limit of a rule's frames. */
enum { PATTERNS_MOST = 24 };

struct reader {
	const char *at, *end;
	const char *name;
	uint32_t number;  /* of the line that was read last */
	const char *text; /* the line, without white space around it; */
	size_t length;    /* it has no NUL */
	struct suppressions *set;
	struct error *error;
};

static bool is_blank(char character)
{
	return character == ' ' || character == '\t' || character == '\r' || character == '\v' || character == '\f';
}

/* The next line with something on it that is no comment. */
static bool next_line(struct reader *reader)
{
	while (reader->at < reader->end) {
		const char *end = memchr(reader->at, '\n', (size_t)(reader->end - reader->at));
		const char *stop = end ? end : reader->end;
		reader->text = reader->at;
		reader->at = end ? end + 1 : reader->end;
		reader->number++;
		while (reader->text < stop && is_blank(*reader->text))
			reader->text++;
		while (stop > reader->text && is_blank(stop[-1]))
			stop--;
		reader->length = (size_t)(stop - reader->text);
		if (reader->length && *reader->text != '#')
			return true;
	}
	reader->length = 0;
	return false;
}

static bool refuse(struct reader *reader, const char *hint, const char *reason)
{
	error_set(reader->error, EXIT_USAGE, hint, "%s:%" PRIu32 ": %s: '%.*s'", reader->name, reader->number, reason,
		  (int)(reader->length < 200 ? reader->length : 200), reader->text);
	return false;
}

static bool is_line(const struct reader *reader, const char *text)
{
	return reader->length == strlen(text) && !memcmp(reader->text, text, reader->length);
}

static const char *keep(struct reader *reader, const char *text, size_t length)
{
	return arena_text(&reader->set->texts, text, length);
}

static struct suppression *add_rule(struct reader *reader, enum suppression_style style)
{
	struct suppressions *set = reader->set;
	must_grow(set->rules, set->count, set->capacity);
	struct suppression *rule = &set->rules[set->count++];
	*rule = (struct suppression){.style = style, .kinds = SUPPRESS_ALL, .line = reader->number};
	rule->file = keep(reader, reader->name, strlen(reader->name));
	return rule;
}

/* Returns whether text[0..length) is one of the words. */
static bool is_word(const char *text, size_t length, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(words[i]) == length && !memcmp(words[i], text, length))
			return true;
	return false;
}

/* --- LeakSanitizer --------------------------------------------------------------------------------------------- */

/* Rules of the other sanitizers, which share files with LeakSanitizer's. */
static const char *const other_types[] = {
	/* ThreadSanitizer */
	"race", "race_top", "thread", "mutex", "signal", "deadlock", "called_from_lib",
	/* AddressSanitizer */
	"interceptor_name", "interceptor_via_fun", "interceptor_via_lib", "odr_violation", "alloc_dealloc_mismatch",
	/* UndefinedBehaviorSanitizer */
	"undefined", "alignment", "bool", "bounds", "builtin", "cfi", "enum", "float-cast-overflow",
	"float-divide-by-zero", "function", "implicit-conversion", "implicit-integer-sign-change",
	"implicit-signed-integer-truncation", "implicit-unsigned-integer-truncation", "integer-divide-by-zero",
	"nonnull-attribute", "null", "object-size", "pointer-overflow", "return", "returns-nonnull-attribute", "shift",
	"shift-base", "shift-exponent", "signed-integer-overflow", "unreachable", "unsigned-integer-overflow",
	"unsigned-shift-base", "vla-bound", "vptr", "vptr_check"};

static bool lsan_line(struct reader *reader)
{
	static const char hint[] = "write leak:PATTERN, or a comment after #";
	const char *colon = memchr(reader->text, ':', reader->length);
	if (!colon)
		return refuse(reader, hint, "no ':' in the line");
	size_t type = (size_t)(colon - reader->text), rest = reader->length - type - 1;
	if (is_word(reader->text, type, other_types, sizeof other_types / sizeof *other_types)) {
		reader->set->skipped++;
		return true;
	}
	static const char *const leak[] = {"leak"};
	if (!is_word(reader->text, type, leak, 1))
		return refuse(reader, hint, "unknown kind of suppression");
	const char *template = keep(reader, colon + 1, rest);
	if (!template[strspn(template, "^*")] || template[strspn(template, "^*")] == '$')
		return refuse(reader, "name a function, a file or a module", "this would hide every leak");
	struct suppression *rule = add_rule(reader, STYLE_LSAN);
	rule->name = template;
	return true;
}

/* --- Valgrind -------------------------------------------------------------------------------------------------- */

/* The next line of a rule, which has to be there. */
static bool rule_line(struct reader *reader, uint32_t begun)
{
	if (next_line(reader))
		return true;
	error_set(reader->error, EXIT_USAGE, "end the rule with '}' on a separate line",
		  "%s:%" PRIu32 ": the file ends inside the rule that starts on line %" PRIu32, reader->name,
		  reader->number, begun);
	return false;
}

static bool skip_rule(struct reader *reader, uint32_t begun)
{
	reader->set->skipped++;
	while (!is_line(reader, "}"))
		if (!rule_line(reader, begun))
			return false;
	return true;
}

/* "Memcheck,Addrcheck:Leak": whether it is ours. False with an error when it is nothing of the kind. */
static bool read_tools(struct reader *reader, bool *ours)
{
	static const char *const memcheck[] = {"Memcheck"}, *const leak[] = {"Leak"};
	const char *colon = memchr(reader->text, ':', reader->length);
	*ours = false;
	if (!colon || colon == reader->text)
		return refuse(reader, "as in Memcheck:Leak",
			      "the second line of a rule names tools and a kind of error");
	for (const char *tool = reader->text; tool < colon;) {
		const char *comma = memchr(tool, ',', (size_t)(colon - tool));
		const char *end = comma ? comma : colon;
		*ours |= is_word(tool, (size_t)(end - tool), memcheck, 1);
		tool = end + 1;
	}
	*ours &= is_word(colon + 1, reader->length - (size_t)(colon + 1 - reader->text), leak, 1);
	return true;
}

static bool read_kinds(struct reader *reader, size_t skip, unsigned *kinds)
{
	static const struct {
		const char *word;
		unsigned kinds;
	} words[] = {
		{"definite", SUPPRESS_DEFINITE},   {"indirect", SUPPRESS_INDIRECT}, {"possible", SUPPRESS_POSSIBLE},
		{"reachable", SUPPRESS_REACHABLE}, {"all", SUPPRESS_ALL},           {"none", 0},
	};
	const char *at = reader->text + skip, *stop = reader->text + reader->length;
	*kinds = 0;
	do {
		while (at < stop && is_blank(*at))
			at++;
		const char *comma = memchr(at, ',', (size_t)(stop - at));
		const char *end = comma ? comma : stop;
		size_t length = (size_t)(end - at);
		while (length && is_blank(at[length - 1]))
			length--;
		bool known = false;
		for (size_t i = 0; i < sizeof words / sizeof *words; i++)
			if (is_word(at, length, &words[i].word, 1)) {
				*kinds |= words[i].kinds;
				known = true;
			}
		if (!known)
			return refuse(reader, "a list of definite, indirect, possible, reachable; or all, or none",
				      "unknown kind of leak");
		at = comma ? comma + 1 : stop;
		if (!comma)
			break;
	} while (true);
	return true;
}

static bool read_pattern(struct reader *reader, struct frame_pattern *pattern)
{
	static const char hint[] = "a frame is fun:NAME, obj:FILE, src:FILE[:LINE] or ...";
	static const char *const prefixes[] = {"fun:", "obj:", "src:"};
	*pattern = (struct frame_pattern){.kind = PATTERN_ANY_FRAMES};
	if (is_line(reader, "..."))
		return true;
	for (int i = 0; i < 3; i++)
		if (reader->length > 4 && !memcmp(reader->text, prefixes[i], 4))
			pattern->kind = (enum frame_pattern_kind)i;
	if (pattern->kind == PATTERN_ANY_FRAMES)
		return refuse(reader, hint, "no frame of a stack");
	size_t length = reader->length - 4;
	const char *text = reader->text + 4;
	if (pattern->kind == PATTERN_SOURCE) {
		size_t digits = 0;
		while (digits < length && text[length - 1 - digits] >= '0' && text[length - 1 - digits] <= '9')
			digits++;
		if (digits && digits < 10 && digits + 1 < length && text[length - 1 - digits] == ':') {
			pattern->line = (uint32_t)strtoul(keep(reader, text + length - digits, digits), NULL, 10);
			length -= digits + 1;
		}
	}
	pattern->glob = keep(reader, text, length);
	return true;
}

/* The lines behind the tools. The rule is added when it is whole. */
static bool read_frames(struct reader *reader, uint32_t begun, const char *name)
{
	static const char kinds_key[] = "match-leak-kinds:";
	struct frame_pattern patterns[PATTERNS_MOST];
	size_t count = 0;
	unsigned kinds = SUPPRESS_ALL;
	bool any = false;
	if (!rule_line(reader, begun))
		return false;
	if (reader->length >= sizeof kinds_key - 1 && !memcmp(reader->text, kinds_key, sizeof kinds_key - 1)) {
		if (!read_kinds(reader, sizeof kinds_key - 1, &kinds) || !rule_line(reader, begun))
			return false;
	}
	while (!is_line(reader, "}")) {
		if (count == PATTERNS_MOST)
			return refuse(reader, "shorten it: any frames may follow its last one",
				      "a rule has at most 24 frames");
		if (!read_pattern(reader, &patterns[count]))
			return false;
		any |= patterns[count++].kind != PATTERN_ANY_FRAMES;
		if (!rule_line(reader, begun))
			return false;
	}
	if (!any)
		return refuse(reader, "name a function or an object file in it",
			      "the rule names no frame, and would hide every leak");
	struct suppression *rule = add_rule(reader, STYLE_VALGRIND);
	struct frame_pattern *kept = arena_allocate(&reader->set->texts, count, sizeof *kept);
	memcpy(kept, patterns, count * sizeof *kept);
	rule->patterns = kept;
	rule->pattern_count = count;
	rule->kinds = kinds;
	rule->name = name;
	rule->line = begun;
	return true;
}

static bool valgrind_rule(struct reader *reader)
{
	uint32_t begun = reader->number;
	bool ours;
	if (!is_line(reader, "{"))
		return refuse(reader, "put the rule in braces, each on a separate line", "a rule begins with '{'");
	if (!rule_line(reader, begun))
		return false;
	if (is_line(reader, "}"))
		return refuse(reader, "a rule is its name, Memcheck:Leak, and frames", "the rule is empty");
	const char *name = keep(reader, reader->text, reader->length);
	if (!rule_line(reader, begun) || !read_tools(reader, &ours))
		return false;
	return ours ? read_frames(reader, begun, name) : skip_rule(reader, begun);
}

/* --- both ------------------------------------------------------------------------------------------------------ */

int suppressions_parse(struct suppressions *set, const char *name, const char *text, size_t length, struct error *error)
{
	struct reader reader = {.at = text, .end = text + length, .name = name, .set = set, .error = error};
	if (length && memchr(text, '\0', length))
		return error_set(error, EXIT_USAGE, "give a text file of suppressions",
				 "%s: this is not a suppression file: it contains NUL bytes", name);
	bool more = next_line(&reader);
	bool valgrind = more && is_line(&reader, "{");
	for (; more; more = next_line(&reader))
		if (!(valgrind ? valgrind_rule(&reader) : lsan_line(&reader)))
			return error->code;
	return EXIT_FINE;
}

int suppressions_load(struct suppressions *set, const char *path, struct error *error)
{
	size_t size;
	char *text = text_file_read(path, &size, error);
	if (!text)
		return error->code;
	int status = suppressions_parse(set, path, text, size, error);
	free(text);
	return status;
}

static bool was_said(const struct suppressions *set, const struct text *text)
{
	for (size_t i = 0; i < set->count; i++)
		if (set->rules[i].program && strlen(set->rules[i].program) == text->length &&
		    !memcmp(set->rules[i].program, text->data, text->length))
			return true;
	return false;
}

void suppressions_add_program(struct suppressions *set, const struct snapshot *snapshot)
{
	const struct text *text = &snapshot->suppressions;
	struct error error = {0};
	size_t first = set->count;
	if (!text->length || was_said(set, text))
		return;
	if (suppressions_parse(set, "__lsan_default_suppressions()", text->data, text->length, &error) != EXIT_FINE)
		error_print(&error);
	const char *kept = arena_text(&set->texts, text->data, text->length);
	for (size_t i = first; i < set->count; i++)
		set->rules[i].program = kept;
}
