/*
 * JUnit's XML, as CI servers read it: a test case for each finding that was decided on. If there is none, one test case
 * passes, because some servers treat an empty suite as a failure. A warning passes, and the case's output mentions it.
 * What could not be judged is a separate case: an error if it makes the gate incomplete, otherwise skipped.
 */
#include "report/gate/gate.h"

#include "report/base/escape.h"

#include <string.h>

enum { STACK_FRAMES = 64 };

static void put_case(const struct gate *gate, const struct finding *finding, struct buffer *out)
{
	struct buffer title = {0}, stack = {0};
	const struct location *place = finding_place(gate, finding);
	bool failed = finding->decision == DECISION_FAIL;
	finding_title(gate, finding, &title);
	finding_stack(gate, finding, STACK_FRAMES, &stack);
	buffer_text(out, "    <testcase classname=\"");
	escape_xml(out, place && place->module_name[0] ? place->module_name : "process");
	buffer_text(out, "\" name=\"");
	escape_xml(out, buffer_string(&title));
	buffer_format(out, " [%s]\" time=\"0\">\n", finding->fingerprint.whole);
	buffer_text(out, failed ? "      <failure message=\"" : "      <system-out>");
	escape_xml(out, finding->reason);
	if (failed)
		buffer_format(out, "\" type=\"%s\">", finding_name(finding->kind));
	else
		buffer_text(out, "&#10;");
	escape_xml(out, buffer_string(&stack));
	buffer_text(out, failed ? "</failure>\n" : "</system-out>\n");
	buffer_text(out, "    </testcase>\n");
	buffer_free(&title);
	buffer_free(&stack);
}

void gate_report_junit(const struct gate *gate, FILE *stream)
{
	struct buffer out = {0};
	size_t cases = gate->count - gate->decided[DECISION_IGNORED];
	bool incomplete = gate_is_incomplete(gate);
	bool skipped = gate->incomplete && !incomplete;
	bool broken = gate->command_status != 0;
	size_t failures = gate->decided[DECISION_FAIL] + broken;
	size_t tests = cases + broken + (incomplete || skipped) + (!cases && !incomplete);
	buffer_text(&out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
	buffer_format(&out, "<testsuites tests=\"%zu\" failures=\"%zu\" errors=\"%d\" time=\"0\">\n", tests, failures,
		      incomplete);
	buffer_format(&out,
		      "  <testsuite name=\"mudlark gate\" tests=\"%zu\" failures=\"%zu\" errors=\"%d\" skipped=\"%d\" "
		      "time=\"0\">\n",
		      tests, failures, incomplete, skipped);
	for (size_t i = 0; i < cases; i++)
		put_case(gate, &gate->findings[i], &out);
	if (broken) {
		struct buffer command = {0};
		gate_command_text(gate, &command);
		buffer_text(&out, "    <testcase classname=\"gate\" name=\"the command ends with status 0\" "
				  "time=\"0\">\n      <failure message=\"");
		escape_xml(&out, buffer_string(&command));
		buffer_text(&out, "\" type=\"command\"></failure>\n    </testcase>\n");
		buffer_free(&command);
	}
	if (incomplete || skipped) {
		buffer_format(&out,
			      "    <testcase classname=\"gate\" name=\"data are complete\" time=\"0\">\n      <%s",
			      incomplete ? "error type=\"incomplete\"" : "skipped");
		buffer_text(&out, " message=\"");
		escape_xml(&out, gate->incomplete ? gate->incomplete : "the search for leaks was not complete");
		buffer_format(&out, "\"></%s>\n    </testcase>\n", incomplete ? "error" : "skipped");
	}
	if (!cases && !incomplete) {
		buffer_text(&out, "    <testcase classname=\"gate\" name=\"no finding\" time=\"0\"></testcase>\n");
	}
	buffer_text(&out, "  </testsuite>\n</testsuites>\n");
	fwrite(out.data, 1, out.length, stream);
	buffer_free(&out);
}
