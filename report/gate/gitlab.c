/*
 * GitLab's code quality report: an array of issues. Of two issues with one fingerprint, GitLab keeps the first, so the
 * kind is part of it here. Each issue needs a path and a line; a finding without a source file uses its module, line 1.
 */
#include "report/gate/gate.h"

#include "report/text/json_write.h"

void gate_report_gitlab(const struct gate *gate, FILE *stream)
{
	struct json json = {.stream = stream};
	json_put_array(&json, NULL, false);
	for (size_t i = 0; i < gate->count && gate->findings[i].decision <= DECISION_WARN; i++) {
		const struct finding *finding = &gate->findings[i];
		const struct location *place = finding_place(gate, finding);
		struct buffer title = {0};
		char fingerprint[64];
		finding_title(gate, finding, &title);
		buffer_format(&title, ": %s", finding->reason);
		snprintf(fingerprint, sizeof fingerprint, "%s-%s", finding->fingerprint.whole,
			 finding_name(finding->kind));
		json_put_object(&json, NULL, false);
		json_put_text(&json, "description", buffer_string(&title));
		json_put_text(&json, "check_name", finding_name(finding->kind));
		json_put_text(&json, "fingerprint", fingerprint);
		json_put_text(&json, "severity", finding->decision == DECISION_FAIL ? "major" : "minor");
		json_put_object(&json, "location", true);
		json_put_text(&json, "path",
			      place && place->file             ? gate_relative(gate, place->file)
			      : place && place->module_name[0] ? place->module_name
							       : gate->newest->texts[META_PROGRAM].data);
		json_put_object(&json, "lines", true);
		json_put_number(&json, "begin", place && place->file && place->line ? place->line : 1);
		json_end_object(&json);
		json_end_object(&json);
		json_end_object(&json);
		buffer_free(&title);
	}
	json_end_array(&json);
	json_finish(&json);
}
