/*
 * Schema mudlark.gate/1: everything that was found and decided, including what passed.
 */
#include "report/gate/gate.h"

#include "report/snapshot/heading.h"
#include "report/views/rows.h"

static void finding_json(const struct gate *gate, const struct finding *finding, struct json *json)
{
	static const struct aggregate_options options = {.by = BY_STACK};
	struct buffer title = {0};
	finding_title(gate, finding, &title);
	json_put_object(json, NULL, false);
	json_put_text(json, "kind", finding_name(finding->kind));
	json_put_text(json, "decision", decision_name(finding->decision));
	json_put_text(json, "title", buffer_string(&title));
	json_put_text(json, "reason", finding->reason);
	json_put_text(json, "remedy", finding->mend[0] ? finding->mend : NULL);
	/* Its name before; until the next schema. */
	json_put_text(json, "mend", finding->mend[0] ? finding->mend : NULL);
	json_put_text(json, "fingerprint", finding->fingerprint.whole);
	json_put_number(json, "bytes", finding->bytes);
	json_put_number(json, "blocks", finding->blocks);
	json_put_text(json, "process", finding->process);
	json_put_number(json, "processes", finding->processes);
	row_json(finding->names, &finding->row, &options, NULL, json);
	json_end_object(json);
	buffer_free(&title);
}

void gate_report_json(const struct gate *gate, FILE *stream)
{
	struct json json = {.stream = stream};
	json_put_object(&json, NULL, false);
	json_put_text(&json, "schema", "mudlark.gate/1");
	heading_json(gate->newest, &json);
	json_put_boolean(&json, "passed", gate_exit_status(gate) == EXIT_FINE);
	json_put_number(&json, "status", (uint64_t)gate_exit_status(gate));
	json_put_number(&json, "memory_status", (uint64_t)gate_status(gate));
	json_put_number(&json, "command_status", (uint64_t)gate->command_status);
	json_put_text(&json, "incomplete", gate->incomplete);
	json_put_boolean(&json, "growth_judged", gate->growth_told);
	json_put_text(&json, "unit", gate->unit);
	json_put_array(&json, "series", false);
	for (size_t i = 0; i < gate->series_count; i++) {
		json_put_object(&json, NULL, true);
		json_put_text(&json, "process", gate->series[i].process);
		series_json(&gate->series[i].series, &json);
		json_put_number(&json, "warmup", gate->series[i].warmup);
		json_put_boolean(&json, "told", gate->series[i].told);
		json_end_object(&json);
	}
	json_end_array(&json);
	json_put_object(&json, "decisions", true);
	for (int decision = 0; decision < DECISIONS; decision++)
		json_put_number(&json, decision_name((enum decision)decision), gate->decided[decision]);
	json_end_object(&json);
	json_put_array(&json, "findings", false);
	for (size_t i = 0; i < gate->count; i++)
		finding_json(gate, &gate->findings[i], &json);
	json_end_array(&json);
	json_put_array(&json, "stale", false);
	for (size_t i = 0; i < gate->baseline.count; i++)
		if (!gate->baseline.entries[i].seen)
			json_put_text(&json, NULL, gate->baseline.entries[i].fingerprint.whole);
	json_end_array(&json);
	json_end_object(&json);
	json_finish(&json);
}
