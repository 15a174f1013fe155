/*
 * A comment for a pull request: a table of what matters, with collapsed stacks. GitHub accepts 65,536 characters in a
 * comment; what comes after 60,000 is left out and counted.
 */
#include "report/gate/gate.h"

#include "report/base/escape.h"

enum { COMMENT_MOST = 60000, TABLE_ROWS = 10, STACK_FRAMES = 16, TEXT_MOST = 400 };

/* Text in a table's cell or a summary: no markup, no line breaks, not too long. */
static void put_plain(struct buffer *out, const char *text)
{
	escape_markdown(out, text, TEXT_MOST);
}

static void put_row(const struct gate *gate, const struct finding *finding, struct buffer *out)
{
	struct buffer title = {0};
	finding_title(gate, finding, &title);
	buffer_format(out, "| %s | ", decision_name(finding->decision));
	put_plain(out, buffer_string(&title));
	buffer_text(out, " | ");
	put_plain(out, finding->reason);
	buffer_text(out, " |\n");
	buffer_free(&title);
}

static void put_stack(const struct gate *gate, const struct finding *finding, struct buffer *out)
{
	struct buffer title = {0}, stack = {0};
	finding_title(gate, finding, &title);
	finding_stack(gate, finding, STACK_FRAMES, &stack);
	buffer_text(out, "\n<details><summary>");
	put_plain(out, buffer_string(&title));
	buffer_text(out, "</summary>\n\n<pre>\n");
	const char *line = buffer_string(&stack);
	while (*line) {
		struct buffer one = {0};
		size_t length = 0;
		while (line[length] && line[length] != '\n')
			length++;
		buffer_append(&one, line, length);
		put_plain(out, buffer_string(&one));
		buffer_byte(out, '\n');
		buffer_free(&one);
		line += length + (line[length] == '\n');
	}
	buffer_text(out, "</pre>\n\n");
	put_plain(out, finding->mend);
	buffer_format(out, "%s`%s`\n\n</details>\n", finding->mend[0] ? "; fingerprint " : "fingerprint ",
		      finding->fingerprint.whole);
	buffer_free(&title);
	buffer_free(&stack);
}

void gate_report_markdown(const struct gate *gate, FILE *stream)
{
	struct buffer out = {0};
	int status = gate_status(gate);
	size_t matters = gate->decided[DECISION_FAIL] + gate->decided[DECISION_WARN], left_out = 0;
	buffer_format(&out, "### Memory gate %s%s: ",
		      gate->command_status    ? "failed"
		      : status == EXIT_FINE   ? "passed"
		      : status == EXIT_JUDGED ? "failed"
					      : "incomplete",
		      gate_passes_unjudged(gate) ? ", growth not judged" : "");
	put_plain(&out, gate->newest->texts[META_PROGRAM].data);
	buffer_format(&out, "\n\n%zu failed, %zu warned, %zu known, %zu suppressed\n", gate->decided[DECISION_FAIL],
		      gate->decided[DECISION_WARN], gate->decided[DECISION_KNOWN], gate->decided[DECISION_SUPPRESSED]);
	if (gate->command_status) {
		struct buffer command = {0};
		gate_command_text(gate, &command);
		buffer_format(&out, "\nThe memory aside, %s.\n", buffer_string(&command));
		buffer_free(&command);
	}
	if (gate->incomplete) {
		buffer_text(&out, "\nIncomplete: ");
		put_plain(&out, gate->incomplete);
		buffer_byte(&out, '\n');
	}
	for (size_t i = 0; i < gate->series_count; i++) {
		struct buffer words = {0};
		if (!gate_says_series(gate, &gate->series[i]))
			continue;
		gate_series_text(gate, &gate->series[i], &words);
		buffer_byte(&out, '\n');
		put_plain(&out, buffer_string(&words));
		buffer_byte(&out, '\n');
		buffer_free(&words);
	}
	struct buffer unjudged = {0};
	if (gate_unjudged_text(gate, &unjudged)) {
		buffer_byte(&out, '\n');
		put_plain(&out, buffer_string(&unjudged));
		buffer_byte(&out, '\n');
	}
	buffer_free(&unjudged);
	if (matters)
		buffer_text(&out, "\n| | Finding | Why |\n|---|---|---|\n");
	for (size_t i = 0; i < matters && i < TABLE_ROWS; i++)
		put_row(gate, &gate->findings[i], &out);
	if (matters > TABLE_ROWS)
		buffer_format(&out, "| | and %zu more | |\n", matters - TABLE_ROWS);
	for (size_t i = 0; i < matters; i++) {
		struct buffer one = {0};
		put_stack(gate, &gate->findings[i], &one);
		if (left_out || out.length + one.length > COMMENT_MOST)
			left_out++;
		else
			buffer_append(&out, one.data, one.length);
		buffer_free(&one);
	}
	if (left_out)
		buffer_format(&out, "\n%zu more findings are left out here.\n", left_out);
	fwrite(out.data, 1, out.length, stream);
	buffer_free(&out);
}
