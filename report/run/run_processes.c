/* See run_processes.h. */
#include "report/run/run_processes.h"

#include "preload/interface/output_reason.h"
#include "report/base/memory.h"
#include "report/run/preflight.h"

#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STAT_BYTES = 512 };

struct reading {
	const struct run_roster *roster;
	const struct snapshot_briefs *files;
	const struct run_wanted *wanted;
	struct roster_slot *slots; /* by pid, and for each in the order in which they were taken (`number`) */
	size_t count;
	struct run_processes *out;
};

static bool is_body(const struct roster_slot *slot)
{
	return slot->kind == ROSTER_IMAGE || slot->kind == ROSTER_FORK || slot->kind == ROSTER_CLONED;
}

/* A pid may come again; where no start is known (no /proc), it is taken for the same process. */
static bool same_process(const struct roster_slot *a, const struct roster_slot *b)
{
	return a->pid == b->pid && (a->start == b->start || !a->start || !b->start);
}

/* --- what the kernel knows ------------------------------------------------------------------------------------- */

/* 'R', 'S', 'T', ... of the process; 0: it is gone, or another one has its pid. */
static char state_of(const struct roster_slot *slot)
{
	char path[64], line[STAT_BYTES];
	snprintf(path, sizeof path, "/proc/%u/stat", slot->pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t got = read(fd, line, sizeof line - 1);
	close(fd);
	line[got > 0 ? got : 0] = '\0';
	char *fields = strrchr(line, ')');
	if (!fields || strlen(fields) < 3 || fields[2] == 'Z' || fields[2] == 'X')
		return 0;
	char state = fields[2], *rest = NULL;
	/* proc(5): the start is field 22, and the one before ')' is the second. */
	const char *field = strtok_r(fields, " ", &rest);
	for (int number = 2; field && number < 22; number++)
		field = strtok_r(NULL, " ", &rest);
	return field && slot->start && strtoull(field, NULL, 10) != slot->start ? 0 : state;
}

/* The status that wait gave for it; the last one, should its pid have come again. NULL: it was not our child. */
static const struct ended *ended_of(const struct reading *reading, unsigned long pid)
{
	for (size_t i = reading->wanted->ended_count; i > 0; i--)
		if ((unsigned long)reading->wanted->ended[i - 1].pid == pid)
			return &reading->wanted->ended[i - 1];
	return NULL;
}

/* How it went without a word. The caller frees. */
static const char *signal_name(int number)
{
	const char *name = sigabbrev_np(number);
	return name ? name : "?";
}

static char *silent_end(const struct reading *reading, const struct roster_slot *slot, bool *runs)
{
	char state = state_of(slot);
	*runs = state != 0;
	if (state == 'T' || state == 't')
		return must_format("it is stopped, and has not ended");
	if (state)
		return must_format("it still runs");
	const struct ended *ended = ended_of(reading, slot->pid);
	if (ended && WIFSIGNALED(ended->status))
		return must_format("signal %d (%s) ended it", WTERMSIG(ended->status),
				   signal_name(WTERMSIG(ended->status)));
	if (ended)
		return must_format("it ended by a direct system call (status %d), without a snapshot",
				   WEXITSTATUS(ended->status));
	return must_format("a signal, or a direct system call, ended it without a snapshot");
}

/* --- images ---------------------------------------------------------------------------------------------------- */

static bool has_file(const struct reading *reading, const struct roster_slot *slot, bool at_end)
{
	const struct snapshot_briefs *files = reading->files;
	for (size_t i = run_files_first(files, slot->pid);
	     i < files->count && files->at[i].numbers[META_PID] == slot->pid; i++) {
		const struct snapshot_brief *file = &files->at[i];
		if (file->numbers[META_START_TIME_NS] == slot->begun_ns &&
		    (!at_end || file->numbers[META_TRIGGER] == TRIGGER_EXIT || file->numbers[META_LEAKS]))
			return true;
	}
	return false;
}

static size_t first_of_pid(const struct reading *reading, size_t at)
{
	while (at && reading->slots[at - 1].pid == reading->slots[at].pid)
		at--;
	return at;
}

/* The image that took this one's place: the next slot of its process. */
static const struct roster_slot *successor(const struct reading *reading, size_t at)
{
	const struct roster_slot *slot = &reading->slots[at];
	for (size_t i = first_of_pid(reading, at); i < reading->count && reading->slots[i].pid == slot->pid; i++) {
		const struct roster_slot *other = &reading->slots[i];
		/* A note by a parent may come after the image that it is about. */
		if (other->kind == ROSTER_IMAGE && same_process(other, slot) && (i > at || !is_body(slot)))
			return other;
	}
	return NULL;
}

/* What the run within this one, which started the process, said of its own. NULL: it did not say anything. */
static const struct roster_slot *nested_verdict(const struct reading *reading, const struct roster_slot *slot)
{
	for (size_t i = 0; i < reading->count; i++)
		if (reading->slots[i].kind == ROSTER_NESTED && reading->slots[i].pid == slot->parent)
			return &reading->slots[i];
	return NULL;
}

static char *nested_reason(const struct reading *reading, const struct roster_slot *slot)
{
	const struct roster_slot *nested = nested_verdict(reading, slot);
	if (nested && (nested->verdict == ROSTER_NONE_LOST || !reading->wanted->leaks))
		return NULL;
	return must_format(
		nested && nested->verdict == ROSTER_LOST
			? "it belongs to another `mudlark run`, pid %u, which found leaks"
			: "it belongs to another `mudlark run`, pid %u, which did not report that nothing was lost",
		slot->parent);
}

/* Why the library did not begin in what was executed. The caller frees. */
static char *lost_image(const struct reading *reading, const struct roster_slot *slot, bool *runs)
{
	struct preflight check;
	struct error error = {0};
	char *reason = NULL;
	*runs = state_of(slot) != 0;
	if (slot->flags & ROSTER_OTHER_RUN)
		return nested_reason(reading, slot);
	if (slot->path[0] != '.' || slot->path[1] != '.') {
		if (preflight(&check, slot->path, &error) == EXIT_USAGE)
			reason = must_format("it executed %s: %s; what that started is known only if the library began "
					     "in it",
					     slot->path, error.message);
		preflight_free(&check);
	}
	if (reason)
		return reason;
	if (slot->flags & ROSTER_NO_PRELOAD)
		return must_format("it executed %s without LD_PRELOAD in its environment", slot->path);
	if (slot->flags & ROSTER_NO_RUN)
		return must_format("it executed %s without " ROSTER_VARIABLE " in its environment", slot->path);
	return must_format("it executed %s, in which the library did not begin%s", slot->path,
			   *runs ? ", and which still runs" : "");
}

/* Of an image that ended by itself. */
static char *exited_reason(const struct reading *reading, const struct roster_slot *slot)
{
	if (slot->error)
		return must_format("its snapshot at the end could not be written: %s", output_reason(slot->error));
	if (reading->wanted->leaks && slot->verdict == ROSTER_NOT_SEARCHED)
		return must_format("it was not searched for leaks at its end");
	if (!has_file(reading, slot, true))
		return must_format("its snapshot at the end no longer exists, or belongs to another user");
	return NULL;
}

/* Of an image that a signal ended, which left a snapshot before, without a search for leaks. */
static char *killed_reason(const struct reading *reading, const struct roster_slot *slot)
{
	const char *name = signal_name(slot->flags);
	if (slot->error)
		return must_format("signal %d (%s) ended it, and its snapshot could not be written: %s", slot->flags,
				   name, output_reason(slot->error));
	if (reading->wanted->leaks)
		return must_format("signal %d (%s) ended it, before it could be searched for leaks", slot->flags, name);
	if (!has_file(reading, slot, false))
		return must_format("signal %d (%s) ended it, and its snapshot no longer exists", slot->flags, name);
	return NULL;
}

/* Of an image that was replaced by another one. */
static char *executed_reason(const struct reading *reading, const struct roster_slot *slot)
{
	if (!reading->wanted->leaks || slot->kind == ROSTER_CLONED)
		return NULL;
	if (slot->error)
		return must_format("its snapshot before it executed %s could not be written: %s", slot->path,
				   output_reason(slot->error));
	if (slot->verdict == ROSTER_NOT_SEARCHED)
		return must_format("it executed %s before it could be searched for leaks",
				   slot->path[0] ? slot->path : "another program");
	if ((slot->verdict == ROSTER_LOST || slot->verdict == ROSTER_UNCERTAIN) && !has_file(reading, slot, true))
		return must_format("its snapshot before it executed %s no longer exists", slot->path);
	return NULL;
}

/* Why this image was not examined; NULL: it was. */
static char *image_reason(const struct reading *reading, size_t at, bool *runs)
{
	const struct roster_slot *slot = &reading->slots[at], *next = successor(reading, at);
	switch ((enum roster_end)slot->end) {
	case ROSTER_LEFT_OUT:
		return NULL;
	case ROSTER_DECLINED:
		return reading->wanted->leaks && !has_file(reading, slot, false)
			       ? must_format("no snapshot at its end was wanted (at_exit=0)")
			       : NULL;
	case ROSTER_EXITED:
		return exited_reason(reading, slot);
	case ROSTER_KILLED:
		return killed_reason(reading, slot);
	case ROSTER_EXECUTED:
		return next ? executed_reason(reading, slot) : lost_image(reading, slot, runs);
	case ROSTER_RUNS:
	default:
		break;
	}
	if (next)
		return reading->wanted->leaks && slot->kind != ROSTER_CLONED
			       ? must_format("it executed another program by a direct system call")
			       : NULL;
	if (slot->kind == ROSTER_CLONED)
		return must_format("it was made by a direct system call of its parent: the library cannot follow it");
	char *reason = silent_end(reading, slot, runs);
	if (!reading->wanted->leaks && has_file(reading, slot, false)) {
		free(reason);
		return NULL;
	}
	return reason;
}

/* --- processes ------------------------------------------------------------------------------------------------- */

static struct run_process *add(struct reading *reading, const struct roster_slot *slot, char *reason)
{
	struct run_processes *out = reading->out;
	must_grow(out->processes, out->count, out->capacity);
	struct run_process *process = &out->processes[out->count++];
	*process = (struct run_process){
		.pid = slot->pid,
		.parent = slot->parent,
		.number = slot->number,
		.start_ns = slot->begun_ns,
		.reason = reason,
	};
	process->program = must_copy(slot->name);
	out->unexamined += reason != NULL;
	return process;
}

/* The process that this slot is the first one of, unless it is part of the one of an earlier slot. */
static bool is_first(const struct reading *reading, size_t at)
{
	for (size_t i = first_of_pid(reading, at); i < at; i++)
		if (same_process(&reading->slots[i], &reading->slots[at]) && reading->slots[i].kind != ROSTER_NESTED)
			return false;
	return true;
}

/* All slots of one process: the first reason counts, the last image names it. */
static void read_process(struct reading *reading, size_t first)
{
	const struct roster_slot *slots = reading->slots, *named = &slots[first];
	char *reason = NULL;
	bool runs = false, bodies = false, left_out = true;
	for (size_t i = first; i < reading->count && slots[i].pid == slots[first].pid; i++) {
		if (!same_process(&slots[i], &slots[first]) || slots[i].kind == ROSTER_NESTED)
			continue;
		bool note = !is_body(&slots[i]);
		bool of_run = slots[i].end != ROSTER_LEFT_OUT;
		left_out &= !of_run;
		if (is_body(&slots[i]) && (!bodies || slots[i].kind == ROSTER_IMAGE)) {
			named = &slots[i];
			bodies = true;
		}
		if (reason || !of_run)
			continue;
		if (!note)
			reason = image_reason(reading, i, &runs);
		else if (!successor(reading, i))
			reason = lost_image(reading, &slots[i], &runs);
		if (reason && !note)
			named = &slots[i];
	}
	if (left_out)
		return;
	add(reading, named, reason)->runs = runs;
}

/* Children by system calls that the library saw, less those that made themselves known. */
static void read_clones(struct reading *reading, const struct roster_slot *note)
{
	size_t made = 0, known = 0;
	for (size_t i = 0; i < reading->count; i++) {
		const struct roster_slot *slot = &reading->slots[i];
		made += slot->kind == ROSTER_CLONE && slot->parent == note->parent && slot < note;
		known += slot->kind == ROSTER_CLONED && slot->parent == note->parent && is_first(reading, i);
	}
	if (made >= known)
		add(reading, note, must_format("a child that pid %u made by a direct system call", note->parent));
}

/* Notes of children whose pid is not known. */
static void read_shell(struct reading *reading, const struct roster_slot *note)
{
	struct roster_slot unknown = {.parent = note->parent, .number = note->number};
	add(reading, &unknown,
	    must_format("a child of %s, pid %u, by system() or popen(): %s was not in its environment", note->name,
			note->parent, note->flags & ROSTER_NO_PRELOAD ? "LD_PRELOAD" : ROSTER_VARIABLE));
}

static void read_slot(struct reading *reading, size_t at)
{
	struct roster_slot *slot = &reading->slots[at];
	const struct run_wanted *wanted = reading->wanted;
	if (slot->kind == ROSTER_NESTED || (wanted->only_command && slot->pid != wanted->pid))
		return;
	if (slot->kind == ROSTER_CLONE) {
		read_clones(reading, slot);
		return;
	}
	if (slot->kind == ROSTER_SPAWN && !slot->pid) {
		if (!(slot->flags & ROSTER_OTHER_RUN))
			read_shell(reading, slot);
		return;
	}
	if (is_first(reading, at))
		read_process(reading, at);
}

/* Slots that are not as their process left them, taken out of the rest. */
static void read_damaged(struct reading *reading)
{
	size_t whole = 0, damaged = 0;
	struct roster_slot unknown = {0};
	for (size_t i = 0; i < reading->count; i++) {
		if (!run_roster_is_whole(reading->roster, &reading->slots[i])) {
			damaged++;
			continue;
		}
		reading->slots[whole] = reading->slots[i];
		reading->slots[whole++].number = (uint32_t)i;
	}
	reading->count = whole;
	if (damaged)
		add(reading, &unknown,
		    must_format("a process whose record in the run's roster is damaged: it was written over, or not "
				"finished (%zu such records)",
				damaged));
}

static int compare_slots(const void *left, const void *right)
{
	const struct roster_slot *a = left, *b = right;
	if (a->pid != b->pid)
		return a->pid < b->pid ? -1 : 1;
	return (a->number > b->number) - (a->number < b->number);
}

static int compare_processes(const void *left, const void *right)
{
	const struct run_process *a = left, *b = right;
	return (a->number > b->number) - (a->number < b->number);
}

static struct run_process *find_process(const struct run_processes *processes, pid_t pid)
{
	for (size_t i = 0; i < processes->count; i++)
		if (processes->processes[i].pid == (unsigned long)pid)
			return &processes->processes[i];
	return NULL;
}

static bool has_slot(const struct reading *reading, pid_t pid)
{
	for (size_t i = 0; i < reading->count; i++)
		if (reading->slots[i].pid == (uint32_t)pid)
			return true;
	return false;
}

/*
 * Processes whose parent ended before them, and which nobody told us of: a program in which the library is not has
 * started them.
 */
static void read_reaped(struct reading *reading)
{
	const struct run_wanted *wanted = reading->wanted;
	for (size_t i = 0; i < wanted->ended_count && !wanted->only_command && reading->slots; i++) {
		const struct ended *ended = &wanted->ended[i];
		if ((unsigned long)ended->pid == wanted->pid || has_slot(reading, ended->pid) ||
		    has_slot(reading, ended->inner_pid))
			continue;
		struct roster_slot unknown = {.pid = (uint32_t)ended->pid, .number = UINT32_MAX};
		_Static_assert(sizeof ended->name <= sizeof unknown.name, "a name fits");
		memcpy(unknown.name, ended->name, sizeof ended->name);
		add(reading, &unknown,
		    must_format("it has ended, and the library had not begun in it: a program that is not recorded "
				"started it"));
	}
}

/*
 * Descendants that still ran when nobody waited for them any longer. Should one have ended since, as it ought to, it
 * may have left another one behind that had no slot yet when the roster was read: it counts as running all the same.
 */
static void read_living(struct reading *reading)
{
	const struct run_wanted *wanted = reading->wanted;
	for (size_t i = 0; i < wanted->living_count && !wanted->only_command; i++) {
		const struct living *living = &wanted->living[i];
		struct run_process *process = find_process(reading->out, living->pid);
		if (process && !process->reason) {
			process->reason = must_format("it still ran when the run was over");
			process->runs = true;
			reading->out->unexamined++;
		} else if (!process) {
			struct roster_slot unknown = {
				.pid = (uint32_t)living->pid, .parent = (uint32_t)living->parent, .number = UINT32_MAX};
			memcpy(unknown.name, living->name, sizeof living->name);
			add(reading, &unknown, must_format("it still runs, and the library has not begun in it"))
				->runs = true;
		}
	}
}

/* What is known of processes without a slot: that there were some. */
static void read_missing(struct reading *reading, const struct roster_missing *missing)
{
	struct roster_slot unknown = {0};
	if (!reading->slots)
		add(reading, &unknown,
		    must_format(
			    "which processes there were is not known: the run's roster, %s, was truncated or written "
			    "over",
			    reading->roster->path));
	if (missing->gone)
		add(reading, &unknown,
		    must_format("%u process%s whose records are not in the run's roster any longer", missing->gone,
				missing->gone == 1 ? "" : "es"));
	if (missing->unknown && !reading->wanted->only_command)
		add(reading, &unknown,
		    must_format("%u process%s for which the run's roster had no room, or could not be opened",
				missing->unknown, missing->unknown == 1 ? "" : "es"));
}

void run_processes_read(struct run_processes *processes, const struct run_roster *roster,
			const struct snapshot_briefs *files, const struct run_wanted *wanted)
{
	struct roster_missing missing;
	*processes = (struct run_processes){0};
	struct reading reading = {.roster = roster, .files = files, .wanted = wanted, .out = processes};
	reading.slots = run_roster_slots(roster, &reading.count, &missing);
	read_damaged(&reading);
	if (reading.count)
		qsort(reading.slots, reading.count, sizeof *reading.slots, compare_slots);
	for (size_t i = 0; i < reading.count; i++)
		read_slot(&reading, i);
	read_reaped(&reading);
	read_living(&reading);
	read_missing(&reading, &missing);
	if (processes->count)
		qsort(processes->processes, processes->count, sizeof *processes->processes, compare_processes);
	free(reading.slots);
}

void run_processes_free(struct run_processes *processes)
{
	for (size_t i = 0; i < processes->count; i++) {
		free(processes->processes[i].program);
		free(processes->processes[i].reason);
	}
	free(processes->processes);
	*processes = (struct run_processes){0};
}

/* --- words ----------------------------------------------------------------------------------------------------- */

void run_processes_print(const struct run_processes *processes, size_t most)
{
	size_t shown = 0;
	for (size_t i = 0; i < processes->count && shown < most; i++) {
		const struct run_process *process = &processes->processes[i];
		if (!process->reason)
			continue;
		if (process->pid)
			notice("not examined: %s, pid %lu: %s", process->program, process->pid, process->reason);
		else
			notice("not examined: %s", process->reason);
		shown++;
	}
	if (processes->unexamined > shown)
		notice("and %zu more that were not examined: --json FILE lists all", processes->unexamined - shown);
}

static void put_files(const struct snapshot_briefs *files, const struct run_process *process, struct json *json)
{
	json_put_array(json, "snapshots", false);
	for (size_t i = run_files_first(files, process->pid); i < files->count; i++) {
		if (!process->pid || files->at[i].numbers[META_PID] != process->pid)
			break;
		json_put_text(json, NULL, files->at[i].path);
	}
	json_end_array(json);
}

void run_processes_json(const struct run_processes *processes, const struct snapshot_briefs *files, struct json *json)
{
	json_put_array(json, "processes", false);
	for (size_t i = 0; i < processes->count; i++) {
		const struct run_process *process = &processes->processes[i];
		json_put_object(json, NULL, false);
		json_put_number(json, "pid", process->pid);
		json_put_number(json, "parent", process->parent);
		json_put_text(json, "program", process->program);
		json_put_boolean(json, "examined", !process->reason);
		json_put_text(json, "reason", process->reason);
		json_put_boolean(json, "runs", process->runs);
		put_files(files, process, json);
		json_end_object(json);
	}
	json_end_array(json);
}
