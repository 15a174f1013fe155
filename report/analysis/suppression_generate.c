/*
 * Generates rules from stacks that Mudlark, LeakSanitizer and Valgrind read alike.
 */
#include "report/analysis/suppressions.h"

#include "report/base/escape.h"
#include "symbolize/demangle.h"

#include <stdlib.h>
#include <string.h>

/* Valgrind's own limit on what it keeps of a stack is 12 frames unless told otherwise; a rule may not be longer. */
enum { FRAMES_GENERATED = 10 };

/*
 * A '$' would end the template. Between two '>' some demanglers put a blank, and others do not.
 */
static void put_name(struct buffer *out, const char *name)
{
	size_t start = out->length;
	escape_pattern(out, name);
	for (size_t i = start; i < out->length; i++) {
		const char *at = out->data + i;
		bool blank = *at == ' ' && i > start && i + 1 < out->length && at[-1] == '>' && at[1] == '>';
		if (*at == '$' || blank)
			out->data[i] = '*';
	}
}

/* The text after the last "::" that is neither in a template's arguments nor in a list of parameters. */
static const char *last_component(const char *name)
{
	const char *last = name;
	int depth = 0;
	for (const char *at = name; *at; at++) {
		depth += (*at == '<' || *at == '(') - (*at == '>' || *at == ')');
		if (at[0] == ':' && at[1] == ':' && !depth)
			last = at + 2;
	}
	return last;
}

/*
 * How LeakSanitizer calls a function of C++ depends on who made it: clang's has the parameters, and so has gcc's, but
 * for functions that no other file sees. These have there the name in the source. Of an instance of a
 * template what it returns comes first.
 */
static void put_cxx(struct buffer *out, const char *name, const char *linkage_name, const char *signature)
{
	static const char nameless[] = "(anonymous namespace)::";
	size_t length = strlen(name);
	bool local = !strncmp(linkage_name, "_ZL", 3) || !strncmp(linkage_name, "_ZZ", 3);
	const char *whole = strstr(signature, name);
	if (strstr(name, nameless)) {
		put_name(out, last_component(name));
		return;
	}
	if (name[length - 1] != '>')
		buffer_byte(out, '^');
	put_name(out, name);
	if (!local && whole && whole[length] == '(')
		buffer_byte(out, '(');
}

/* The template of LeakSanitizer's rule: the function that the stack belongs to, else its module. */
static void put_template(struct buffer *out, const struct location *owner)
{
	char *signature = owner->linkage_name && owner->function ? demangle_signature(owner->linkage_name) : NULL;
	if (!owner->function) {
		put_name(out, owner->module_name);
	} else if (signature && owner->function[0] && strcmp(signature, owner->function) != 0) {
		put_cxx(out, owner->function, owner->linkage_name, signature);
	} else {
		buffer_byte(out, '^');
		put_name(out, owner->function);
		buffer_byte(out, '$');
	}
	free(signature);
}

static void generate_lsan(const char *what, const struct location *owner, FILE *stream)
{
	struct buffer text = {0};
	buffer_format(&text, "# %s\nleak:", what);
	put_template(&text, owner);
	buffer_byte(&text, '\n');
	fwrite(text.data, 1, text.length, stream);
	buffer_free(&text);
}

static const char *kind_word(unsigned kind)
{
	static const char *const words[] = {"definite", "indirect", "possible", "reachable"};
	int bit = __builtin_ctz(kind);
	return words[bit];
}

/* libc's functions have several names, and which one a tool takes depends on what it has of libc. */
static bool has_many_names(const struct location *location)
{
	return location->role == ROLE_RUNTIME &&
	       (!strncmp(location->module_name, "libc.so.", 8) || !strncmp(location->module_name, "libc-2.", 7));
}

static void put_frame(struct buffer *out, const struct location *location)
{
	const char *name = location->linkage_name ? location->linkage_name : location->function;
	buffer_text(out, "   ");
	if (has_many_names(location)) {
		buffer_text(out, "obj:*/");
		escape_pattern(out, location->module_name);
	} else if (name) {
		buffer_text(out, "fun:");
		escape_pattern(out, name);
	} else {
		buffer_text(out, "obj:");
		escape_pattern(out, location->module_path[0] ? location->module_path : "*");
	}
	buffer_byte(out, '\n');
}

static void generate_valgrind(unsigned kind, const char *what, const struct location *owner, const struct names *names,
			      const struct row *row, FILE *stream)
{
	struct buffer text = {0}, name = {0};
	put_template(&name, owner);
	/* Which of its functions the allocator was entered by is not in the stack. */
	buffer_format(&text, "{\n   %s: %s\n   Memcheck:Leak\n   match-leak-kinds: %s\n   fun:*\n", what,
		      buffer_string(&name), kind_word(kind));
	static const struct aggregate_options everything = {.by = BY_STACK, .all_frames = true};
	struct stack_walk walk = {0};
	const struct location *location;
	for (unsigned count = 0; count < FRAMES_GENERATED && (location = stack_next(&walk, names, row, &everything));
	     count++) {
		/* Valgrind takes operator new itself for the allocator. */
		if (!count && location->linkage_name && !strncmp(location->linkage_name, "_Zn", 3))
			continue;
		put_frame(&text, location);
		/* What Valgrind calls "(below main)". */
		if (location->function && !strcmp(location->function, "main"))
			break;
	}
	buffer_text(&text, "}\n");
	fwrite(text.data, 1, text.length, stream);
	buffer_free(&text);
	buffer_free(&name);
}

void suppression_generate(enum suppression_style style, unsigned kind, const char *what, const struct names *names,
			  const struct row *row, FILE *stream)
{
	if (!row->location)
		return; /* no stack: no rule could know it again */
	const struct location *owner = &names->locations[row->location - 1];
	struct buffer template = {0};
	put_template(&template, owner);
	/* A name of nothing but control characters: the rule would hide everything. */
	bool hides_all = strspn(buffer_string(&template), "^*$") == template.length;
	buffer_free(&template);
	if (hides_all)
		return;
	if (style == STYLE_LSAN)
		generate_lsan(what, owner, stream);
	else
		generate_valgrind(kind, what, owner, names, row, stream);
}
