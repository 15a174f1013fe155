/* The malloc family as such, and its misuse: PITFALLS 12 to 16, 36, 42, and the design's section 3. */
#define _GNU_SOURCE
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct host_case cases[] = {
	{.line = "libc_memory", .snapshots = SNAPSHOTS_ANY}, /* popen's shell writes its own */
	{.line = "libc_memory", .options = "children=0", .snapshots = SNAPSHOTS_ANY},
	{.line = "entry_points", .snapshots = 1},
	{.line = "malloc_stats_to_stderr", .snapshots = 1, .err = ""},
	{.line = "malloc_stats_cancelled", .snapshots = 1, .err = "small blocks: "},
	{.line = "conformance plain", .snapshots = 1, .timeout_s = 60},
	{.line = "conformance", .snapshots = 1, .timeout_s = 60, .only_preloaded = true},
	{.line = "realloc_race", .snapshots = 1, .timeout_s = 60},
	{.line = "usable_size", .snapshots = 1},
	{.line = "registers_kept", .snapshots = 1},
	{.line = "new_handler_throws", .snapshots = 1},
	{.line = "returns_memory", .snapshots = 1, .timeout_s = 60},
	{.line = "deep_realloc", .snapshots = 1, .timeout_s = 40},
	{.line = "deep_realloc", .options = "depth=1", .snapshots = 1, .timeout_s = 40},
	{.line = "exact_counts 2", .snapshots = 1},
	{.line = "misuse none", .snapshots = 1},
	{.line = "starts_later", .options = "record=0", .snapshots = 1},
	{.line = "conformance plain", .options = "sample=1000", .snapshots = 1, .timeout_s = 60},
	{.line = "realloc_race", .options = "sample=1000", .snapshots = 1, .timeout_s = 60},
	{.line = "deep_realloc", .options = "sample=64", .snapshots = 1, .timeout_s = 40},
	{.line = "exact_counts 2", .options = "sample=1:depth=2", .snapshots = 1},
};

START_TEST(host)
{
	host_case_run(&cases[_i]);
}
END_TEST

/* What each misuse is called on stderr is the allocator's to say; that it begins with "mudlark: " is the contract. */
static const char *const misuses[] = {
	"double-free",
	"double-free-later",
	"double-free-large",
	"interior-free",
	"misaligned-free",
	"interior-free-large",
	"realloc-freed",
	"write-after-free",
	"overflow",
	/* Pointers that no malloc gave out; libc's free aborts, faults or takes them. */
	"free-static",
	"free-static-plausible",
	"realloc-static",
	"free-stack",
	"free-stack-plausible",
	"realloc-stack",
	"free-thread-stack-plausible",
	"realloc-thread-stack",
	"free-others-stack-plausible",
	"realloc-others-stack",
	"free-coroutine-stack",
	"realloc-coroutine-stack",
	"free-mapped",
	"free-mapped-first",
	"realloc-mapped",
};
enum { MISUSES = sizeof(misuses) / sizeof(misuses[0]), ABORTED = 128 + 6 };

static size_t count_lines(const char *text)
{
	size_t lines = 0;
	for (; *text != '\0'; text++)
		lines += *text == '\n';
	return lines;
}

START_TEST(misuse)
{
	static const char *const policies[] = {"", "on_error=abort", "on_error=report", "on_error=ignore"};
	static const char *const recording[] = {"record=1", "record=0"};
	if (!runner_expects_snapshots())
		return;
	for (int record = 0; record < 2; record++)
		for (int policy = 0; policy < 4; policy++) {
			char line[64], options[64];
			struct outcome outcome;
			snprintf(line, sizeof(line), "misuse %s", misuses[_i]);
			snprintf(options, sizeof(options), "%s %s", policies[policy], recording[record]);
			struct command command = {.line = line, .options = options, .preloaded = true};
			runner_run(&command, &outcome);
			const char *format = "%s with \"%s\": %s (status %d)\n%s%s";
			bool aborts = policy < 2;
			int wanted = aborts ? ABORTED : 0;
			ck_assert_msg(outcome.status == wanted, format, line, options, "wrong status", outcome.status,
				      outcome.out, outcome.err);
			ck_assert_msg(strcmp(outcome.out, aborts ? "" : "went on\n") == 0, format, line, options,
				      "wrong stdout", outcome.status, outcome.out, outcome.err);
			if (policy == 3)
				ck_assert_msg(outcome.err_bytes == 0, format, line, options, "stderr not empty",
					      outcome.status, outcome.out, outcome.err);
			else
				ck_assert_msg(strncmp(outcome.err, "mudlark: ", 9) == 0, format, line, options,
					      "not said", outcome.status, outcome.out, outcome.err);
			if (aborts)
				ck_assert_msg(count_lines(outcome.err) == 1, format, line, options, "more than a line",
					      outcome.status, outcome.out, outcome.err);
			runner_done(&outcome);
		}
}
END_TEST

static struct brief brief_of_run(const char *line, const char *options)
{
	struct command command = {.line = line, .options = options, .preloaded = true, .timeout_s = 60};
	struct outcome outcome;
	struct briefs briefs;
	runner_run(&command, &outcome);
	ck_assert_int_eq(outcome.status, 0);
	runner_briefs(outcome.directory, line, &briefs);
	ck_assert_uint_eq(briefs.count, 1);
	struct brief brief = briefs.at[0];
	runner_briefs_free(&briefs); /* the texts are gone, the numbers are copied */
	runner_done(&outcome);
	return brief;
}

/* Two runs that differ by known numbers differ by exactly these: requested bytes, not usable ones. */
START_TEST(exact)
{
	if (!runner_expects_snapshots())
		return;
	struct brief one = brief_of_run("exact_counts 1", NULL), three = brief_of_run("exact_counts 3", NULL);
	ck_assert_uint_eq(three.totals[TOTAL_ALLOC_BLOCKS] - one.totals[TOTAL_ALLOC_BLOCKS], 2 * 4 * 4000);
	ck_assert_uint_eq(three.totals[TOTAL_ALLOC_BYTES] - one.totals[TOTAL_ALLOC_BYTES], 2 * 4 * (24000 + 3 * 40000));
	ck_assert_uint_eq(three.totals[TOTAL_LIVE_BLOCKS] - one.totals[TOTAL_LIVE_BLOCKS], 2 * 4 * 1000);
	ck_assert_uint_eq(three.totals[TOTAL_LIVE_BYTES] - one.totals[TOTAL_LIVE_BYTES], 2 * 4 * 24000);
	ck_assert_uint_eq(three.totals[TOTAL_FREED_BLOCKS] - one.totals[TOTAL_FREED_BLOCKS], 2 * 4 * 3000);
	ck_assert_uint_eq(three.totals[TOTAL_TEMPORARY_BLOCKS] - one.totals[TOTAL_TEMPORARY_BLOCKS], 2 * 4 * 3000);
	ck_assert_uint_ge(three.totals[TOTAL_THREADS], 5);
	ck_assert_uint_ge(three.totals[TOTAL_PEAK_BYTES], three.totals[TOTAL_LIVE_BYTES]);
}
END_TEST

/* 36: recording goes on after an exception left through operator new. 16: usable bytes are not counted. */
START_TEST(leaks_are_seen)
{
	if (!runner_expects_snapshots())
		return;
	struct brief brief = brief_of_run("new_handler_throws", NULL);
	ck_assert_uint_ge(brief.totals[TOTAL_LIVE_BYTES], 7 * 888);
	brief = brief_of_run("usable_size", NULL);
	ck_assert_uint_ge(brief.totals[TOTAL_LIVE_BYTES], 100 * 1001);
	brief = brief_of_run("many_threads_correct", NULL);
	ck_assert_uint_ge(brief.totals[TOTAL_LIVE_BYTES], 160 * 555);
	ck_assert_uint_lt(brief.totals[TOTAL_LIVE_BYTES], 160 * 555 + 20000);
	ck_assert_uint_ge(brief.totals[TOTAL_THREADS], 17);
}
END_TEST

/* The unwinder is loaded when it is first needed. */
START_TEST(recorded_from_later)
{
	if (!runner_expects_snapshots())
		return;
	struct brief brief = brief_of_run("starts_later", "record=0");
	ck_assert_uint_ge(brief.totals[TOTAL_LIVE_BYTES], 1000 * 100);
	ck_assert_uint_lt(brief.totals[TOTAL_LIVE_BYTES], 1000 * 100 + 20000);
	ck_assert_uint_ge(brief.frames, 4); /* main, libc's two, _start */
}
END_TEST

START_TEST(sampled)
{
	if (!runner_expects_snapshots())
		return;
	struct brief brief = brief_of_run("many_threads_correct", "sample=512");
	struct brief full = brief_of_run("many_threads_correct", NULL);
	ck_assert_uint_eq(brief.meta[META_SAMPLE_BYTES], 512);
	/* The variance of an estimated sum of bytes is below the sum times the distance between samples. */
	static const int estimated[] = {TOTAL_LIVE_BYTES, TOTAL_ALLOC_BYTES, TOTAL_FREED_BYTES};
	for (size_t i = 0; i < sizeof(estimated) / sizeof(estimated[0]); i++) {
		double truth = (double)full.totals[estimated[i]];
		double off = (double)brief.totals[estimated[i]] - truth;
		ck_assert_msg(off * off < 36 * 512 * truth, "total %d: %.0f, not %.0f", estimated[i], truth + off,
			      truth);
	}
	ck_assert_uint_gt(brief.site_alloc_blocks, 0);
	/* What is recorded at the sites is a part of it. */
	ck_assert_uint_lt(brief.site_alloc_blocks, full.site_alloc_blocks);
	brief = brief_of_run("many_threads_correct", "sample=512:record=0");
	ck_assert_uint_eq(brief.site_alloc_blocks, 0);
	/* Blocks that are far larger than the distance are all there; these are not smaller than 8 bytes. */
	brief = brief_of_run("exact_counts 2", "sample=1");
	full = brief_of_run("exact_counts 2", NULL);
	ck_assert_uint_eq(brief.totals[TOTAL_LIVE_BYTES], full.totals[TOTAL_LIVE_BYTES]);
	ck_assert_uint_eq(brief.totals[TOTAL_ALLOC_BLOCKS], full.totals[TOTAL_ALLOC_BLOCKS]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hosts: allocator");
	TCase *tests = tcase_create("allocator");
	tcase_set_timeout(tests, 200);
	tcase_add_loop_test(tests, host, 0, HOST_CASES(cases));
	tcase_add_loop_test(tests, misuse, 0, MISUSES);
	tcase_add_test(tests, exact);
	tcase_add_test(tests, leaks_are_seen);
	tcase_add_test(tests, recorded_from_later);
	tcase_add_test(tests, sampled);
	suite_add_tcase(suite, tests);
	return runner_suite(suite);
}
