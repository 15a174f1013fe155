/* How a process ends: its last snapshot, the search for leaks in it, and the status; control.h. */
#include "preload/base/notes.h"
#include "preload/base/sandboxed.h"
#include "preload/base/sys.h"
#include "preload/host/control_parts.h"
#include "preload/interface/output_reason.h"
#include "preload/leaks/lsan_options.h"
#include "preload/process/roster.h"
#include "preload/python/gil.h"
#include "preload/sites/recording.h"

#include <errno.h>

enum { EXIT_UNCERTAIN = 4 /* as of `mudlark gate` */ };

static struct {
	_Atomic bool exit_done;
	_Atomic bool exits;         /* by the thread that takes the snapshot at the end */
	_Atomic bool only_lost;     /* files of searches before an exec, for which see snapshot.h */
	_Atomic bool leaks_done;    /* searched for on request */
	_Atomic bool judged;        /* the last snapshot was to say whether there are leaks */
	_Atomic bool search_failed; /* ... and could not be written */
	_Atomic bool left_out;      /* a fork's child with children=0 */
	int signal;                 /* that is about to end the process */
} ending;

bool ending_judges(void)
{
	if (atomic_load(&ending.leaks_done) || !lsan_wants_check(control.options->leaks != 0))
		return false;
	atomic_store(&ending.judged, true);
	return true;
}

static void note_search(bool wanted, int error)
{
	if (wanted)
		atomic_store(&ending.search_failed, error != 0);
}

/* What the roster is to say of a search. */
static enum roster_verdict verdict_of(bool searched, int error)
{
	static const enum roster_verdict verdicts[] = {[LEAKS_NOT_SEARCHED] = ROSTER_NOT_SEARCHED,
						       [LEAKS_NONE] = ROSTER_NONE_LOST,
						       [LEAKS_FOUND] = ROSTER_LOST,
						       [LEAKS_UNCERTAIN] = ROSTER_UNCERTAIN};
	if (searched)
		return error ? ROSTER_NOT_SEARCHED : verdicts[snapshot_verdict()];
	return control.options->leaks && (atomic_load(&ending.leaks_done) || lsan_is_off()) ? ROSTER_UNWANTED
											    : ROSTER_NOT_SEARCHED;
}

void ending_note(bool searched, int error)
{
	note_search(searched, error);
	roster_set_end(ROSTER_EXITED, verdict_of(searched, error), -error);
}

void control_leaks_done(void)
{
	atomic_store(&ending.leaks_done, true);
}

void control_end_leaking(void)
{
	/* Like the sanitizer, without the program's handlers. */
	roster_set_end(ROSTER_EXITED, ROSTER_LOST, 0);
	sys_exit(lsan_status());
}

static bool is_child_left_out(void)
{
	return atomic_load(&ending.left_out) && !atomic_load(&recording_active);
}

/* A copy that still writes must not outlive the process: where that is number 1, it would be killed with it. */
static void wait_for_copy(void)
{
	struct heap *heap = heap_enter();
	snapshot_settle(true);
	heap_leave(heap);
}

void control_interpreter_ends(void)
{
	if (control.options && control.options->at_exit && !is_child_left_out())
		control_note(TRIGGER_EXIT);
}

/* Behind a filter of its own nothing can be asked of the kernel, not even whose child this is, nor be searched. */
static bool is_locked_in(void)
{
	return control.options && maybe_sandboxed();
}

/*
 * at_exit=0, and nothing that was asked for before is under way: then not even getpid() is called, as the program may
 * have installed a seccomp filter by an instruction of its own. So a vfork child that ends notes it for its parent,
 * which is of no consequence: the parent's own end is the same.
 */
static bool ends_unseen(void)
{
	if (!control.options || control.options->at_exit || gil_is_busy() || snapshot_has_copy())
		return false;
	if (roster_is_raw_copy())
		roster_cloned();
	else if (!is_child_left_out())
		roster_decline();
	return true;
}

void control_at_exit(void)
{
	if (ends_unseen())
		return;
	/* First: a filter that was not seen may show itself by refusing to say the process's number (fatal.h). */
	bool own = !maybe_sandboxed() && control_owns_process();
	if (is_locked_in() && control.options->at_exit && !is_child_left_out() && !roster_is_raw_copy())
		ending_note(ending_judges(), sandboxed() ? -EPERM : -OUTPUT_MAY_KILL);
	if (!own) {
		roster_cloned();
		return;
	}
	control_finish_census(OUTSIDE_EXIT);
	wait_for_copy();
	if (is_child_left_out())
		return;
	if (!control.options->at_exit) {
		roster_set_end(ROSTER_DECLINED, ROSTER_NOT_SEARCHED, 0);
		return;
	}
	if (atomic_exchange(&ending.exit_done, true))
		return;
	bool leaks = ending_judges();
	atomic_store(&ending.exits, true);
	ending_note(leaks, control_take_now(TRIGGER_EXIT, NULL, true, leaks));
}

void control_at_signal(int number, const char *name, bool wait)
{
	if (is_child_left_out())
		return;
	ending.signal = number;
	int error = control_snapshot(TRIGGER_FATAL, name, wait);
	roster_set_killed(number, -error);
}

enum roster_verdict control_before_exec(int *error)
{
	*error = 0;
	if (!control.options->at_exit || is_child_left_out() || atomic_load(&ending.exit_done) || !ending_judges())
		return control.options->leaks ? verdict_of(false, 0) : ROSTER_NOT_SEARCHED;
	struct heap *heap = heap_enter();
	ending.only_lost = true;
	/* Arguments of the new program may be nowhere but in our frames. */
	const struct taking taking = {.trigger = TRIGGER_EXIT,
				      .wait = true,
				      .leaks = true,
				      .from = OUTSIDE_NOTHING,
				      .why_not = control_no_gil};
	int result = lock_depth ? -EBUSY : control_take_inside(&taking);
	ending.only_lost = false;
	heap_leave(heap);
	*error = -result;
	return verdict_of(true, result);
}

void control_exec_failed(void)
{
	atomic_store(&ending.judged, false);
}

int control_exit_status(int status)
{
	/* First what needs no system call. */
	if (status != 0 || !atomic_load(&ending.judged) || !control.options->judge)
		return status;
	if (!is_locked_in() && !control_owns_process())
		return status;
	int code = lsan_status();
	enum leak_verdict verdict = atomic_load(&ending.search_failed) ? LEAKS_UNCERTAIN : snapshot_verdict();
	if (!code || verdict == LEAKS_NONE || (verdict == LEAKS_FOUND && lsan_has_suppressions()))
		return status;
	return verdict == LEAKS_FOUND ? code : EXIT_UNCERTAIN;
}

void control_before_sandbox(void)
{
	if (!control.options->at_exit || is_child_left_out())
		return;
	notes_add("the program locked itself in with seccomp: this is the last snapshot that could be written");
	control_snapshot(TRIGGER_SANDBOX, NULL, true);
}

void ending_done(void)
{
	atomic_store(&ending.exit_done, true);
}

bool ending_is_exit(void)
{
	return atomic_load(&ending.exits);
}

bool ending_is_only_lost(void)
{
	return atomic_load(&ending.only_lost);
}

int ending_signal(void)
{
	return ending.signal;
}

void ending_fork_child(void)
{
	atomic_store(&ending.exit_done, false);
	atomic_store(&ending.exits, false);
	atomic_store(&ending.judged, false);
	atomic_store(&ending.search_failed, false);
}

void ending_leave_out(void)
{
	atomic_store(&ending.left_out, true);
	roster_set_end(ROSTER_LEFT_OUT, ROSTER_NOT_SEARCHED, 0);
	atomic_store(&recording_active, false);
}
