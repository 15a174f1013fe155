/*
 * Workflow commands of GitHub Actions: annotations beside the lines of a pull request. A step may have ten errors and
 * ten warnings. Of each, the first nine findings are shown, and the tenth counts the rest.
 */
#include "report/gate/gate.h"

#include "report/base/escape.h"

enum { ANNOTATIONS = 9, STACK_FRAMES = 8 };

static void put_annotation(const struct gate *gate, const struct finding *finding, const char *level, FILE *stream)
{
	struct buffer out = {0}, title = {0}, text = {0};
	const struct location *place = finding_place(gate, finding);
	const char *file = place && place->file ? gate_relative(gate, place->file) : NULL;
	finding_title(gate, finding, &title);
	buffer_format(&text, "%s\n", finding->reason);
	finding_stack(gate, finding, STACK_FRAMES, &text);
	buffer_text(&text, finding->mend);
	buffer_format(&out, "::%s ", level);
	/* Only files of the checkout can be annotated. */
	if (file && gate_is_project(gate, place->file)) {
		buffer_text(&out, "file=");
		escape_command(&out, file, true);
		if (place->line)
			buffer_format(&out, ",line=%u", place->line);
		buffer_byte(&out, ',');
	}
	buffer_text(&out, "title=");
	escape_command(&out, buffer_string(&title), true);
	buffer_text(&out, "::");
	escape_command(&out, buffer_string(&text), false);
	buffer_byte(&out, '\n');
	fwrite(out.data, 1, out.length, stream);
	buffer_free(&out);
	buffer_free(&title);
	buffer_free(&text);
}

static void put_level(const struct gate *gate, size_t first, size_t count, const char *level, FILE *stream)
{
	for (size_t i = 0; i < count && i < ANNOTATIONS; i++)
		put_annotation(gate, &gate->findings[first + i], level, stream);
	if (count > ANNOTATIONS)
		fprintf(stream, "::%s title=memory gate::%zu more findings: see the job's log\n", level,
			count - ANNOTATIONS);
}

void gate_report_github(const struct gate *gate, FILE *stream)
{
	/* Findings are in the order of their decisions. */
	put_level(gate, 0, gate->decided[DECISION_FAIL], "error", stream);
	put_level(gate, gate->decided[DECISION_FAIL], gate->decided[DECISION_WARN], "warning", stream);
	if (gate->command_status) {
		struct buffer command = {0}, line = {0};
		gate_command_text(gate, &command);
		escape_command(&line, buffer_string(&command), false);
		fprintf(stream, "::notice title=memory gate::%s\n", buffer_string(&line));
		buffer_free(&command);
		buffer_free(&line);
	}
	if (!gate->incomplete)
		return;
	struct buffer out = {0};
	escape_command(&out, gate->incomplete, false);
	fprintf(stream, "::notice title=memory gate is incomplete::%s\n", buffer_string(&out));
	buffer_free(&out);
}
