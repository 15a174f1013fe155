/*
 * mudlark refs: who holds the objects of a type, as a tree of text, as JSON, or as a graph for Graphviz.
 */
#include "report/analysis/causes.h"
#include "report/commands/commands.h"
#include "report/snapshot/heading.h"
#include "report/snapshot/shares.h"
#include "report/text/json_write.h"
#include "report/text/options.h"
#include "report/text/table.h"
#include "report/views/reading.h"
#include "report/views/types.h"

#include <inttypes.h>
#include <string.h>

enum { OPTION_FORMAT = 1, OPTION_TYPE, OPTION_JSON, OPTION_WIDTH, FORMAT_TEXT = 0, FORMAT_DOT, FORMAT_JSON };
#define FORMAT_CHOICES "text|dot|json"

/* Columns that a name is given at least, however narrow the terminal is. */
enum { LEAST_NAME = 12 };

struct refs_options {
	int format;
	const char *type;    /* NULL: all */
	unsigned long width; /* 0: the terminal's */
};

static int refs_option(void *context, int id, const char *argument, struct error *error)
{
	struct refs_options *options = context;
	if (id == OPTION_WIDTH && !options_number("width", argument, LEAST_WIDTH, WIDEST, &options->width, error))
		return error->code;
	if (id == OPTION_TYPE)
		options->type = argument;
	else if (id != OPTION_WIDTH)
		options->format = id == OPTION_JSON ? FORMAT_JSON : options_choice(FORMAT_CHOICES, argument);
	return EXIT_FINE;
}

static bool is_wanted(const struct snapshot *snapshot, uint32_t id, const char *type)
{
	const char *name = snapshot->census.types[id].name, *last = strrchr(name, '.');
	return !type || !strcmp(name, type) || (last && !strcmp(last + 1, type));
}

static const char *hold_text(const struct snapshot_path *path)
{
	static const char *const texts[] = {
		[HOLD_MODULE] = "module", [HOLD_FRAME] = "running function",
		[HOLD_THREAD] = "thread", [HOLD_OUTSIDE] = "held outside",
		[HOLD_CYCLE] = "cycle",
	};
	return path->hold < sizeof texts / sizeof *texts && texts[path->hold] ? texts[path->hold] : "unknown";
}

/* "type label", or the frame's or thread's words. */
static void step_text(struct buffer *out, const struct snapshot *snapshot, const struct snapshot_path *path, uint32_t i)
{
	const struct snapshot_step *step = &snapshot->census.steps[path->first_step + i];
	struct buffer text = {0};
	if (step->type)
		buffer_text(&text, snapshot->census.types[step->type].name);
	else
		buffer_text(&text, path->hold == HOLD_FRAME ? "running" : "thread");
	if (step->label[0])
		buffer_format(&text, " %s%s", step->label, step->type ? "" : "()");
	text_clean(out, buffer_string(&text));
	buffer_free(&text);
}

static const struct snapshot_held *held_of(const struct snapshot *snapshot, uint32_t type)
{
	for (uint32_t i = 0; i < snapshot->census.held_count; i++)
		if (snapshot->census.held[i].type == type)
			return &snapshot->census.held[i];
	return NULL;
}

/* --- text ------------------------------------------------------------------------------------------------------ */

/* Prints a sentence in as many lines as it needs: only a word that is wider than a line is shortened. */
static void print_wrapped(const char *text, unsigned indent, const struct terminal *terminal, FILE *stream)
{
	while (*text) {
		size_t length = text_line(text, terminal->width - indent);
		struct buffer words = {0}, line = {0};
		buffer_append(&words, text, length);
		text_fit(&line, buffer_string(&words), terminal->width - indent, terminal->unicode);
		fprintf(stream, "%*s%s\n", (int)indent, "", buffer_string(&line));
		buffer_free(&words);
		buffer_free(&line);
		text += length;
		text += strspn(text, " ");
	}
}

/* Prints name between before and after, shortened so that all of it is one line. */
static void print_fitted(const char *before, const char *name, const char *after, bool bold,
			 const struct terminal *terminal, FILE *stream)
{
	struct buffer text = {0};
	unsigned used = text_width(before) + text_width(after);
	unsigned room = used + LEAST_NAME < terminal->width ? terminal->width - used : LEAST_NAME;
	text_fit(&text, name, room, terminal->unicode);
	fprintf(stream, "%s%s%s%s%s\n", bold ? style_on(terminal, STYLE_BOLD) : "", before, buffer_string(&text),
		bold ? style_off(terminal, STYLE_BOLD) : "", after);
	buffer_free(&text);
}
/* The step is a line: edge, holder and how many references lead on from it. */
static void print_step(const struct snapshot *snapshot, const struct snapshot_path *path, uint32_t i,
		       const struct terminal *terminal, FILE *stream)
{
	const struct snapshot_step *step = &snapshot->census.steps[path->first_step + i];
	struct buffer before = {0}, name = {0}, after = {0};
	char count[32];
	buffer_format(&before, "  %*s%s", (int)(2 * i), "", !i ? "" : terminal->unicode ? "\xe2\x94\x94 " : "` ");
	text_clean(&name, step->edge);
	if (name.length)
		buffer_byte(&name, ' ');
	step_text(&name, snapshot, path, i);
	if (step->references)
		buffer_format(&after, ", %s reference%s", format_count(count, step->references),
			      step->references == 1 ? "" : "s");
	print_fitted(buffer_string(&before), buffer_string(&name), buffer_string(&after), false, terminal, stream);
	buffer_free(&before);
	buffer_free(&name);
	buffer_free(&after);
}

static void print_summary(const struct snapshot *snapshot, const struct snapshot_path *path,
			  const struct terminal *terminal, FILE *stream)
{
	char count[32], size[32];
	struct buffer before = {0}, after = {0};
	const struct snapshot_held *held = held_of(snapshot, path->type);
	buffer_format(&before, "%s ", format_count(count, path->objects));
	buffer_format(&after, " in %s", format_size(size, path->bytes));
	if (held)
		buffer_format(&after, ", %u %% of all %s%s", share_percent(path->objects, held->objects),
			      format_count(count, held->objects),
			      path->share == SHARE_ONE_OF_MANY ? "; other paths lead to them too" : "");
	print_fitted(buffer_string(&before), snapshot->census.types[path->type].name, buffer_string(&after), true,
		     terminal, stream);
	buffer_free(&before);
	buffer_free(&after);
}

static void print_path(const struct snapshot *snapshot, const struct snapshot_path *path,
		       const struct terminal *terminal, FILE *stream)
{
	char count[32];
	struct buffer why = {0};
	print_summary(snapshot, path, terminal, stream);
	buffer_text(&why, "why: ");
	cause_sentence(&why, snapshot, path, "them");
	print_wrapped(buffer_string(&why), 2, terminal, stream);
	buffer_free(&why);
	for (uint32_t i = 0; i < path->step_count; i++) {
		if (path->left_out && i == (path->step_count + 1) / 2)
			fprintf(stream, "  %*s... %s more\n", (int)(2 * i), "", format_count(count, path->left_out));
		print_step(snapshot, path, i, terminal, stream);
	}
	if (path->lost && path->hold != HOLD_FRAME)
		fprintf(stream, "  %s reference%s to it that no object has\n", format_count(count, path->lost),
			path->lost == 1 ? "" : "s");
	fputc('\n', stream);
}

/* Prints the objects that are on none of the paths, which are those of the largest shares. */
static void print_rest(const struct snapshot *snapshot, const struct snapshot_held *held,
		       const struct terminal *terminal, FILE *stream)
{
	char rest[32], all[32];
	struct buffer text = {0};
	if (held->explained >= held->objects)
		return;
	buffer_format(&text, "%s of all %s ", format_count(rest, held->objects - held->explained),
		      format_count(all, held->objects));
	text_clean(&text, snapshot->census.types[held->type].name);
	buffer_text(&text, " are on none of these paths: they are held in other ways, few in each");
	print_wrapped(buffer_string(&text), 0, terminal, stream);
	buffer_free(&text);
}

static void write_text(const struct snapshot *snapshot, const struct refs_options *options, FILE *stream)
{
	struct terminal terminal = terminal_of(stream, COLOR_AUTO, options->width);
	for (uint32_t i = 0; i < snapshot->census.path_count; i++)
		if (is_wanted(snapshot, snapshot->census.paths[i].type, options->type))
			print_path(snapshot, &snapshot->census.paths[i], &terminal, stream);
	for (uint32_t i = 0; i < snapshot->census.held_count; i++)
		if (is_wanted(snapshot, snapshot->census.held[i].type, options->type))
			print_rest(snapshot, &snapshot->census.held[i], &terminal, stream);
}

/* --- Graphviz -------------------------------------------------------------------------------------------------- */

static void put_quoted(FILE *stream, const char *text)
{
	struct buffer quoted = {0};
	escape_dot(&quoted, text);
	fwrite(quoted.data, 1, quoted.length, stream);
	buffer_free(&quoted);
}

static void put_node(const struct snapshot *snapshot, uint32_t number, uint32_t i, FILE *stream)
{
	const struct snapshot_path *path = &snapshot->census.paths[number];
	struct buffer text = {0};
	char count[32];
	bool is_last = i + 1 == path->step_count;
	step_text(&text, snapshot, path, i);
	if (is_last)
		buffer_format(&text, ", %s object%s", format_count(count, path->objects),
			      path->objects == 1 ? "" : "s");
	fprintf(stream, "\tp%" PRIu32 "_%" PRIu32 " [label=", number, i);
	put_quoted(stream, buffer_string(&text));
	fprintf(stream, "%s];\n", is_last ? ", style=filled, fillcolor=lightpink" : i == 0 ? ", shape=box" : "");
	buffer_free(&text);
}

static void write_dot(const struct snapshot *snapshot, const struct refs_options *options, FILE *stream)
{
	fputs("digraph refs {\n\trankdir=LR;\n\tnode [fontname=sans];\n\tedge [fontname=sans];\n", stream);
	for (uint32_t number = 0; number < snapshot->census.path_count; number++) {
		const struct snapshot_path *path = &snapshot->census.paths[number];
		if (!is_wanted(snapshot, path->type, options->type))
			continue;
		for (uint32_t i = 0; i < path->step_count; i++) {
			put_node(snapshot, number, i, stream);
			if (!i)
				continue;
			fprintf(stream, "\tp%" PRIu32 "_%" PRIu32 " -> p%" PRIu32 "_%" PRIu32 " [label=", number, i - 1,
				number, i);
			put_quoted(stream, snapshot->census.steps[path->first_step + i].edge);
			fputs("];\n", stream);
		}
		if (path->hold == HOLD_CYCLE && path->step_count > 1)
			fprintf(stream, "\tp%" PRIu32 "_%" PRIu32 " -> p%" PRIu32 "_0;\n", number, path->step_count - 1,
				number);
	}
	fputs("}\n", stream);
}

/* --- JSON ------------------------------------------------------------------------------------------------------ */

static void put_share(const struct snapshot *snapshot, const struct snapshot_path *path, struct json *json)
{
	static const char *const names[] = {[SHARE_ALL] = "all",
					    [SHARE_ALIKE] = "alike",
					    [SHARE_ONE_OF_MANY] = "one-of-many",
					    [SHARE_NONE] = "none"};
	const struct snapshot_held *held = held_of(snapshot, path->type);
	struct buffer holder = {0};
	if (!held)
		return;
	json_put_number(json, "of_objects", held->objects);
	json_put_text(json, "share", path->share < sizeof names / sizeof *names ? names[path->share] : NULL);
	holder_text(&holder, snapshot, path);
	json_put_text(json, "holder", buffer_string(&holder));
	json_put_number(json, "holder_steps", path->holder_steps);
	json_put_number(json, "left_out", path->left_out);
	buffer_free(&holder);
}

static void path_json(const struct snapshot *snapshot, const struct snapshot_path *path, struct json *json)
{
	struct buffer text = {0}, why = {0};
	json_put_object(json, NULL, false);
	json_put_text(json, "type", snapshot->census.types[path->type].name);
	json_put_number(json, "objects", path->objects);
	json_put_number(json, "bytes", path->bytes);
	put_share(snapshot, path, json);
	json_put_text(json, "held_by", hold_text(path));
	json_put_text(json, "cause", cause_name(cause_of(snapshot, path)));
	path_text(&text, snapshot, path);
	json_put_text(json, "path", buffer_string(&text));
	cause_sentence(&why, snapshot, path, "them");
	json_put_text(json, "why", buffer_string(&why));
	json_put_number(json, "lost_references", path->lost);
	json_put_array(json, "steps", false);
	for (uint32_t i = 0; i < path->step_count; i++) {
		const struct snapshot_step *step = &snapshot->census.steps[path->first_step + i];
		json_put_object(json, NULL, true);
		json_put_text(json, "type", step->type ? snapshot->census.types[step->type].name : NULL);
		json_put_text(json, "label", step->label);
		json_put_text(json, "edge", step->edge);
		json_put_number(json, "references", step->references);
		json_end_object(json);
	}
	json_end_array(json);
	json_end_object(json);
	buffer_free(&text);
	buffer_free(&why);
}

static void write_json(const struct snapshot *snapshot, const struct refs_options *options, FILE *stream)
{
	struct json json = {.stream = stream};
	json_put_object(&json, NULL, false);
	json_put_text(&json, "schema", "mudlark.refs/1");
	heading_json(snapshot, &json);
	json_put_array(&json, "paths", false);
	for (uint32_t i = 0; i < snapshot->census.path_count; i++)
		if (is_wanted(snapshot, snapshot->census.paths[i].type, options->type))
			path_json(snapshot, &snapshot->census.paths[i], &json);
	json_end_array(&json);
	json_put_array(&json, "types", false);
	for (uint32_t i = 0; i < snapshot->census.held_count; i++) {
		const struct snapshot_held *held = &snapshot->census.held[i];
		if (!is_wanted(snapshot, held->type, options->type))
			continue;
		json_put_object(&json, NULL, true);
		json_put_text(&json, "type", snapshot->census.types[held->type].name);
		json_put_number(&json, "objects", held->objects);
		json_put_number(&json, "bytes", held->bytes);
		json_put_number(&json, "explained", held->explained);
		json_end_object(&json);
	}
	json_end_array(&json);
	json_end_object(&json);
	json_finish(&json);
}

/* --------------------------------------------------------------------------------------------------------------- */

static int check_refs(const struct snapshot *snapshot, const char *path, const struct refs_options *options,
		      struct error *error)
{
	if (types_need_census(snapshot, path, error) != EXIT_FINE)
		return error->code;
	if (!snapshot->census.has_refs)
		return error_set(error, EXIT_USAGE, "take one with mudlark snap --refs TYPE PID",
				 "%s does not show who holds what: it was written without referrer paths", path);
	for (uint32_t i = 0; i < snapshot->census.path_count; i++)
		if (is_wanted(snapshot, snapshot->census.paths[i].type, options->type))
			return EXIT_FINE;
	return error_set(error, EXIT_USAGE, "mudlark show --by type lists all types",
			 "%s has no referrer paths of %s%s", path, options->type ? "type " : "the requested type",
			 options->type ? options->type : "");
}

static int run_refs(const struct command *command, int argc, char **argv, struct error *error)
{
	static void (*const writers[])(const struct snapshot *, const struct refs_options *, FILE *) = {
		[FORMAT_TEXT] = write_text, [FORMAT_DOT] = write_dot, [FORMAT_JSON] = write_json};
	struct refs_options options = {0};
	int first;
	int status = options_parse(command, argc, argv, refs_option, &options, &first, error);
	if (status == EXIT_FINE && first + 1 != argc)
		status = options_operands(command, "name one snapshot", error);
	if (status != EXIT_FINE)
		return status;
	struct snapshot *snapshot = snapshot_load(argv[first], error);
	if (!snapshot)
		return error->code;
	status = check_refs(snapshot, argv[first], &options, error);
	if (status == EXIT_FINE)
		writers[options.format](snapshot, &options, stdout);
	snapshot_free(snapshot);
	return status;
}

static const struct option_spec options_table[] = {
	{OPTION_TYPE, 't', "type", "TYPE", ARGUMENT_WORD, NULL, "of this type only, with or without its module"},
	{OPTION_FORMAT, 'f', "format", "FORMAT", ARGUMENT_CHOICE, FORMAT_CHOICES,
	 "text (the default), dot for Graphviz, or json"},
	{OPTION_JSON, 'j', "json", NULL, ARGUMENT_NONE, NULL, "the same as --format json"},
	WIDTH_OPTION(OPTION_WIDTH),
	{0},
};

const struct command refs_command = {
	.name = "refs",
	.operands = "SNAPSHOT",
	.summary = "show who holds the objects of a Python type, and why",
	.description =
		"Shows who holds the objects of a type: the holders of the largest parts, each with its part and "
		"a shortest path, with the cause and the usual fix. The snapshot must have been "
		"taken by mudlark snap --refs TYPE, or with refs=TYPE in the program's options.",
	.epilogue = "Exit status: 0; 2 wrong usage, or the snapshot has no paths; 3 it cannot be read.\n"
		    "Example: mudlark refs --format dot SNAPSHOT | dot -Tsvg > refs.svg\n",
	.options = options_table,
	.operand_kind = ARGUMENT_FILE,
	.run = run_refs,
};
