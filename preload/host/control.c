/* Requests for snapshots; control.h has the way that they take. */
#include "preload/base/losses.h"
#include "preload/base/sandboxed.h"
#include "preload/base/sys.h"
#include "preload/heap/damage.h"
#include "preload/host/control_parts.h"
#include "preload/host/dispositions.h"
#include "preload/host/fatal.h"
#include "preload/host/sandbox.h"
#include "preload/interface/request.h"
#include "preload/leaks/lsan_options.h"
#include "preload/python/gil.h"
#include "preload/python/stats.h"
#include "preload/sites/recording.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

_Atomic uint32_t control_pending;
struct control control;

const char control_no_gil[] = "objects were not counted: the thread that took the snapshot did not hold the GIL";
static const char no_helper[] = "objects were not counted: another census was under way, or no thread could be started";

/* What a snapshot is to say of Python's objects. token: of a request; 0: none. */
static struct census_request census_wanted(enum snapshot_trigger trigger, uint64_t token)
{
	const struct options *options = control.options;
	struct census_request wanted = {.refs = options->refs[0] != 0, .census = options->census};
	if (wanted.refs && strcmp(options->refs, "?") != 0)
		wanted.refs_hash = request_hash(options->refs);
	if (request_flags(token) & REQUEST_REFS) {
		wanted.refs = true;
		wanted.refs_hash = request_type(token);
	}
	if (wanted.refs || request_flags(token) & REQUEST_CENSUS)
		wanted.census = true;
	/* In the middle of an allocation, or of what went wrong, objects are not to be trusted. */
	if (trigger == TRIGGER_PEAK || trigger == TRIGGER_FATAL || trigger == TRIGGER_SANDBOX)
		wanted = (struct census_request){0};
	return wanted;
}

int control_take_inside(const struct taking *taking)
{
	enum snapshot_trigger trigger = taking->trigger;
	if (sandboxed()) {
		loss_count(LOSS_SNAPSHOTS_FAILED);
		return -EPERM;
	}
	uint64_t token = trigger == TRIGGER_REQUEST ? atomic_exchange(&control.token, 0) : 0;
	/* As `mudlark snap --leaks` asks. */
	bool leaks = taking->leaks || (token && request_flags(token) & REQUEST_LEAKS);
	bool retained = token ? request_flags(token) & REQUEST_RETAINED : control.options->leaks == LEAKS_RETAINED;
	bool exits = trigger == TRIGGER_EXIT && ending_is_exit();
	/* Of two at the end the first one is not the last. */
	bool only_lost = trigger == TRIGGER_EXIT && ending_is_only_lost();
	bool ends = trigger == TRIGGER_EXIT && !only_lost && (exits || control.options->at_exit < AT_EXIT_TWICE);
	struct snapshot_request request = {.trigger = trigger,
					   .label = taking->label,
					   .wait = taking->wait,
					   .leaks = leaks,
					   .retained = leaks && retained,
					   .ends = ends,
					   .only_lost = only_lost,
					   .exits = exits,
					   .from = taking->from,
					   .token = token,
					   .let_in = trigger == TRIGGER_FATAL ? ending_signal() : 0,
					   .census = census_wanted(trigger, token),
					   .malloc_stats = taking->malloc_stats};
	if (request.census.census && taking->interp)
		request.interp = taking->interp;
	else
		request.census.why_not = taking->why_not;
	int error = snapshot_take(&request, &answers_listener);
	if (error != -EBUSY)
		return error;
	loss_count(LOSS_SNAPSHOTS_SKIPPED);
	if (token)
		answers_busy(token);
	return error;
}

/* The same outside of the allocator. */
static int take(struct taking taking)
{
	struct python_stats stats = {0};
	if (taking.interp)
		python_stats_take(&stats);
	taking.malloc_stats = stats.text;
	struct heap *heap = heap_enter();
	int error = control_take_inside(&taking);
	heap_leave(heap);
	python_stats_end(&stats);
	return error;
}

/* By a thread that has the GIL, or could not get it. */
static void take_with_gil(void *context, uintptr_t interp, const char *why_not)
{
	take((struct taking){.trigger = (enum snapshot_trigger)(uintptr_t)context,
			     .from = OUTSIDE_LIBRARY,
			     .interp = interp,
			     .why_not = interp ? NULL : why_not});
}

bool control_needs_helper(enum snapshot_trigger trigger, const char **why_not)
{
	bool from_outside = trigger == TRIGGER_SIGNAL || trigger == TRIGGER_INTERVAL || trigger == TRIGGER_REQUEST;
	uint64_t token = trigger == TRIGGER_REQUEST ? atomic_load(&control.token) : 0;
	if (!from_outside || sandboxed() || !census_wanted(trigger, token).census)
		return false;
	*why_not = gil_why_not();
	return !*why_not;
}

/* Whether a thread of its own takes it. Called outside the allocator. */
static bool hand_over(enum snapshot_trigger trigger, const char **why_not)
{
	if (!control_needs_helper(trigger, why_not))
		return false;
	/* The next one will do: those without objects would be no part of the series. */
	if (trigger == TRIGGER_INTERVAL && gil_is_busy()) {
		loss_count(LOSS_SNAPSHOTS_SKIPPED);
		return true;
	}
	*why_not = no_helper;
	return gil_ask(take_with_gil, (void *)(uintptr_t)trigger);
}

void control_finish_census(enum outside_of from)
{
	void *context;
	if (!gil_take_back(&context))
		return;
	uintptr_t interp = gil_mine();
	take((struct taking){.trigger = (enum snapshot_trigger)(uintptr_t)context,
			     .from = from,
			     .interp = interp,
			     .why_not = interp ? NULL : control_no_gil});
}

void control_note(enum snapshot_trigger trigger)
{
	atomic_fetch_or_explicit(&control_pending, 1u << trigger, memory_order_acq_rel);
}

void control_poll_slow(struct heap *heap, bool may_make_thread)
{
	if (!heap_is_real(heap))
		return;
	/* First: a vfork child, in its parent's memory, must not take its parent's requests. */
	if (!control_owns_process())
		return;
	uint32_t pending = atomic_exchange_explicit(&control_pending, 0, memory_order_acq_rel);
	if (pending >> WATCH_SIGNAL & 1 && signals_watch())
		atomic_fetch_or_explicit(&control_pending, 1u << WATCH_SIGNAL, memory_order_acq_rel);
	pending &= ~(1u << WATCH_SIGNAL);
	bool leaks = pending >> TRIGGER_EXIT & 1 && ending_judges();
	for (; pending; pending &= pending - 1) {
		enum snapshot_trigger trigger = (enum snapshot_trigger)__builtin_ctz(pending);
		const char *why_not = control_no_gil;
		if (!may_make_thread && control_needs_helper(trigger, &why_not)) {
			control_note(trigger);
			continue;
		}
		if (hand_over(trigger, &why_not))
			continue;
		bool last = trigger == TRIGGER_EXIT;
		if (last)
			control_finish_census(OUTSIDE_NOTHING); /* what was asked for before comes before */
		/* The interpreter that ends has let the GIL go for nobody. */
		uintptr_t interp = last ? gil_mine() : 0;
		/* The block that is being allocated or freed may be nowhere but in our frames. */
		int error = take((struct taking){.trigger = trigger,
						 .wait = last,
						 .leaks = last && leaks,
						 .from = OUTSIDE_NOTHING,
						 .interp = interp,
						 .why_not = why_not});
		if (last)
			ending_note(leaks, error);
		if (last && !error && control.options->at_exit < AT_EXIT_TWICE)
			ending_done();
	}
}

int control_take_now(enum snapshot_trigger trigger, const char *label, bool wait, bool leaks)
{
	const char *why_not = gil_why_not();
	if (lock_depth) {
		control_note(trigger);
		return -EBUSY;
	}
	if (!leaks && hand_over(trigger, &why_not))
		return 0;
	uintptr_t interp = trigger == TRIGGER_API || trigger == TRIGGER_EXIT ? gil_mine() : 0;
	if (!why_not)
		why_not = control_no_gil;
	enum outside_of from = trigger == TRIGGER_EXIT ? OUTSIDE_EXIT : OUTSIDE_LIBRARY;
	return take((struct taking){.trigger = trigger,
				    .label = label,
				    .wait = wait,
				    .leaks = leaks,
				    .from = from,
				    .interp = interp,
				    .why_not = why_not});
}

int control_mark(void)
{
	uint64_t mark = atomic_fetch_add(&recording_marks, 1) + 1;
	const struct options *options = control.options;
	if (mark <= options->warmup || mark - options->warmup > options->marks)
		return 0;
	return control_snapshot(TRIGGER_MARK, NULL, true);
}

int control_snapshot(enum snapshot_trigger trigger, const char *label, bool wait)
{
	return control_take_now(trigger, label, wait, false);
}

enum leak_verdict control_leaks(enum snapshot_trigger trigger, const char *label)
{
	if (!control_owns_process() || control_take_now(trigger, label, true, true) != 0)
		return LEAKS_UNCERTAIN;
	return snapshot_verdict();
}

bool control_interval_due(uint64_t elapsed_ns)
{
	uint64_t due = atomic_load_explicit(&control.next_due, memory_order_relaxed);
	if (!due || elapsed_ns < due)
		return false;
	uint64_t every = control.options->every_ns;
	uint64_t next = due + ((elapsed_ns - due) / every + 1) * every;
	return atomic_compare_exchange_strong(&control.next_due, &due, next);
}

void control_clock(uint64_t elapsed_ns)
{
	pool_tick();
	if (!sandboxed())
		snapshot_settle(false);
	if (control_interval_due(elapsed_ns))
		control_note(TRIGGER_INTERVAL);
}

void control_peak(void)
{
	if (control.options && control.options->peak == PEAK_SNAPSHOT)
		control_note(TRIGGER_PEAK);
}

/*
 * What the guard finds is in a snapshot, with its stacks, also if the program catches SIGABRT or fatal is off. Otherwise
 * abort() leads to fatal_signal(), which writes one.
 */
static void snapshot_before_abort(void)
{
	struct sigaction now;
	bool is_default = sigaction(SIGABRT, NULL, &now) == 0 && now.sa_handler == SIG_DFL;
	bool follows = is_default && control.options->fatal && atomic_load(&control.pid) != 1;
	if (!follows && control_owns_process())
		control_snapshot(TRIGGER_FATAL, NULL, false);
}

void control_init(const struct options *options, pid_t pid)
{
	control.options = options;
	atomic_store(&control.pid, pid);
	signals_init(pid);
	if (options->guard)
		damage_before_abort = snapshot_before_abort;
}

void control_fork_child(pid_t pid)
{
	atomic_store(&control.pid, pid);
	atomic_store(&control_pending, 0);
	atomic_store(&control.token, 0);
	ending_fork_child();
	lsan_fork_child();
	fatal_fork_child();
	signals_fork_child(pid);
	if (!control.options)
		return;
	if (control.options->children) {
		signals_resume();
		return;
	}
	dispositions_give_back();
	ending_leave_out();
}

bool control_owns_process(void)
{
	if (!control.options || sandboxed())
		return false;
	pid_t pid = sys_getpid();
	if (pid < 0)
		sandbox_met();
	return pid == atomic_load_explicit(&control.pid, memory_order_relaxed);
}
