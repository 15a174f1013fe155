/*
 * Rules out of stacks, which this reader, LeakSanitizer and Valgrind take alike.
 */
#include "report/suppressions.h"

#include "report/buffer.h"

#include <string.h>

/* Valgrind's own limit on what it keeps of a stack is 12 frames unless told otherwise; a rule may not be longer. */
enum { FRAMES_GENERATED = 10 };

/* The template of LeakSanitizer's rule: the function that the stack belongs to, else its module. */
static void put_template(struct buffer *out, const struct location *owner)
{
	const char *name = owner->function ? owner->function : owner->module_name;
	/* A '$' would end the template, so it ends before one. */
	size_t length = strcspn(name, "$\n\r");
	if (owner->function)
		buffer_byte(out, '^');
	buffer_append(out, name, length);
	if (owner->function && !name[length])
		buffer_byte(out, '$');
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

static void put_frame(struct buffer *out, const struct location *location)
{
	const char *name = location->linkage_name ? location->linkage_name : location->function;
	buffer_text(out, "   ");
	if (name)
		buffer_format(out, "fun:%s\n", name);
	else if (location->module_path[0])
		buffer_format(out, "obj:%s\n", location->module_path);
	else
		buffer_text(out, "obj:*\n");
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
	if (style == STYLE_LSAN)
		generate_lsan(what, owner, stream);
	else
		generate_valgrind(kind, what, owner, names, row, stream);
}
