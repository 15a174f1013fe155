/*
 * The verdict on a run; run_leaks.h.
 */
#include "report/run/run_leaks.h"

#include "report/analysis/hidden_leaks.h"
#include "report/analysis/leak_kinds.h"
#include "report/base/intern.h"
#include "report/run/run_epilogue.h"
#include "report/run/typed_path.h"
#include "report/views/leaks_lsan.h"
#include "report/views/reading.h"
#include "report/views/rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PROCESSES_SHOWN = 5 };

struct verdict {
	bool found, uncertain, declined, hidden;
	bool unknown; /* not all was searched, whether that matters for the status or not */
	int status;   /* that processes which leak end with; 0: their own */
	size_t shown, not_shown;
	struct intern ignored; /* options of LeakSanitizer's that were named already */
};

static bool is_own(const struct run_leaks *run, const struct snapshot_brief *file)
{
	return file->numbers[META_PID] == (unsigned long)run->session->pid;
}

static void print_lost(const struct run_leaks *run, struct reading *reading, const struct leak_sums *sums,
		       const char *path)
{
	struct snapshot *snapshot = reading->snapshots[0];
	struct aggregate aggregate;
	char bytes[32], blocks[32];
	uint64_t unrecorded = snapshot->totals[TOTAL_UNRECORDED_BLOCKS];
	char *typed = typed_path(path);
	notice("lost by %s, pid %lu: %s bytes in %s block%s", snapshot->texts[META_PROGRAM].data,
	       (unsigned long)snapshot->numbers[META_PID], format_count(bytes, sums->bytes[LEAK_DEFINITE]),
	       format_count(blocks, sums->blocks[LEAK_DEFINITE]), sums->blocks[LEAK_DEFINITE] == 1 ? "" : "s");
	if (sums->blocks[LEAK_INDIRECT])
		notice("and with them %s bytes in %s block%s", format_count(bytes, sums->bytes[LEAK_INDIRECT]),
		       format_count(blocks, sums->blocks[LEAK_INDIRECT]), sums->blocks[LEAK_INDIRECT] == 1 ? "" : "s");
	if (unrecorded)
		notice("and %s bytes in %s block%s, which sampling left out",
		       format_count(bytes, snapshot->totals[TOTAL_UNRECORDED_BYTES]), format_count(blocks, unrecorded),
		       unrecorded == 1 ? "" : "s");
	leak_show_kind(snapshot, LEAK_DEFINITE);
	aggregate_build(&aggregate, reading->names, &reading->group);
	rank_rows(&aggregate, 0, METRIC_LIVE_BYTES, SITES_SHOWN);
	aggregate_tell_apart(reading->names, &aggregate, rows_to_print(&aggregate, SITES_SHOWN), BY_STACK);
	print_sites(reading->names, &aggregate);
	aggregate_free(&aggregate);
	if (!run->quiet)
		notice("next: mudlark leaks %s%s%s", run->skips_typed, run->suppressions_typed, typed);
	free(typed);
}

static void print_suppressed(const struct suppressions *set)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct suppression *rule = &set->rules[i];
		struct buffer source = {0};
		char bytes[32], blocks[32];
		if (!rule->stacks)
			continue;
		suppression_source(rule, &source);
		notice("suppressed: %s bytes in %s block%s by %s", format_count(bytes, rule->bytes),
		       format_count(blocks, rule->blocks), rule->blocks == 1 ? "" : "s", buffer_string(&source));
		buffer_free(&source);
	}
}

/* The program's options of LeakSanitizer's that mean nothing here, each text once in a run. */
static void name_ignored(struct lsan_options *lsan, struct intern *named)
{
	uint32_t before = named->count;
	if (lsan->ignored.length && intern_bytes(named, lsan->ignored.data, lsan->ignored.length) > before)
		notice("of LSAN_OPTIONS is ignored: %s", buffer_string(&lsan->ignored));
}

/* Prints what the program's LeakSanitizer options request: its text, in the place that they name. */
static void obey_lsan_options(const struct run_leaks *run, struct reading *reading, struct verdict *verdict)
{
	struct snapshot *snapshot = reading->snapshots[0];
	struct lsan_options lsan;
	char *name;
	lsan_options_of(&lsan, snapshot);
	if (lsan_options_ask_for_text(&lsan)) {
		FILE *log = lsan_open_log(&lsan, snapshot, &name);
		leaks_lsan(reading, run->suppressions, &lsan, 1u << LEAK_DEFINITE | 1u << LEAK_INDIRECT, 0,
			   log ? log : stderr);
		if (log && fclose(log))
			notice("warning: %s: %s", name, strerror(errno));
		else if (log)
			notice("LeakSanitizer's report is in %s", name);
		free(name);
	}
	name_ignored(&lsan, &verdict->ignored);
	lsan_options_free(&lsan);
}

/* The rules of one process do not count for the next, nor what they hid there. */
static void forget_process(struct suppressions *set, size_t count)
{
	set->count = count;
	for (size_t i = 0; i < count; i++)
		set->rules[i].stacks = set->rules[i].blocks = set->rules[i].bytes = 0;
}

static void judge_loaded(const struct run_leaks *run, struct reading *reading, const char *path,
			 struct verdict *verdict)
{
	static const unsigned lost_kinds = 1u << LEAK_DEFINITE | 1u << LEAK_INDIRECT;
	struct snapshot *snapshot = reading->snapshots[0];
	struct suppressions *set = run->suppressions;
	struct hidden_leaks hidden = {0};
	size_t rules = set->count;
	suppressions_add_program(set, snapshot);
	leaks_hide(snapshot, reading->names, set, lost_kinds, &hidden);
	struct leak_sums sums = leak_sums_of(snapshot);
	int status = run->exitcode ? (int)strtol(run->exitcode, NULL, 10) : (int)snapshot->numbers[META_LEAKS_STATUS];
	int lost = leaks_verdict(snapshot, &hidden);
	bool uncertain = lost == EXIT_INCOMPLETE, found = lost == EXIT_JUDGED;
	bool shown = found && verdict->shown < PROCESSES_SHOWN;
	if (snapshot->numbers[META_LEAKS_INCOMPLETE])
		notice("the search for leaks of %s was not complete: 'mudlark leaks' shows why", path);
	else if (uncertain)
		notice("%s: sampling left out blocks that were lost; what is suppressed may be all of them", path);
	if (shown)
		print_lost(run, reading, &sums, path);
	if (run->show_suppressed && (shown || !found))
		print_suppressed(set);
	if (found)
		obey_lsan_options(run, reading, verdict);
	verdict->hidden |= hidden.blocks != 0;
	verdict->shown += shown;
	verdict->not_shown += found && !shown;
	verdict->found |= found && status;
	verdict->uncertain |= uncertain && status;
	if (found && status && !verdict->status)
		verdict->status = status;
	forget_process(set, rules);
}

static void judge_file(const struct run_leaks *run, const char *path, struct verdict *verdict)
{
	struct reading reading;
	struct error error = {0};
	reading_init(&reading);
	reading.given_skips = run->skips;
	reading.group.by = BY_LINE;
	if (reading_load(&reading, &path, 1, &error) == EXIT_FINE) {
		judge_loaded(run, &reading, path, verdict);
	} else {
		error_print(&error);
		verdict->uncertain = true;
	}
	reading_free(&reading);
}

static bool is_last_search(const struct snapshot_briefs *files, size_t at)
{
	size_t end = run_files_image_end(files, at);
	for (size_t i = at + 1; i < end; i++)
		if (files->at[i].numbers[META_LEAKS])
			return false;
	return files->at[at].numbers[META_LEAKS];
}

static bool keeps_status(const struct run_leaks *run)
{
	const char *exitcode = host_options_get(run->host, "exitcode");
	return exitcode && !strcmp(exitcode, "0");
}

/* A search before the end knows nothing of what was lost after it. */
static void judge_own(const struct run_leaks *run, int status, struct verdict *verdict)
{
	const struct snapshot_briefs *files = &run->session->files;
	bool declined = false, ended = false, searched = false;
	for (size_t i = 0; i < files->count; i++) {
		const struct snapshot_brief *file = &files->at[i];
		if (!is_own(run, file))
			continue;
		declined |= file->numbers[META_LEAKS_OFF] != 0;
		searched |= file->numbers[META_LEAKS] != 0;
		ended |= file->numbers[META_LEAKS] && file->numbers[META_TRIGGER] == TRIGGER_EXIT;
		if (is_last_search(files, i))
			judge_file(run, file->path, verdict);
	}
	verdict->declined = declined && !searched;
	/* Who leaked was ended with a status by a check that it called for. */
	if (declined || (searched && (ended || status != EXIT_FINE)))
		return;
	verdict->unknown = true;
	if (keeps_status(run))
		return;
	notice("no search for leaks was made of the command%s: what it lost is not known",
	       searched ? " at its end" : "");
	verdict->uncertain = true;
}

/* Silence of a process is no proof that it lost nothing. */
static void judge_unexamined(const struct run_leaks *run, struct verdict *verdict)
{
	const struct run_processes *processes = &run->session->processes;
	run_processes_print(processes, UNEXAMINED_SHOWN);
	if (!processes->unexamined || run->allow_unexamined)
		return;
	verdict->unknown = true;
	verdict->uncertain |= !keeps_status(run);
}

int run_leaks_judge(const struct run_leaks *run, int status, const char **judged)
{
	struct verdict verdict = {0};
	const struct run_session *session = run->session;
	const struct snapshot_briefs *files = &session->files;
	if (status > 128 && !files->count) {
		run_processes_print(&session->processes, UNEXAMINED_SHOWN);
		return status; /* the epilogue has said why there is nothing to judge */
	}
	judge_own(run, status, &verdict);
	for (size_t i = 0; i < files->count; i++)
		if (!is_own(run, &files->at[i]) && is_last_search(files, i))
			judge_file(run, files->at[i].path, &verdict);
	judge_unexamined(run, &verdict);
	if (!verdict.shown && !verdict.uncertain && !run->quiet) {
		notice(verdict.declined ? "no search for leaks was wanted at the end"
		       : verdict.hidden ? "nothing was lost except what suppressions hide"
					: "nothing was lost");
		run_next(files, run->skips_typed);
	}
	intern_free(&verdict.ignored);
	*judged = verdict.shown ? RUN_LEAKS : verdict.uncertain || verdict.unknown ? RUN_INCOMPLETE : RUN_PASSED;
	if (verdict.not_shown)
		notice("lost by %zu more of its processes", verdict.not_shown);
	if (status != EXIT_FINE)
		return status;
	return verdict.found ? verdict.status : verdict.uncertain ? EXIT_INCOMPLETE : EXIT_FINE;
}
