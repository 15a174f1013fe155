/*
 * Matching, and what is said of it. See suppressions.h.
 */
#include "report/analysis/suppressions.h"

#include "report/base/escape.h"
#include "symbolize/demangle.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The allocation function, if the stack does not show it: Valgrind's names for the function that it replaced. */
static const char *const allocators[] = {"malloc",         "calloc",        "realloc", "reallocarray", "memalign",
					 "posix_memalign", "aligned_alloc", "valloc",  "pvalloc"};
#define MEMCHECK_OBJECT "/usr/libexec/valgrind/vgpreload_memcheck-amd64-linux.so"
static const char *const allocator_objects[] = {"/usr/lib/mudlark/libmudlark.so", MEMCHECK_OBJECT};

void suppressions_free(struct suppressions *set)
{
	free(set->rules);
	arena_free(&set->texts);
	*set = (struct suppressions){0};
}

/* --- one pattern ----------------------------------------------------------------------------------------------- */

enum glob_flag {
	GLOB_QUESTION = 1,   /* '?' is any one character */
	GLOB_OPEN_START = 2, /* as with a '*' in front of the pattern, */
	GLOB_OPEN_END = 4,   /* behind it */
};

/*
 * Returns whether pattern[0..length) matches the text. After a mismatch only the last '*' takes one character more: no
 * earlier one could do better, so the time is at most the product of the lengths.
 */
static bool glob_matches(const char *pattern, size_t length, unsigned flags, const char *text)
{
	size_t at = 0, star = 0;
	const char *retry = flags & GLOB_OPEN_START ? text : NULL;
	bool question = flags & GLOB_QUESTION, open = flags & GLOB_OPEN_END;
	for (;;) {
		if (at < length && pattern[at] == '*') {
			star = ++at;
			retry = text;
		} else if (at == length && (open || !*text)) {
			return true;
		} else if (at < length && *text && (pattern[at] == *text || (question && pattern[at] == '?'))) {
			at++;
			text++;
		} else if (retry && *retry) {
			at = star;
			text = ++retry;
		} else {
			return false;
		}
	}
}

/* LeakSanitizer's template: anywhere in the text unless anchored. What follows '$' is not looked at. */
static bool template_matches(const char *template, const char *text)
{
	if (!text || !*text)
		return false;
	bool anchored = template[0] == '^';
	template += anchored;
	size_t length = strcspn(template, "$");
	unsigned flags = (anchored ? 0 : GLOB_OPEN_START) | (template[length] == '$' ? 0 : GLOB_OPEN_END);
	return glob_matches(template, length, flags, text);
}

static bool is_of_module(const struct location *location, const char *module)
{
	const char *slash = strrchr(location->module_path, '/');
	return !module || !strcmp(slash ? slash + 1 : location->module_path, module);
}

/* text: one of the names that the location has. */
static bool lsan_matches(const struct suppressions *set, const struct location *location, const char *text,
			 struct suppression **found)
{
	for (size_t i = 0; i < set->count; i++) {
		struct suppression *rule = &set->rules[i];
		if (rule->style == STYLE_LSAN && template_matches(rule->name, text) &&
		    is_of_module(location, rule->module)) {
			*found = rule;
			return true;
		}
	}
	return false;
}

/* With its parameters, as LeakSanitizer has the names of C++. */
static bool lsan_matches_signature(const struct suppressions *set, const struct location *location,
				   struct suppression **found)
{
	char *signature = location->linkage_name ? demangle_signature(location->linkage_name) : NULL;
	bool matches = signature && lsan_matches(set, location, signature, found);
	free(signature);
	return matches;
}

static bool whole_matches(const char *glob, const char *text)
{
	return glob_matches(glob, strlen(glob), GLOB_QUESTION, text);
}

static bool any_matches(const char *glob, const char *const *texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (whole_matches(glob, texts[i]))
			return true;
	return false;
}

/* Without the suffix of a clone, which only a symbol table has: Valgrind reads that, and we do if nothing else is there. */
static bool plain_matches(const char *glob, const char *name)
{
	size_t length = plain_length(glob);
	char *plain = must_format("%.*s", (int)plain_length(name), name);
	bool matches = (glob[length] || name[strlen(plain)]) && glob_matches(glob, length, GLOB_QUESTION, plain);
	free(plain);
	return matches;
}

/* libc's functions have names of its own beside those that they are called by: __GI___strdup, __strdup, strdup. */
static bool function_matches(const char *glob, const struct location *location)
{
	static const char unknown[] = "???";
	const char *name = location->linkage_name ? location->linkage_name : location->function;
	if (whole_matches(glob, name ? name : unknown))
		return true;
	if (name && plain_matches(glob, name))
		return true;
	if (!name || location->role != ROLE_RUNTIME)
		return false;
	if (!strncmp(name, "__GI_", 5) && whole_matches(glob, name += 5))
		return true;
	return !strncmp(name, "__", 2) && whole_matches(glob, name + 2);
}

/* location NULL: the allocation function. */
static bool frame_matches(const struct frame_pattern *pattern, const struct location *location)
{
	static const char unknown[] = "???";
	if (!location)
		return (pattern->kind == PATTERN_FUNCTION &&
			any_matches(pattern->glob, allocators, sizeof allocators / sizeof *allocators)) ||
		       (pattern->kind == PATTERN_OBJECT &&
			any_matches(pattern->glob, allocator_objects,
				    sizeof allocator_objects / sizeof *allocator_objects));
	if (pattern->kind == PATTERN_FUNCTION)
		return function_matches(pattern->glob, location);
	if (pattern->kind == PATTERN_OBJECT)
		return whole_matches(pattern->glob, location->module_path[0] ? location->module_path : unknown);
	if (!location->file || (pattern->line && pattern->line != location->line))
		return false;
	const char *slash = strrchr(location->file, '/');
	return whole_matches(pattern->glob, location->file) || (slash && whole_matches(pattern->glob, slash + 1));
}

/* --- one stack ------------------------------------------------------------------------------------------------- */

/* Frames that ours begins with in Valgrind's eyes, and those that it has. In front NULL is the allocation function. */
struct stack_of_rule {
	const struct location *const *front, *const *frames;
	size_t front_count, count;
};

/* Its beginning has to match. */
static bool stack_matches(const struct suppression *rule, const struct stack_of_rule *stack)
{
	size_t at = 0, frame = 0, dots = SIZE_MAX, retry = 0, front = stack->front_count, length = stack->count + front;
	while (at < rule->pattern_count) {
		const struct frame_pattern *pattern = &rule->patterns[at];
		if (pattern->kind == PATTERN_ANY_FRAMES) {
			dots = ++at;
			retry = frame;
		} else if (frame < length &&
			   frame_matches(pattern, frame < front ? stack->front[frame] : stack->frames[frame - front])) {
			at++;
			frame++;
		} else if (dots != SIZE_MAX && retry < length) {
			at = dots;
			frame = ++retry;
		} else {
			return false;
		}
	}
	return true;
}

static bool is_operator_new(const struct location *location)
{
	const char *name = location->linkage_name;
	return (name && (!strncmp(name, "_Znw", 4) || !strncmp(name, "_Zna", 4))) ||
	       (location->function && !strncmp(location->function, "operator new", 12));
}

/* posix_memalign by name: were it a pattern of many names, any function could stand for it. */
static bool allocates_by_another(const struct suppression *rule)
{
	return rule->pattern_count > 1 && rule->patterns[1].kind == PATTERN_FUNCTION &&
	       !strcmp(rule->patterns[1].glob, "posix_memalign");
}

static bool valgrind_matches(const struct suppression *rule, const struct location *const *frames, size_t count)
{
	static const struct location *const allocator[] = {NULL, NULL};
	/* The forms of operator new, which jump to one another, so that a stack has some of them only. */
	static const struct location forms[] = {
		{.linkage_name = "_Znwm", .module_path = MEMCHECK_OBJECT},
		{.linkage_name = "_Znam", .module_path = MEMCHECK_OBJECT},
		{.linkage_name = "_ZnwmRKSt9nothrow_t", .module_path = MEMCHECK_OBJECT},
		{.linkage_name = "_ZnamRKSt9nothrow_t", .module_path = MEMCHECK_OBJECT},
		{.linkage_name = "_ZnwmSt11align_val_t", .module_path = MEMCHECK_OBJECT},
		{.linkage_name = "_ZnamSt11align_val_t", .module_path = MEMCHECK_OBJECT}};
	struct stack_of_rule stack = {allocator, frames, allocates_by_another(rule) ? 2 : 1, count};
	if (stack_matches(rule, &stack))
		return true;
	bool made_by_new = false;
	for (; stack.count && is_operator_new(*stack.frames); stack.frames++, stack.count--) {
		stack.front_count = 0;
		made_by_new = true;
		if (stack_matches(rule, &stack))
			return true;
	}
	stack.front_count = 1;
	for (size_t i = 0; made_by_new && i < sizeof forms / sizeof *forms; i++) {
		const struct location *form = &forms[i];
		stack.front = &form;
		if (stack_matches(rule, &stack))
			return true;
	}
	return false;
}

struct suppression *suppressions_match(struct suppressions *set, unsigned kind, const struct location *const *frames,
				       size_t count)
{
	struct suppression *found;
	for (size_t i = 0; i < count; i++) {
		const char *module = frames[i]->module_path[0] ? frames[i]->module_path : "<unknown module>";
		if (lsan_matches(set, frames[i], module, &found) ||
		    lsan_matches(set, frames[i], frames[i]->function, &found) ||
		    lsan_matches(set, frames[i], frames[i]->file, &found) ||
		    lsan_matches_signature(set, frames[i], &found))
			return found;
	}
	for (size_t i = 0; i < set->count; i++)
		if (set->rules[i].style == STYLE_VALGRIND && (set->rules[i].kinds & kind) &&
		    valgrind_matches(&set->rules[i], frames, count))
			return &set->rules[i];
	return NULL;
}

struct suppression *suppressions_match_row(struct suppressions *set, unsigned kind, const struct names *names,
					   const struct row *row)
{
	size_t count = 0;
	static const struct aggregate_options everything = {.by = BY_STACK, .all_frames = true};
	struct stack_walk first = {0}, second = {0};
	while (stack_next(&first, names, row, &everything))
		count++;
	const struct location **frames = must_allocate(count, sizeof(const struct location *));
	for (size_t i = 0; i < count; i++)
		frames[i] = stack_next(&second, names, row, &everything);
	struct suppression *found = suppressions_match(set, kind, frames, count);
	free(frames);
	return found;
}

/* --- what came of it ------------------------------------------------------------------------------------------- */

void suppression_used(struct suppression *rule, uint64_t blocks, uint64_t bytes)
{
	rule->stacks++;
	rule->blocks += blocks;
	rule->bytes += bytes;
}

void suppression_source(const struct suppression *rule, struct buffer *out)
{
	if (rule->file)
		buffer_format(out, "%s:%" PRIu32 " (%s)", rule->file, rule->line, rule->name);
	else
		buffer_format(out, "the built-in rule %s", rule->name);
}

void suppressions_warn_unused(const struct suppressions *set, unsigned kinds)
{
	for (size_t i = 0; i < set->count; i++)
		if (set->rules[i].file && !set->rules[i].program && !set->rules[i].stacks &&
		    (set->rules[i].kinds & kinds))
			notice("%s:%" PRIu32 ": the suppression '%s' hides nothing: it can be removed",
			       set->rules[i].file, set->rules[i].line, set->rules[i].name);
}

void suppressions_print_used(const struct suppressions *set, FILE *stream)
{
	static const char line[] = "-----------------------------------------------------\n";
	bool any = false;
	for (size_t i = 0; i < set->count; i++) {
		const struct suppression *rule = &set->rules[i];
		if (!rule->stacks)
			continue;
		if (!any)
			fprintf(stream, "%sSuppressions used:\n  count      bytes template\n", line);
		any = true;
		struct buffer name = {0};
		text_clean(&name, rule->name);
		fprintf(stream, "%7" PRIu64 " %10" PRIu64 " %s\n", rule->blocks, rule->bytes, buffer_string(&name));
		buffer_free(&name);
	}
	if (any)
		fputs(line, stream);
}
