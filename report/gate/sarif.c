/*
 * SARIF 2.1.0, for code scanning. GitHub recognises a result again by its rule, its place and partialFingerprints,
 * shows the first 5,000 results, and keeps 1,000 locations of a thread flow; URIs are relative to the checkout.
 */
#include "report/gate/gate.h"

#include "report/base/escape.h"
#include "report/base/memory.h"
#include "report/text/json_write.h"

#include <stdlib.h>

enum { RESULTS_MOST = 5000, LOCATIONS_MOST = 1000 };

static const char *const rule_texts[FINDING_KINDS] = {
	"Memory that no pointer is left to",          "Memory that only leaked memory points to",
	"Memory that only doubtful pointers lead to", "Memory that only stacks point to",
	"Memory that was still reachable at the end", "A part of what each iteration allocates is never freed",
	"Memory that grows more and more slowly",     "Memory whose total rises",
	"More memory is live than the limit",         "More memory of one stack is live than the limit",
	"More memory is live than in the base run",
};

static void put_rules(struct json *json)
{
	json_put_array(json, "rules", false);
	for (int kind = 0; kind < FINDING_KINDS; kind++) {
		char id[48];
		snprintf(id, sizeof id, "memory/%s", finding_name((enum finding_kind)kind));
		json_put_object(json, NULL, true);
		json_put_text(json, "id", id);
		json_put_object(json, "shortDescription", true);
		json_put_text(json, "text", rule_texts[kind]);
		json_end_object(json);
		json_end_object(json);
	}
	json_end_array(json);
}

/* The members of a location; where the file is not known, the function alone. */
static void put_location(const struct gate *gate, const struct location *location, struct json *json)
{
	struct buffer uri = {0};
	if (location->file) {
		escape_uri(&uri, gate_relative(gate, location->file));
		json_put_object(json, "physicalLocation", true);
		json_put_object(json, "artifactLocation", true);
		json_put_text(json, "uri", buffer_string(&uri));
		json_end_object(json);
		if (location->line) {
			json_put_object(json, "region", true);
			json_put_number(json, "startLine", location->line);
			json_end_object(json);
		}
		json_end_object(json);
	}
	if (location->function) {
		json_put_array(json, "logicalLocations", true);
		json_put_object(json, NULL, true);
		json_put_text(json, "fullyQualifiedName", location->function);
		json_put_text(json, "kind", "function");
		json_end_object(json);
		json_end_array(json);
	}
	buffer_free(&uri);
}

static void put_stacks(const struct gate *gate, const struct finding *finding, struct json *json)
{
	static const struct aggregate_options options = {.by = BY_STACK};
	struct stack_walk walk = {0};
	const struct location *location;
	json_put_array(json, "stacks", false);
	json_put_object(json, NULL, false);
	json_put_array(json, "frames", false);
	for (int count = 0;
	     count < LOCATIONS_MOST && (location = stack_next(&walk, finding->names, &finding->row, &options));
	     count++) {
		json_put_object(json, NULL, true);
		json_put_object(json, "location", true);
		put_location(gate, location, json);
		json_end_object(json);
		json_put_text(json, "module", location->module_name);
		json_end_object(json);
	}
	json_end_array(json);
	json_end_object(json);
	json_end_array(json);
}

static void put_result(const struct gate *gate, const struct finding *finding, struct json *json)
{
	struct buffer text = {0};
	char id[48];
	const struct location *place = finding_place(gate, finding);
	finding_title(gate, finding, &text);
	buffer_format(&text, ": %s", finding->reason);
	snprintf(id, sizeof id, "memory/%s", finding_name(finding->kind));
	json_put_object(json, NULL, false);
	json_put_text(json, "ruleId", id);
	json_put_number(json, "ruleIndex", finding->kind);
	json_put_text(json, "level",
		      finding->decision == DECISION_FAIL   ? "error"
		      : finding->decision == DECISION_WARN ? "warning"
							   : "note");
	json_put_object(json, "message", true);
	json_put_text(json, "text", buffer_string(&text));
	json_end_object(json);
	json_put_array(json, "locations", false);
	if (place) {
		json_put_object(json, NULL, true);
		put_location(gate, place, json);
		json_end_object(json);
	}
	json_end_array(json);
	if (finding->row.frame)
		put_stacks(gate, finding, json);
	json_put_object(json, "partialFingerprints", true);
	json_put_text(json, "leakStack/v1", finding->fingerprint.whole);
	json_end_object(json);
	if (gate->has_baseline)
		json_put_text(json, "baselineState",
			      finding->decision == DECISION_KNOWN ? "unchanged"
			      : finding->known                    ? "updated"
								  : "new");
	if (finding->decision == DECISION_SUPPRESSED) {
		json_put_array(json, "suppressions", true);
		json_put_object(json, NULL, true);
		json_put_text(json, "kind", "external");
		json_put_text(json, "justification", finding->reason);
		json_end_object(json);
		json_end_array(json);
	}
	json_end_object(json);
	buffer_free(&text);
}

static void put_notification(const char *text, struct json *json)
{
	json_put_object(json, NULL, true);
	json_put_text(json, "level", "warning");
	json_put_object(json, "message", true);
	json_put_text(json, "text", text);
	json_end_object(json);
	json_end_object(json);
}

/* What the results do not say: what is missing, and how many are left out. */
static void put_notifications(const struct gate *gate, struct json *json)
{
	json_put_array(json, "toolExecutionNotifications", true);
	if (gate->command_status) {
		struct buffer command = {0};
		gate_command_text(gate, &command);
		put_notification(buffer_string(&command), json);
		buffer_free(&command);
	}
	if (gate->incomplete)
		put_notification(gate->incomplete, json);
	size_t results = gate->count - gate->decided[DECISION_IGNORED];
	if (results > RESULTS_MOST) {
		char *text = must_format("%zu findings after the first %d are left out", results - RESULTS_MOST,
					 RESULTS_MOST);
		put_notification(text, json);
		free(text);
	}
	json_end_array(json);
}

void gate_report_sarif(const struct gate *gate, FILE *stream)
{
	struct json json = {.stream = stream};
	json_put_object(&json, NULL, false);
	json_put_text(&json, "$schema", "https://json.schemastore.org/sarif-2.1.0.json");
	json_put_text(&json, "version", "2.1.0");
	json_put_array(&json, "runs", false);
	json_put_object(&json, NULL, false);
	json_put_object(&json, "tool", false);
	json_put_object(&json, "driver", false);
	json_put_text(&json, "name", "Mudlark");
	json_put_text(&json, "version", MUDLARK_VERSION);
	put_rules(&json);
	json_end_object(&json);
	json_end_object(&json);
	json_put_array(&json, "invocations", true);
	json_put_object(&json, NULL, true);
	json_put_boolean(&json, "executionSuccessful", !gate_is_incomplete(gate));
	put_notifications(gate, &json);
	json_end_object(&json);
	json_end_array(&json);
	json_put_array(&json, "results", false);
	for (size_t i = 0; i < gate->count && i < RESULTS_MOST; i++)
		if (gate->findings[i].decision != DECISION_IGNORED)
			put_result(gate, &gate->findings[i], &json);
	json_end_array(&json);
	json_end_object(&json);
	json_end_array(&json);
	json_end_object(&json);
	json_finish(&json);
}
