/*
 * The text report for a job's log, and the choice among all reports.
 */
#include "report/gate/gate.h"

#include "report/views/rows.h"

#include <inttypes.h>

enum { STACK_FRAMES = 12 };

void gate_report(const struct gate *gate, enum report_format format, FILE *stream)
{
	static void (*const writers[REPORT_FORMATS])(const struct gate *, FILE *) = {
		[REPORT_TEXT] = gate_report_text,     [REPORT_MARKDOWN] = gate_report_markdown,
		[REPORT_JSON] = gate_report_json,     [REPORT_JUNIT] = gate_report_junit,
		[REPORT_SARIF] = gate_report_sarif,   [REPORT_GITHUB] = gate_report_github,
		[REPORT_GITLAB] = gate_report_gitlab,
	};
	writers[format](gate, stream);
}

static void print_clean(const char *prefix, const char *text, FILE *stream)
{
	struct buffer line = {0};
	text_clean(&line, text);
	fprintf(stream, "%s%s\n", prefix, buffer_string(&line));
	buffer_free(&line);
}

static void print_finding(const struct gate *gate, const struct finding *finding, FILE *stream)
{
	struct buffer title = {0}, stack = {0};
	char prefix[32];
	finding_title(gate, finding, &title);
	finding_stack(gate, finding, STACK_FRAMES, &stack);
	snprintf(prefix, sizeof prefix, "\n%s: ", decision_name(finding->decision));
	print_clean(prefix, buffer_string(&title), stream);
	print_clean("  why:  ", finding->reason, stream);
	if (finding->mend[0])
		print_clean("  fix:  ", finding->mend, stream);
	if (finding->row.frame)
		fprintf(stream, "  id:   %s\n", finding->fingerprint.whole);
	for (char *line = stack.length ? (buffer_string(&stack), stack.data) : NULL, *end; line && *line;
	     line = end + 1) {
		end = line;
		while (*end != '\n')
			end++;
		*end = '\0';
		print_clean("    ", line, stream);
	}
	buffer_free(&title);
	buffer_free(&stack);
}

void gate_report_text(const struct gate *gate, FILE *stream)
{
	static const char *const verdicts[] = {"passed", "FAILED", "", "", "INCOMPLETE"};
	struct buffer program = {0}, command = {0};
	text_clean(&program, gate->newest->texts[META_PROGRAM].data);
	/* A command that failed has not passed, whatever its memory. */
	if (gate->command_status) {
		gate_command_text(gate, &command);
		buffer_text(&command, "; memory: ");
	}
	fprintf(stream, "gate %s%s: %s, pid %" PRIu64 ": %s%zu failed, %zu warned, %zu known, %zu suppressed\n",
		gate->command_status ? "FAILED" : verdicts[gate_status(gate)],
		gate_passes_unjudged(gate) ? ", growth not judged" : "", buffer_string(&program),
		gate->newest->numbers[META_PID], buffer_string(&command), gate->decided[DECISION_FAIL],
		gate->decided[DECISION_WARN], gate->decided[DECISION_KNOWN], gate->decided[DECISION_SUPPRESSED]);
	buffer_free(&program);
	buffer_free(&command);
	if (gate->incomplete)
		print_clean("incomplete: ", gate->incomplete, stream);
	for (size_t i = 0; i < gate->series_count; i++) {
		struct buffer words = {0};
		if (!gate_says_series(gate, &gate->series[i]))
			continue;
		gate_series_text(gate, &gate->series[i], &words);
		print_clean("", buffer_string(&words), stream);
		buffer_free(&words);
	}
	struct buffer unjudged = {0};
	if (gate_unjudged_text(gate, &unjudged))
		print_clean("", buffer_string(&unjudged), stream);
	buffer_free(&unjudged);
	for (size_t i = 0; i < gate->count; i++)
		if (gate->findings[i].decision <= DECISION_WARN)
			print_finding(gate, &gate->findings[i], stream);
}
