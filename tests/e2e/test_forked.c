/* Snapshots that a forked copy writes: what the host notices of it, nothing, and that they say what inline ones do. */
#define _GNU_SOURCE
#include "tests/e2e/lib/runner.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FORK "snapshot=fork"

enum { AT_EXIT = 1, SNAPSHOTS = 20 };

static const struct host_case cases[] = {
	/* who does not record does not look at the clock, and asks for the last copy at its end only */
	{.line = "forked_snapshots waits", .options = FORK, .snapshots = SNAPSHOTS + AT_EXIT, .recorded_only = true},
	{.line = "forked_snapshots threads", .options = FORK, .snapshots = SNAPSHOTS + AT_EXIT, .recorded_only = true},
	/* each child's, and the one at its end */
	{.line = "forked_snapshots forks",
	 .options = FORK,
	 .snapshots = 3 * SNAPSHOTS + AT_EXIT,
	 .recorded_only = true},
	{.line = "forked_snapshots walls", .options = FORK, .snapshots = 3 + AT_EXIT},
	{.line = "forked_snapshots refused", .options = FORK, .snapshots = 3 + AT_EXIT},
	{.line = "forked_snapshots killed", .options = FORK, .snapshots = SNAPSHOTS_ANY},
	/* the one on a fatal signal waits for the copy at work, and needs none itself */
	{.line = "forked_snapshots aborts", .options = FORK, .status = 128 + 6, .snapshots = 2},
	/* and others that the copies must not trouble */
	{.line = "fork_storm 60",
	 .options = FORK ":every=0.05",
	 .snapshots = SNAPSHOTS_ANY,
	 .timeout_s = 60,
	 .recorded_only = true},
	{.line = "vfork_from_threads",
	 .options = FORK ":every=0.02",
	 .snapshots = SNAPSHOTS_ANY,
	 .timeout_s = 30,
	 .recorded_only = true},
	{.line = "dlopen_malloc_throw 2", .options = FORK ":every=0.01", .snapshots = SNAPSHOTS_ANY, .timeout_s = 60},
	{.line = "short_threads", .options = FORK ":every=0.01", .snapshots = SNAPSHOTS_ANY, .timeout_s = 60},
	{.line = "closes_everything", .options = FORK ":every=0.01", .snapshots = SNAPSHOTS_ANY},
};

START_TEST(host)
{
	host_case_run(&cases[_i]);
}
END_TEST

/* The snapshots of `forked_snapshots MODE`, in the order of their numbers. */
static void run(const char *mode, const char *options, struct outcome *outcome, struct briefs *briefs)
{
	char line[64];
	snprintf(line, sizeof line, "forked_snapshots %s", mode);
	struct command command = {.line = line, .preloaded = true, .options = options, .timeout_s = 60};
	runner_run(&command, outcome);
	ck_assert_msg(outcome->status == 0, "%s: status %d: %s", line, outcome->status, outcome->err);
	runner_briefs(outcome->directory, line, briefs);
	char *others = runner_other_files(outcome->directory);
	ck_assert_str_eq(others, "");
	free(others);
}

static void done(struct outcome *outcome, struct briefs *briefs)
{
	runner_briefs_free(briefs);
	runner_done(outcome);
}

static const struct brief *numbered(const struct briefs *briefs, uint64_t number)
{
	for (size_t i = 0; i < briefs->count; i++)
		if (briefs->at[i].meta[META_NUMBER] == number)
			return &briefs->at[i];
	ck_abort_msg("no snapshot has number %llu", (unsigned long long)number);
	return NULL;
}

START_TEST(same_as_inline)
{
	struct outcome forked, inline_;
	struct briefs briefs_forked, briefs_inline;
	run("same", FORK, &forked, &briefs_forked);
	run("same", "snapshot=inline", &inline_, &briefs_inline);
	const struct brief *a = numbered(&briefs_forked, 1), *b = numbered(&briefs_inline, 1);
	ck_assert_uint_eq(a->meta[META_FORKED], 1);
	ck_assert_uint_eq(b->meta[META_FORKED], 0);
	ck_assert_uint_eq(a->meta[META_PID], (uint64_t)forked.pid);
	ck_assert_uint_eq(a->meta[META_PARENT_PID], b->meta[META_PARENT_PID]);
	ck_assert_str_eq(a->meta_text[META_LABEL], b->meta_text[META_LABEL]);
	static const int totals[] = {TOTAL_ALLOC_BLOCKS, TOTAL_ALLOC_BYTES,      TOTAL_FREED_BLOCKS,
				     TOTAL_LIVE_BLOCKS,  TOTAL_LIVE_BYTES,       TOTAL_PEAK_BYTES,
				     TOTAL_THREADS,      TOTAL_TEMPORARY_BLOCKS, TOTAL_PEAK_COMPOSITION_BYTES};
	for (size_t i = 0; i < sizeof totals / sizeof totals[0]; i++)
		ck_assert_msg(a->totals[totals[i]] == b->totals[totals[i]], "total %d: %llu forked, %llu inline",
			      totals[i], (unsigned long long)a->totals[totals[i]],
			      (unsigned long long)b->totals[totals[i]]);
	ck_assert_uint_ge(a->totals[TOTAL_LIVE_BLOCKS], 300000);
	ck_assert_uint_eq(a->frames, b->frames);
	ck_assert_uint_eq(a->stacks, b->stacks);
	ck_assert_uint_eq(a->sites, b->sites);
	ck_assert_uint_eq(a->cohorts, b->cohorts);
	ck_assert_uint_eq(a->modules, b->modules);
	ck_assert_uint_eq(a->notes, 0);
	ck_assert_uint_gt(a->meta[META_HELD_NS], 0);
	ck_assert_uint_gt(a->meta[META_WRITE_NS], 0);
	ck_assert_uint_gt(b->meta[META_HELD_NS], b->meta[META_WRITE_NS]);
	/* The process's next one has the next number, and begins a new epoch. */
	const struct brief *last = numbered(&briefs_forked, 2);
	ck_assert_uint_eq(last->meta[META_FORKED], 0);
	ck_assert_uint_eq(last->meta[META_TRIGGER], TRIGGER_EXIT);
	ck_assert_uint_eq(last->meta[META_EPOCH], a->meta[META_EPOCH] + 1);
	done(&forked, &briefs_forked);
	done(&inline_, &briefs_inline);
}
END_TEST

/*
 * Cohorts in which nothing lives are used again: the tables of 200 epochs are those of a few. A thread's recent stacks,
 * which each epoch makes it walk again, have grown once meanwhile.
 */
START_TEST(dead_cohorts_are_used_again)
{
	enum { ROUNDS = 200, COHORTS_MAX_BYTES = 3 * 128 * 1024, RECENT_STACKS_BYTES = 448 * 1024 };
	struct outcome outcome;
	struct briefs briefs;
	run("series", FORK, &outcome, &briefs);
	ck_assert_uint_eq(briefs.count, ROUNDS + AT_EXIT);
	uint64_t early = numbered(&briefs, 5)->totals[TOTAL_OWN_BYTES];
	uint64_t late = numbered(&briefs, ROUNDS)->totals[TOTAL_OWN_BYTES];
	ck_assert_msg(late <= early + COHORTS_MAX_BYTES + RECENT_STACKS_BYTES, "%llu bytes, then %llu",
		      (unsigned long long)early, (unsigned long long)late);
	done(&outcome, &briefs);
}
END_TEST

START_TEST(refused_is_inline_and_said)
{
	struct outcome outcome;
	struct briefs briefs;
	run("refused", FORK, &outcome, &briefs);
	for (size_t i = 0; i < briefs.count; i++)
		ck_assert_uint_eq(briefs.at[i].meta[META_FORKED], 0);
	ck_assert_uint_eq(numbered(&briefs, 1)->notes, 1);
	done(&outcome, &briefs);
}
END_TEST

/* A copy that was killed at work: one snapshot less, counted; nothing left of it; from then on inline. */
START_TEST(killed_is_counted)
{
	struct outcome outcome;
	struct briefs briefs;
	run("killed", FORK, &outcome, &briefs);
	const struct brief *last = &briefs.at[0];
	for (size_t i = 0; i < briefs.count; i++)
		if (briefs.at[i].meta[META_TRIGGER] == TRIGGER_EXIT)
			last = &briefs.at[i];
	uint64_t failed = last->losses[LOSS_SNAPSHOTS_FAILED];
	ck_assert_uint_eq(failed + briefs.count, SNAPSHOTS + AT_EXIT);
	ck_assert_uint_le(failed, 1);
	/* Killed after its work was done, when the machine was slow: then there is nothing to count. */
	if (failed)
		ck_assert_uint_eq(last->notes, 2);
	for (uint64_t number = 2; number <= briefs.count; number++)
		ck_assert_uint_le(numbered(&briefs, number)->meta[META_FORKED],
				  numbered(&briefs, number - 1)->meta[META_FORKED]);
	done(&outcome, &briefs);
}
END_TEST

/* Where the heap is large, and nobody waits for the file. */
START_TEST(auto_forks_large_heaps)
{
	struct outcome outcome;
	struct briefs briefs;
	run("large", NULL, &outcome, &briefs);
	ck_assert_uint_eq(runner_count_trigger(&briefs, TRIGGER_SIGNAL), 1);
	for (size_t i = 0; i < briefs.count; i++) {
		const struct brief *brief = &briefs.at[i];
		ck_assert_uint_eq(brief->meta[META_FORKED], brief->meta[META_TRIGGER] == TRIGGER_SIGNAL);
		if (brief->meta[META_TRIGGER] != TRIGGER_EXIT)
			ck_assert_uint_ge(brief->totals[TOTAL_LIVE_BLOCKS], 4000000);
	}
	done(&outcome, &briefs);
}
END_TEST

START_TEST(auto_does_not_fork_under_filters)
{
	struct outcome outcome;
	struct briefs briefs;
	run("filtered", NULL, &outcome, &briefs);
	ck_assert_uint_eq(runner_count_trigger(&briefs, TRIGGER_SIGNAL), 1);
	for (size_t i = 0; i < briefs.count; i++)
		ck_assert_uint_eq(briefs.at[i].meta[META_FORKED], 0);
	done(&outcome, &briefs);
}
END_TEST

/* `mudlark snap` gets its answer from the copy: the file is there then. */
START_TEST(snap_is_answered)
{
	static char tool[PATH_MAX];
	char pid[16];
	struct command command = {.line = "waits_for_end idle", .preloaded = true, .options = FORK, .timeout_s = 30};
	struct running running;
	struct outcome outcome, asked;
	snprintf(tool, sizeof tool, "%s/../../mudlark", HOSTS_DIRECTORY);
	runner_start(&command, &running);
	ck_assert(runner_wait_for_file(running.outcome.directory, "ready", 10));
	snprintf(pid, sizeof pid, "%d", (int)running.outcome.pid);
	for (int i = 0; i < 3; i++) {
		struct command snap = {.argv = {tool, "snap", pid}};
		runner_run(&snap, &asked);
		ck_assert_msg(asked.status == 0, "%s", asked.err);
		asked.out[strcspn(asked.out, "\n")] = '\0';
		ck_assert_int_eq(access(asked.out, R_OK), 0);
		runner_done(&asked);
	}
	kill(running.outcome.pid, SIGTERM);
	runner_finish(&running, &outcome);
	struct briefs briefs;
	runner_briefs(outcome.directory, command.line, &briefs);
	ck_assert_uint_eq(runner_count_trigger(&briefs, TRIGGER_REQUEST), 3);
	for (uint64_t number = 1; number <= 3; number++)
		ck_assert_uint_eq(numbered(&briefs, number)->meta[META_FORKED], 1);
	done(&outcome, &briefs);
}
END_TEST

/*
 * A host that is killed at any moment, while it or its copy writes: what has a name is whole, and nothing else stays.
 * Where the file system has no files without a name, one that is being written may.
 */
START_TEST(killed_at_any_moment)
{
	enum { KILLS = 50, LATEST_MS = 400 };
	char directory[PATH_MAX];
	runner_directory_make(directory);
	int fd = open(directory, O_WRONLY | O_TMPFILE, 0600);
	if (fd < 0) {
		runner_skip("no files without a name below %s", directory);
		runner_directory_remove(directory);
		return;
	}
	close(fd);
	uint32_t random = 1;
	for (int i = 0; i < KILLS; i++) {
		struct command command = {.line = "forked_snapshots series",
					  .preloaded = true,
					  .options = i % 2 ? FORK : "snapshot=inline",
					  .directory = directory,
					  .timeout_s = 60};
		struct running running;
		struct outcome outcome;
		runner_start(&command, &running);
		random = random * 1664525u + 1013904223u;
		runner_sleep_ms((random >> 16) % LATEST_MS);
		kill(running.outcome.pid, SIGKILL);
		runner_finish(&running, &outcome);
		/* On a fast machine it may have ended before. */
		ck_assert_msg(outcome.status == 128 + SIGKILL || outcome.status == 0, "status %d: %s", outcome.status,
			      outcome.err);
		runner_done(&outcome);
	}
	struct briefs briefs;
	runner_briefs(directory, "killed hosts", &briefs);
	ck_assert_uint_gt(briefs.count, 0);
	runner_briefs_free(&briefs);
	char *others = runner_other_files(directory);
	ck_assert_str_eq(others, "");
	free(others);
	runner_directory_remove(directory);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("forked snapshots");
	TCase *tests = tcase_create("forked");
	tcase_set_timeout(tests, 200);
	tcase_add_loop_test(tests, host, 0, HOST_CASES(cases));
	if (runner_expects_snapshots()) {
		tcase_add_test(tests, same_as_inline);
		tcase_add_test(tests, dead_cohorts_are_used_again);
		tcase_add_test(tests, refused_is_inline_and_said);
		tcase_add_test(tests, killed_is_counted);
		tcase_add_test(tests, auto_forks_large_heaps);
		tcase_add_test(tests, auto_does_not_fork_under_filters);
		tcase_add_test(tests, snap_is_answered);
		tcase_add_test(tests, killed_at_any_moment);
	}
	suite_add_tcase(suite, tests);
	return runner_suite(suite);
}
