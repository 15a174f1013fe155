/*
 * The gate's decisions, its baseline, and the shape of each report as its consumer wants it.
 */
#include "report/gate/gate.h"
#include "tests/report/series.h"

#include <check.h>
#include <jansson.h>

struct judging {
	struct series series;
	struct names *names;
	struct gate gate;
};

/* Finds and does not decide: a growing and a saturating stack, and what is above the limits. */
static struct judging *find(uint64_t max_live, uint64_t max_stack)
{
	struct judging *j = calloc(1, sizeof *j);
	struct aggregate_options options = {.by = BY_STACK};
	struct growth growth;
	series_make(&j->series, 20, 1, series_usual);
	j->names = names_open(NULL);
	for (uint32_t i = 0; i < 20; i++)
		names_add(j->names, j->series.at[i]);
	gate_init(&j->gate);
	j->gate.names = j->names;
	j->gate.newest = j->series.at[19];
	j->gate.source_root = "/src/";
	j->gate.policy.max_live = max_live;
	j->gate.policy.max_stack = max_stack;
	growth_build(&growth, j->names, &j->series, &options, 0);
	gate_find_growth(&j->gate, &growth);
	growth_free(&growth);
	gate_find_limits(&j->gate, j->names, j->gate.newest);
	return j;
}

static void forget(struct judging *j)
{
	gate_free(&j->gate);
	names_close(j->names);
	series_free(&j->series);
	free(j);
}

static void expect(const struct judging *j, size_t number, enum finding_kind kind, enum decision decision)
{
	ck_assert_uint_lt(number, j->gate.count);
	ck_assert_str_eq(finding_name(j->gate.findings[number].kind), finding_name(kind));
	ck_assert_str_eq(decision_name(j->gate.findings[number].decision), decision_name(decision));
}

START_TEST(growth_fails_and_saturation_warns)
{
	struct judging *j = find(UINT64_MAX, UINT64_MAX);
	ck_assert_int_eq(gate_decide(&j->gate), EXIT_JUDGED);
	ck_assert_uint_eq(j->gate.count, 2);
	expect(j, 0, FINDING_GROWTH, DECISION_FAIL);
	expect(j, 1, FINDING_SATURATING, DECISION_WARN);
	ck_assert_uint_eq(j->gate.findings[0].bytes, 200);
	ck_assert_uint_eq(j->gate.findings[0].blocks, 2);
	/* Tolerated growth is said, but passes; what is not asked for is neither. */
	j->gate.policy.max_growth = 201;
	ck_assert_int_eq(gate_decide(&j->gate), EXIT_FINE);
	j->gate.policy.max_growth = 199;
	ck_assert_int_eq(gate_decide(&j->gate), EXIT_JUDGED);
	j->gate.policy.fail_on = FINDING_BIT(FINDING_SATURATING);
	ck_assert_int_eq(gate_decide(&j->gate), EXIT_JUDGED);
	expect(j, 0, FINDING_SATURATING, DECISION_FAIL);
	expect(j, 1, FINDING_GROWTH, DECISION_IGNORED);
	forget(j);
}
END_TEST

START_TEST(limits_are_of_the_last_snapshot)
{
	/* Live: stack 1 8000 bytes, 2 18,000, 3 4000, 4 700. */
	struct judging *j = find(30699, 7999);
	j->gate.policy.fail_on &= ~FINDING_BIT(FINDING_GROWTH);
	ck_assert_int_eq(gate_decide(&j->gate), EXIT_JUDGED);
	ck_assert_uint_eq(j->gate.decided[DECISION_FAIL], 3);
	expect(j, 0, FINDING_LIVE, DECISION_FAIL);
	expect(j, 1, FINDING_STACK, DECISION_FAIL);
	ck_assert_uint_eq(j->gate.findings[0].bytes, 30700);
	ck_assert_uint_eq(j->gate.findings[1].bytes, 18000);
	ck_assert_uint_eq(j->gate.findings[2].bytes, 8000);
	forget(j);
	j = find(30700, 18000);
	j->gate.policy.fail_on &= ~FINDING_BIT(FINDING_GROWTH);
	ck_assert_int_eq(gate_decide(&j->gate), EXIT_FINE);
	forget(j);
}
END_TEST

START_TEST(incomplete_is_neither_passed_nor_failed)
{
	struct judging *j = find(UINT64_MAX, UINT64_MAX);
	gate_incomplete(&j->gate, "%d things are missing", 3);
	ck_assert_int_eq(gate_decide(&j->gate), EXIT_JUDGED);
	j->gate.policy.complete = true;
	ck_assert_int_eq(gate_decide(&j->gate), EXIT_INCOMPLETE);
	j->gate.policy.complete = false;
	j->gate.scan_incomplete = true;
	/* What another process was not searched for does not make a proven finding doubtful. */
	ck_assert_int_eq(gate_decide(&j->gate), EXIT_JUDGED);
	ck_assert(gate_is_incomplete(&j->gate));
	for (size_t i = 0; i < j->gate.count; i++)
		j->gate.findings[i].unproven = true;
	ck_assert_int_eq(gate_decide(&j->gate), EXIT_INCOMPLETE);
	forget(j);
}
END_TEST

START_TEST(suppressed_findings_pass)
{
	static const char text[] = "leak:^tiny$\n";
	struct error error = {0};
	struct judging *j = find(UINT64_MAX, UINT64_MAX);
	ck_assert_int_eq(suppressions_parse(&j->gate.suppressions, "s", text, strlen(text), &error), EXIT_FINE);
	ck_assert_int_eq(gate_decide(&j->gate), EXIT_FINE);
	ck_assert_uint_eq(j->gate.decided[DECISION_SUPPRESSED], 1);
	ck_assert_uint_eq(j->gate.suppressions.rules[0].stacks, 1);
	forget(j);
}
END_TEST

/* Definite fails, possible warns, reachable is not looked at; rows of one stack by several threads are one finding. */
START_TEST(leaks_by_kind)
{
	static const struct gate_leak leaks[] = {{FINDING_DEFINITE, 2, 3, 300},
						 {FINDING_DEFINITE, 2, 1, 50},
						 {FINDING_POSSIBLE, 3, 1, 10},
						 {FINDING_REACHABLE, 4, 9, 900}};
	static const char rule[] = "{\nn\nMemcheck:Leak\nmatch-leak-kinds: definite\n...\nfun:help\n}\n";
	struct error error = {0};
	struct judging *j = find(UINT64_MAX, UINT64_MAX);
	j->gate.count = 0; /* without what grows */
	gate_find_leaks(&j->gate, j->names, leaks, 4);
	ck_assert_int_eq(gate_decide(&j->gate), EXIT_JUDGED);
	ck_assert_uint_eq(j->gate.count, 2);
	expect(j, 0, FINDING_DEFINITE, DECISION_FAIL);
	expect(j, 1, FINDING_POSSIBLE, DECISION_WARN);
	ck_assert_uint_eq(j->gate.findings[0].bytes, 350);
	ck_assert_uint_eq(j->gate.findings[0].blocks, 4);
	/* In the baseline it stays known when it turns indirect. */
	gate_update_baseline(&j->gate, false);
	j->gate.findings[0].kind = FINDING_INDIRECT;
	ck_assert_int_eq(gate_decide(&j->gate), EXIT_FINE);
	expect(j, 0, FINDING_INDIRECT, DECISION_KNOWN);
	/* A rule for definite leaks hides no other kind. */
	j->gate.baseline.count = 0;
	ck_assert_int_eq(suppressions_parse(&j->gate.suppressions, "s", rule, strlen(rule), &error), EXIT_FINE);
	ck_assert_int_eq(gate_decide(&j->gate), EXIT_JUDGED);
	j->gate.findings[0].kind = FINDING_DEFINITE;
	ck_assert_int_eq(gate_decide(&j->gate), EXIT_FINE);
	forget(j);
}
END_TEST

/* --- baseline -------------------------------------------------------------------------------------------------- */

static char *baseline_text(struct baseline *baseline)
{
	char *text;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	baseline_write(baseline, stream);
	fclose(stream);
	return text;
}

START_TEST(a_written_baseline_lets_its_run_pass)
{
	struct error error = {0};
	struct judging *j = find(UINT64_MAX, UINT64_MAX);
	gate_decide(&j->gate);
	gate_update_baseline(&j->gate, false);
	char *text = baseline_text(&j->gate.baseline);
	ck_assert_ptr_nonnull(strstr(text, "growth 2 200 "));
	ck_assert_ptr_nonnull(strstr(text, "# tiny < inner < outer"));
	forget(j);
	/* Read again: known. Stale entries are found, and written back the same text comes out. */
	j = find(UINT64_MAX, UINT64_MAX);
	ck_assert_int_eq(baseline_parse(&j->gate.baseline, "b", text, strlen(text), &error), EXIT_FINE);
	char *again = baseline_text(&j->gate.baseline);
	ck_assert_str_eq(again, text);
	ck_assert_int_eq(gate_decide(&j->gate), EXIT_FINE);
	ck_assert_uint_eq(j->gate.decided[DECISION_KNOWN], 2);
	/* A tenth more than known is tolerated, and a block; a fifth is not. */
	struct baseline_entry *entry = j->gate.findings[0].known;
	entry->bytes = 182;
	ck_assert_int_eq(gate_decide(&j->gate), EXIT_FINE);
	entry->bytes = 180;
	ck_assert_int_eq(gate_decide(&j->gate), EXIT_JUDGED);
	ck_assert_ptr_nonnull(strstr(j->gate.findings[0].reason, "more than the baseline has"));
	free(text);
	free(again);
	forget(j);
}
END_TEST

START_TEST(stale_entries_go_when_pruned)
{
	static const char text[] = "0123456789abcdef growth 1 2 2025-01-31 # gone < main\n";
	struct error error = {0};
	struct judging *j = find(UINT64_MAX, UINT64_MAX);
	ck_assert_int_eq(baseline_parse(&j->gate.baseline, "b", text, strlen(text), &error), EXIT_FINE);
	gate_decide(&j->gate);
	ck_assert(!j->gate.baseline.entries[0].seen);
	gate_update_baseline(&j->gate, true);
	ck_assert_uint_eq(j->gate.baseline.count, 2);
	forget(j);
}
END_TEST

START_TEST(malformed_baselines_are_refused_by_line)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"# mudlark baseline 1\n0123456789abcdef growth 1 2 2025-01-31\n",
		 "b:2: the baseline is of another version of Mudlark, whose fingerprints mean other stacks"},
		{"# c\nxyz\n", "b:2: it does not begin with a fingerprint of 16 hex digits"},
		{"0123456789abcdef\n", "b:1: no kind behind the fingerprint"},
		{"0123456789abcdef odd 1 2 2025-01-31\n", "b:1: unknown kind of finding"},
		{"0123456789abcdef growth 1 2x 2025-01-31\n", "b:1: blocks and bytes are no numbers"},
		{"0123456789abcdef growth 1 2 yesterday\n", "b:1: no day as 2026-01-31 behind the numbers"},
		{"0123456789abcdef growth 1 2 2025-01-31 why\n", "b:1: more than a comment behind the day"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct baseline baseline = {0};
		struct error error = {0};
		ck_assert_int_eq(baseline_parse(&baseline, "b", cases[i].text, strlen(cases[i].text), &error),
				 EXIT_INPUT);
		ck_assert_str_eq(error.message, cases[i].message);
		baseline_free(&baseline);
	}
}
END_TEST

/* Another build, with its lines moved and loaded elsewhere, has the same fingerprints. */
START_TEST(fingerprints_outlive_a_rebuild)
{
	struct fingerprint prints[2][5];
	for (int build = 0; build < 2; build++) {
		struct snapshot *snapshot = synthetic_decoded(10 + (uint64_t)build, build ? 0x700000 : 0,
							      build ? "BBBBBBBB" : "AAAAAAAA", build ? 500 : 100);
		struct names *names = names_open(NULL);
		struct aggregate_options options = {.by = BY_STACK};
		struct aggregate aggregate;
		names_add(names, snapshot);
		aggregate_build(&aggregate, names, &options);
		aggregate_name_stacks(&aggregate, names, &options, aggregate.row_count);
		ck_assert_uint_eq(aggregate.row_count, 5);
		for (size_t i = 0; i < 5; i++)
			fingerprint_of(names, &aggregate.rows[i], &prints[build][i]);
		aggregate_free(&aggregate);
		names_close(names);
		snapshot_free(snapshot);
	}
	for (size_t i = 0; i < 5; i++) {
		ck_assert_str_eq(prints[0][i].whole, prints[1][i].whole);
		ck_assert_str_eq(prints[0][i].frames, prints[1][i].frames);
		ck_assert_uint_eq(strspn(prints[0][i].whole, "0123456789abcdef"), 16);
	}
	ck_assert_str_ne(prints[0][0].whole, prints[0][1].whole);
}
END_TEST

/* --- reports --------------------------------------------------------------------------------------------------- */

static char *report(struct judging *j, enum report_format format)
{
	char *text;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	gate_report(&j->gate, format, stream);
	fclose(stream);
	return text;
}

static json_t *report_json(struct judging *j, enum report_format format)
{
	json_error_t error;
	char *text = report(j, format);
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	ck_assert_msg(json != NULL, "%s in line %d: %s", error.text, error.line, text);
	free(text);
	return json;
}

static struct judging *decided(void)
{
	struct judging *j = find(30699, 7999);
	gate_decide(&j->gate);
	return j;
}

START_TEST(text_says_reason_stack_and_mend)
{
	struct judging *j = decided();
	char *text = report(j, REPORT_TEXT);
	ck_assert_ptr_nonnull(strstr(text, "gate FAILED: app, pid 77: 4 failed, 1 warned, 0 known, 0 suppressed\n"));
	ck_assert_ptr_nonnull(strstr(text, "fail: growth: about 200 bytes in 2 blocks per iteration in tiny\n"));
	ck_assert_ptr_nonnull(strstr(text, "  why:  a part of what each iteration allocates is never freed\n"));
	ck_assert_ptr_nonnull(strstr(text, "--write-baseline"));
	ck_assert_ptr_nonnull(strstr(text, "    inner (app.c:120)\n"));
	free(text);
	forget(j);
}
END_TEST

/* SARIF 2.1.0, section 3: what is required of a log, a run, a tool, a rule and a result. */
START_TEST(sarif_has_what_the_standard_requires)
{
	struct judging *j = decided();
	json_t *log = report_json(j, REPORT_SARIF);
	ck_assert_str_eq(json_string_value(json_object_get(log, "version")), "2.1.0");
	json_t *runs = json_object_get(log, "runs");
	ck_assert_uint_eq(json_array_size(runs), 1);
	json_t *run = json_array_get(runs, 0);
	json_t *driver = json_object_get(json_object_get(run, "tool"), "driver");
	ck_assert_str_eq(json_string_value(json_object_get(driver, "name")), "Mudlark");
	json_t *rules = json_object_get(driver, "rules"), *results = json_object_get(run, "results"), *result;
	ck_assert_uint_eq(json_array_size(rules), FINDING_KINDS);
	ck_assert_uint_eq(json_array_size(results), 5);
	size_t i;
	json_array_foreach(results, i, result)
	{
		const char *rule = json_string_value(json_object_get(result, "ruleId"));
		size_t index = (size_t)json_integer_value(json_object_get(result, "ruleIndex"));
		ck_assert_str_eq(rule, json_string_value(json_object_get(json_array_get(rules, index), "id")));
		ck_assert(json_is_string(json_object_get(json_object_get(result, "message"), "text")));
		ck_assert(json_is_string(
			json_object_get(json_object_get(result, "partialFingerprints"), "leakStack/v1")));
		const char *level = json_string_value(json_object_get(result, "level"));
		ck_assert(!strcmp(level, "error") || !strcmp(level, "warning"));
		json_t *locations = json_object_get(result, "locations");
		ck_assert(json_is_array(locations));
		if (!json_array_size(locations))
			continue;
		json_t *place = json_object_get(json_array_get(locations, 0), "physicalLocation");
		const char *uri = json_string_value(json_object_get(json_object_get(place, "artifactLocation"), "uri"));
		ck_assert(uri && uri[0] != '/');
		ck_assert_int_ge(json_integer_value(json_object_get(json_object_get(place, "region"), "startLine")), 1);
	}
	json_decref(log);
	forget(j);
}
END_TEST

START_TEST(gitlab_issues_have_their_members)
{
	struct judging *j = decided();
	json_t *issues = report_json(j, REPORT_GITLAB), *issue;
	size_t i;
	ck_assert_uint_eq(json_array_size(issues), 5);
	json_array_foreach(issues, i, issue)
	{
		static const char *const severities[] = {"info", "minor", "major", "critical", "blocker"};
		const char *severity = json_string_value(json_object_get(issue, "severity"));
		bool known = false;
		for (size_t k = 0; k < 5; k++)
			known |= !strcmp(severity, severities[k]);
		ck_assert(known);
		ck_assert(json_is_string(json_object_get(issue, "description")));
		ck_assert(json_is_string(json_object_get(issue, "check_name")));
		const char *print = json_string_value(json_object_get(issue, "fingerprint"));
		for (size_t other = 0; other < i; other++)
			ck_assert_str_ne(print, json_string_value(
							json_object_get(json_array_get(issues, other), "fingerprint")));
		json_t *location = json_object_get(issue, "location");
		ck_assert(json_is_string(json_object_get(location, "path")));
		ck_assert_int_ge(json_integer_value(json_object_get(json_object_get(location, "lines"), "begin")), 1);
	}
	json_decref(issues);
	forget(j);
}
END_TEST

START_TEST(json_has_all_findings)
{
	struct judging *j = decided();
	json_t *json = report_json(j, REPORT_JSON);
	ck_assert_str_eq(json_string_value(json_object_get(json, "schema")), "mudlark.gate/1");
	ck_assert(json_is_false(json_object_get(json, "passed")));
	json_t *findings = json_object_get(json, "findings"), *finding;
	ck_assert_uint_eq(json_array_size(findings), j->gate.count);
	size_t i;
	json_array_foreach(findings, i, finding)
	{
		const json_t *remedy = json_object_get(finding, "remedy");
		ck_assert(json_is_string(remedy) || json_is_null(remedy));
		/* The name that it had before. */
		ck_assert(json_equal(remedy, json_object_get(finding, "mend")));
	}
	json_decref(json);
	forget(j);
}
END_TEST

/* Ten annotations of a level a step, whatever there is. */
START_TEST(annotations_keep_to_the_limit)
{
	struct judging *j = find(UINT64_MAX, UINT64_MAX);
	struct row row = j->gate.findings[0].row;
	for (unsigned i = 0; i < 40; i++) {
		struct finding *finding =
			gate_add(&j->gate, i % 2 ? FINDING_DEFINITE : FINDING_POSSIBLE, &row, 1, 100 + i);
		snprintf(finding->fingerprint.whole, sizeof finding->fingerprint.whole, "%016x", i);
	}
	gate_decide(&j->gate);
	char *text = report(j, REPORT_GITHUB);
	unsigned errors = 0, warnings = 0;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		errors += !strncmp(line, "::error ", 8);
		warnings += !strncmp(line, "::warning ", 10);
		ck_assert(!strncmp(line, "::", 2));
	}
	ck_assert_uint_eq(errors, 10);
	ck_assert_uint_eq(warnings, 10);
	free(text);
	/* And a comment that GitHub takes. */
	for (unsigned i = 0; i < 2000; i++) {
		struct finding *finding = gate_add(&j->gate, FINDING_DEFINITE, &row, 1, 1);
		snprintf(finding->fingerprint.whole, sizeof finding->fingerprint.whole, "%016x", i + 100);
	}
	gate_decide(&j->gate);
	text = report(j, REPORT_MARKDOWN);
	ck_assert_uint_lt(strlen(text), 65536);
	ck_assert_ptr_nonnull(strstr(text, "more findings are left out here"));
	free(text);
	forget(j);
}
END_TEST

/* Well-formed by another's parser, and with the counts that it claims. */
START_TEST(junit_is_counted_xml)
{
	static const char check[] =
		"python3 -c \"import sys, xml.etree.ElementTree as E; r = E.parse(sys.stdin).getroot(); s = r[0]; "
		"c = s.findall('testcase'); assert r.tag == 'testsuites' and s.tag == 'testsuite'; "
		"assert len(c) == int(s.get('tests')) > 0; "
		"assert sum(x.find('failure') is not None for x in c) == int(s.get('failures')); "
		"assert sum(x.find('error') is not None for x in c) == int(s.get('errors')); "
		"assert sum(x.find('skipped') is not None for x in c) == int(s.get('skipped')); "
		"assert all(x.get('name') and x.get('classname') for x in c)\"";
	for (int i = 0; i < 4; i++) {
		struct judging *j = find(30699, 7999);
		if (i == 1)
			j->gate.count = 0;
		if (i >= 2)
			gate_incomplete(&j->gate, "<odd & \"control \x01\" \xff>");
		j->gate.policy.complete = i == 2;
		gate_decide(&j->gate);
		FILE *parser = popen(check, "w");
		gate_report(&j->gate, REPORT_JUNIT, parser);
		ck_assert_int_eq(pclose(parser), 0);
		forget(j);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("gate");
	TCase *all = tcase_create("all");
	tcase_set_timeout(all, 60);
	tcase_add_test(all, growth_fails_and_saturation_warns);
	tcase_add_test(all, limits_are_of_the_last_snapshot);
	tcase_add_test(all, incomplete_is_neither_passed_nor_failed);
	tcase_add_test(all, suppressed_findings_pass);
	tcase_add_test(all, leaks_by_kind);
	tcase_add_test(all, a_written_baseline_lets_its_run_pass);
	tcase_add_test(all, stale_entries_go_when_pruned);
	tcase_add_test(all, malformed_baselines_are_refused_by_line);
	tcase_add_test(all, fingerprints_outlive_a_rebuild);
	tcase_add_test(all, text_says_reason_stack_and_mend);
	tcase_add_test(all, sarif_has_what_the_standard_requires);
	tcase_add_test(all, gitlab_issues_have_their_members);
	tcase_add_test(all, json_has_all_findings);
	tcase_add_test(all, annotations_keep_to_the_limit);
	tcase_add_test(all, junit_is_counted_xml);
	suite_add_tcase(suite, all);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failures = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failures != 0;
}
