/*
 * What findings are called, and what reports say of one; see gate.h.
 */
#include "report/gate/gate.h"

#include "report/base/escape.h"
#include "report/views/rows.h"

#include <string.h>

static const char *const kind_names[FINDING_KINDS] = {
	"definite",   "indirect",  "possible", "stack-only", "reachable", "growth",
	"saturating", "suspected", "live",     "stack",      "increase",
};

const char *finding_name(enum finding_kind kind)
{
	return kind_names[kind];
}

const char *decision_name(enum decision decision)
{
	static const char *const names[] = {"fail", "warn", "known", "suppressed", "ignored"};
	return names[decision];
}

const char *gate_relative(const struct gate *gate, const char *file)
{
	size_t length = gate->source_root ? strlen(gate->source_root) : 0;
	return length && !strncmp(file, gate->source_root, length) ? file + length : file;
}

bool gate_is_project(const struct gate *gate, const char *file)
{
	const char *relative = gate_relative(gate, file);
	/* "./csu/../sysdeps" is a distribution's own tree. */
	return relative[0] != '/' && relative[0] != '.';
}

const struct location *finding_place(const struct gate *gate, const struct finding *finding)
{
	static const struct aggregate_options options = {.by = BY_STACK};
	struct stack_walk walk = {0};
	const struct location *location, *owner = NULL;
	if (finding->row.location)
		owner = &finding->names->locations[finding->row.location - 1];
	while (finding->row.frame && (location = stack_next(&walk, finding->names, &finding->row, &options)))
		if (location->file && location->line && location->role == ROLE_OWNER &&
		    gate_is_project(gate, location->file))
			return location;
	return owner;
}

void finding_title(const struct gate *gate, const struct finding *finding, struct buffer *out)
{
	char bytes[32], blocks[32];
	const struct location *place = finding_place(gate, finding);
	const char *name = place && place->function ? place->function : place ? place->module_name : NULL;
	format_count(bytes, finding->bytes);
	format_count(blocks, finding->blocks);
	const char *plural = finding->blocks == 1 ? "" : "s";
	if (finding->kind >= FINDING_GROWTH && finding->kind <= FINDING_SUSPECTED)
		buffer_format(out, "%s: about %s bytes in %s block%s per %s", finding_name(finding->kind), bytes,
			      blocks, plural, finding->unit);
	else if (finding->kind == FINDING_INCREASE)
		buffer_format(out, "increase: %s bytes in %s block%s more", bytes, blocks, plural);
	else if (finding->kind == FINDING_LIVE || finding->kind == FINDING_STACK)
		buffer_format(out, "%s bytes live in %s block%s", bytes, blocks, plural);
	else
		buffer_format(out, "%s leak: %s bytes in %s block%s", finding_name(finding->kind), bytes, blocks,
			      plural);
	if (name) {
		buffer_text(out, " in ");
		text_clean(out, name);
	} else {
		buffer_text(out, finding->kind == FINDING_LIVE ? " in the whole process" : " (no stack recorded)");
	}
}

void finding_stack(const struct gate *gate, const struct finding *finding, unsigned most, struct buffer *out)
{
	static const struct aggregate_options options = {.by = BY_STACK};
	struct stack_walk walk = {0};
	const struct location *location;
	unsigned count = 0;
	while (finding->row.frame && (location = stack_next(&walk, finding->names, &finding->row, &options))) {
		if (count++ == most) {
			buffer_text(out, "...\n");
			return;
		}
		struct location shown = *location;
		if (shown.file)
			shown.file = gate_relative(gate, shown.file);
		/* A line break in a name would be a frame that nobody called. */
		struct buffer line = {0};
		location_text(&line, &shown);
		text_clean(out, buffer_string(&line));
		buffer_byte(out, '\n');
		buffer_free(&line);
	}
}
