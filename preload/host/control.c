/* Signals, timer and requests for snapshots; control.h has the way they take. */
#include "preload/host/control.h"

#include "preload/base/losses.h"
#include "preload/base/notes.h"
#include "preload/base/sandboxed.h"
#include "preload/base/sys.h"
#include "preload/base/text.h"
#include "preload/host/dispositions.h"
#include "preload/host/fatal.h"
#include "preload/host/sandbox.h"
#include "preload/interface/output_reason.h"
#include "preload/interface/request.h"
#include "preload/leaks/lsan_options.h"
#include "preload/process/broken_wait.h"
#include "preload/process/interrupted.h"
#include "preload/process/modules.h"
#include "preload/process/roster.h"
#include "preload/python/gil.h"
#include "preload/python/stats.h"
#include "preload/sites/recording.h"
#include "preload/sites/totals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>
#include <unistd.h>

_Atomic uint32_t control_pending;

enum {
	EXIT_UNCERTAIN = 4, /* as of `mudlark gate` */
	TOKEN_DIGITS = 16,
	MESSAGE_BYTES = PATH_MAX + 256, /* a path, and what is the matter with it */
	/* Ignored by default: a daemon that resets all handlers must not be killed by our timer. */
	TIMER_SIGNAL = SIGURG,
	/* Allocations that look whether Go has taken the signal: it does so before it starts its second thread. */
	WATCHES_MAX = 4096,
	/* Where others crowd in front of the socket for the answer: a fraction of a second, rather than none. */
	REPLY_TRIES = 20,
	REPLY_AGAIN_NS = 5000000,
	COPY_STAYS_MS = 2000, /* for who asked to see whose child it is */
	AGAIN_NS = 1000000,   /* until a signal that came at a bad moment comes again */
};

enum { AGAIN_NONE, AGAIN_BEING_MADE, AGAIN_MADE };

/* In control_pending, where no trigger is: the signal is to be looked after. */
enum { WATCH_SIGNAL = 0 };

static struct {
	const struct options *options;
	_Atomic pid_t pid;
	_Atomic uint64_t token;    /* of a `mudlark snap` that waits for an answer; 0: none */
	_Atomic uint64_t next_due; /* elapsed time of the next snapshot by interval */
	_Atomic bool exit_done;
	_Atomic bool ending;        /* by the thread that takes the snapshot at the end */
	_Atomic bool only_lost;     /* files of searches before an exec, for which see snapshot.h */
	_Atomic bool leaks_done;    /* searched for on request */
	_Atomic bool judged;        /* the last snapshot was to say whether there are leaks */
	_Atomic bool search_failed; /* ... and could not be written */
	_Atomic bool failure_named;
	_Atomic bool left_out;    /* a fork's child with children=0 */
	_Atomic uint32_t watches; /* how often the signal was looked after */
	int end_signal;           /* that is about to end the process */
	bool timer_wanted;
	int timer_signal;
	timer_t timer;
	_Atomic uint32_t again_state; /* AGAIN_NONE, ... */
	timer_t again;
} control;

/* Caller holds the snapshot lock. */
static void say(const char *what, const char *detail)
{
	static char line[MESSAGE_BYTES];
	struct text text = text_in(line, sizeof line - 1);
	if (!control.options->verbose)
		return;
	text_add(&text, "mudlark: ");
	text_add(&text, what);
	text_add(&text, detail);
	line[text.length] = '\n';
	sys_write_all(STDERR_FILENO, line, text.length + 1);
}

static void failed(int error, const char *path)
{
	loss_count(LOSS_SNAPSHOTS_FAILED);
	static char line[MESSAGE_BYTES]; /* under the snapshot lock */
	struct text text = text_in(line, sizeof line);
	text_add(&text, "a snapshot could not be written: ");
	text_add(&text, output_reason(-error));
	text_add(&text, ": ");
	text_add(&text, path);
	if (!atomic_exchange(&control.failure_named, true))
		notes_add(line);
	say(line, "");
}

/*
 * Sends the answer to the `mudlark snap` that waits for it. That one takes it from this process or a child of it only,
 * so a copy stays until it has been looked at. Its end closes the socket: then another request is served.
 */
static void reply(uint64_t token, const char *message, size_t bytes)
{
	char name[sizeof "mudlark." + TOKEN_DIGITS];
	struct text text = text_in(name, sizeof name);
	text_add(&text, "mudlark.");
	text_add_hex(&text, token, TOKEN_DIGITS);
	int fd = sys_connect(name);
	for (int tries = 1; fd == -EAGAIN && tries < REPLY_TRIES; tries++) {
		_Atomic uint32_t never = 0;
		sys_futex_wait_for(&never, 0, REPLY_AGAIN_NS);
		fd = sys_connect(name);
	}
	if (fd < 0)
		return;
	bool is_copy = sys_getpid() != atomic_load(&control.pid);
	bool sent = sys_peer_is_trusted(fd) && sys_send(fd, message, bytes) == 0;
	if (is_copy && sent)
		sys_wait_for_peer(fd, COPY_STAYS_MS);
	else
		sys_close(fd);
}

/* 'P' and the path, or 'E' and the reason; where another one is being written, 'B'. */
static void answer(uint64_t token, int error, const char *path)
{
	static char message[MESSAGE_BYTES]; /* under the snapshot lock */
	struct text text = text_in(message, sizeof message);
	text_add(&text, error ? "E" : "P");
	if (error) {
		text_add(&text, output_reason(-error));
		text_add(&text, ": ");
	}
	text_add(&text, path);
	reply(token, message, text.length);
}

static void tell(int error, const char *path)
{
	if (error)
		failed(error, path);
	else
		say("snapshot ", path);
}

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

/* Called between enter and leave, without a lock of ours. interp: the thread has the GIL, for a census. */
static int take_inside(enum snapshot_trigger trigger, const char *label, bool wait, bool leaks, enum outside_of from,
		       uintptr_t interp, const char *why_not, const char *malloc_stats)
{
	static const struct snapshot_listener listener = {answer, tell};
	if (sandboxed()) {
		loss_count(LOSS_SNAPSHOTS_FAILED);
		return -EPERM;
	}
	uint64_t token = trigger == TRIGGER_REQUEST ? atomic_exchange(&control.token, 0) : 0;
	/* As `mudlark snap --leaks` asks. */
	leaks |= token && request_flags(token) & REQUEST_LEAKS;
	bool retained = token ? request_flags(token) & REQUEST_RETAINED : control.options->leaks == LEAKS_RETAINED;
	bool exits = trigger == TRIGGER_EXIT && atomic_load(&control.ending);
	/* Of two at the end the first one is not the last. */
	bool only_lost = control.only_lost && trigger == TRIGGER_EXIT;
	bool ends = trigger == TRIGGER_EXIT && !only_lost && (exits || control.options->at_exit < AT_EXIT_TWICE);
	struct snapshot_request request = {.trigger = trigger,
					   .label = label,
					   .wait = wait,
					   .leaks = leaks,
					   .retained = leaks && retained,
					   .ends = ends,
					   .only_lost = only_lost,
					   .exits = exits,
					   .from = from,
					   .token = token,
					   .let_in = trigger == TRIGGER_FATAL ? control.end_signal : 0,
					   .census = census_wanted(trigger, token),
					   .malloc_stats = malloc_stats};
	if (request.census.census && interp)
		request.interp = interp;
	else
		request.census.why_not = why_not;
	int error = snapshot_take(&request, &listener);
	if (error != -EBUSY)
		return error;
	loss_count(LOSS_SNAPSHOTS_SKIPPED);
	static const char busy[] = "Banother snapshot is being written";
	if (token)
		reply(token, busy, sizeof busy - 1);
	return error;
}

/* The same outside of the allocator. */
static int take(enum snapshot_trigger trigger, const char *label, bool wait, bool leaks, enum outside_of from,
		uintptr_t interp, const char *why_not)
{
	struct python_stats stats = {0};
	if (interp)
		python_stats_take(&stats);
	struct heap *heap = heap_enter();
	int error = take_inside(trigger, label, wait, leaks, from, interp, why_not, stats.text);
	heap_leave(heap);
	python_stats_end(&stats);
	return error;
}

/* By a thread that has the GIL, or could not get it. */
static void take_with_gil(void *context, uintptr_t interp, const char *why_not)
{
	take((enum snapshot_trigger)(uintptr_t)context, NULL, false, false, OUTSIDE_LIBRARY, interp,
	     interp ? NULL : why_not);
}

static const char no_gil[] = "objects were not counted: the thread that took the snapshot did not hold the GIL";
static const char no_helper[] = "objects were not counted: another census was under way, or no thread could be started";

/* Whether a thread of its own is to take the snapshot, since it needs the GIL. */
static bool needs_helper(enum snapshot_trigger trigger, const char **why_not)
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
	if (!needs_helper(trigger, why_not))
		return false;
	/* The next one will do: those without objects would be no part of the series. */
	if (trigger == TRIGGER_INTERVAL && gil_is_busy()) {
		loss_count(LOSS_SNAPSHOTS_SKIPPED);
		return true;
	}
	*why_not = no_helper;
	return gil_ask(take_with_gil, (void *)(uintptr_t)trigger);
}

/* Whether the snapshot at the end is to say whether there are leaks. Not inside the allocator: the program is asked. */
static bool judge_at_exit(void)
{
	if (atomic_load(&control.leaks_done) || !lsan_wants_check(control.options->leaks != 0))
		return false;
	atomic_store(&control.judged, true);
	return true;
}

static void note_search(bool wanted, int error)
{
	if (wanted)
		atomic_store(&control.search_failed, error != 0);
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
	return control.options->leaks && (atomic_load(&control.leaks_done) || lsan_is_off()) ? ROSTER_UNWANTED
											     : ROSTER_NOT_SEARCHED;
}

/* The snapshot at the end was tried. error: 0 or -errno. */
static void note_end(bool searched, int error)
{
	note_search(searched, error);
	roster_set_end(ROSTER_EXITED, verdict_of(searched, error), -error);
}

/* A snapshot that still waits for the GIL is taken by the thread that ends the process, which may well have it. */
static void finish_census(enum outside_of from)
{
	void *context;
	if (!gil_take_back(&context))
		return;
	uintptr_t interp = gil_mine();
	take((enum snapshot_trigger)(uintptr_t)context, NULL, false, false, from, interp, interp ? NULL : no_gil);
}

static void note_request(enum snapshot_trigger trigger)
{
	atomic_fetch_or_explicit(&control_pending, 1u << trigger, memory_order_acq_rel);
}

static bool watch_signal(void);

void control_poll_slow(struct heap *heap, bool may_make_thread)
{
	if (!heap_is_real(heap))
		return;
	/* First: a vfork child, in its parent's memory, must not take its parent's requests. */
	if (!control_owns_process())
		return;
	uint32_t pending = atomic_exchange_explicit(&control_pending, 0, memory_order_acq_rel);
	if (pending >> WATCH_SIGNAL & 1 && watch_signal())
		atomic_fetch_or_explicit(&control_pending, 1u << WATCH_SIGNAL, memory_order_acq_rel);
	pending &= ~(1u << WATCH_SIGNAL);
	bool leaks = pending >> TRIGGER_EXIT & 1 && judge_at_exit();
	for (; pending; pending &= pending - 1) {
		enum snapshot_trigger trigger = (enum snapshot_trigger)__builtin_ctz(pending);
		const char *why_not = no_gil;
		if (!may_make_thread && needs_helper(trigger, &why_not)) {
			note_request(trigger);
			continue;
		}
		if (hand_over(trigger, &why_not))
			continue;
		bool last = trigger == TRIGGER_EXIT;
		if (last)
			finish_census(OUTSIDE_NOTHING); /* what was asked for before comes before */
		/* The interpreter that ends has let the GIL go for nobody. */
		uintptr_t interp = last ? gil_mine() : 0;
		/* The block that is being allocated or freed may be nowhere but in our frames. */
		int error = take(trigger, NULL, last, last && leaks, OUTSIDE_NOTHING, interp, why_not);
		if (last)
			note_end(leaks, error);
		if (last && !error && control.options->at_exit < AT_EXIT_TWICE)
			atomic_store(&control.exit_done, true);
	}
}

static int take_now(enum snapshot_trigger trigger, const char *label, bool wait, bool leaks)
{
	const char *why_not = gil_why_not();
	if (lock_depth) {
		note_request(trigger);
		return -EBUSY;
	}
	if (!leaks && hand_over(trigger, &why_not))
		return 0;
	uintptr_t interp = trigger == TRIGGER_API || trigger == TRIGGER_EXIT ? gil_mine() : 0;
	if (!why_not)
		why_not = no_gil;
	enum outside_of from = trigger == TRIGGER_EXIT ? OUTSIDE_EXIT : OUTSIDE_LIBRARY;
	return take(trigger, label, wait, leaks, from, interp, why_not);
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
	return take_now(trigger, label, wait, false);
}

enum leak_verdict control_leaks(enum snapshot_trigger trigger, const char *label)
{
	if (!control_owns_process() || take_now(trigger, label, true, true) != 0)
		return LEAKS_UNCERTAIN;
	return snapshot_verdict();
}

void control_leaks_done(void)
{
	atomic_store(&control.leaks_done, true);
}

void control_end_leaking(void)
{
	/* Like the sanitizer, without the program's handlers. */
	roster_set_end(ROSTER_EXITED, ROSTER_LOST, 0);
	sys_exit(lsan_status());
}

/* Whether a snapshot by interval is due; the one caller that is told so sets the next time. */
static bool interval_due(uint64_t elapsed_ns)
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
	if (interval_due(elapsed_ns))
		note_request(TRIGGER_INTERVAL);
}

void control_peak(void)
{
	if (control.options && control.options->peak == PEAK_SNAPSHOT)
		note_request(TRIGGER_PEAK);
}

/*
 * The next tick. One at a time, set by our own handler: when the host has taken the signal or reset it, there is no
 * next. Where a snapshot takes longer than the interval, the program goes on for an interval before the next one.
 */
static void timer_arm(void)
{
	uint64_t due = atomic_load_explicit(&control.next_due, memory_order_relaxed), now = totals_elapsed_ns();
	uint64_t left = due > now ? due - now : control.options->every_ns;
	struct itimerspec once = {
		.it_value = {.tv_sec = (time_t)(left / 1000000000u), .tv_nsec = (long)(left % 1000000000u)},
	};
	timer_settime(control.timer, 0, &once, NULL);
}

/* Sends the signal again. Not at once: then it would come before the interrupted thread can go on. */
static void again_soon(int number)
{
	uint32_t none = AGAIN_NONE;
	const struct itimerspec once = {.it_value = {.tv_nsec = AGAIN_NS}};
	if (atomic_compare_exchange_strong(&control.again_state, &none, AGAIN_BEING_MADE)) {
		struct sigevent event;
		memset(&event, 0, sizeof event);
		event.sigev_notify = SIGEV_SIGNAL;
		event.sigev_signo = number;
		bool good = timer_create(CLOCK_MONOTONIC, &event, &control.again) == 0;
		atomic_store(&control.again_state, good ? AGAIN_MADE : AGAIN_NONE);
	}
	if (atomic_load(&control.again_state) == AGAIN_MADE)
		timer_settime(control.again, 0, &once, NULL);
}

/* Takes the snapshot, or has it taken a little later where no thread may be made for it. */
static void serve(enum snapshot_trigger trigger, int number, const void *context)
{
	const char *why_not;
	if (!needs_helper(trigger, &why_not) || interrupted_may_make_thread(context)) {
		control_snapshot(trigger, NULL, false);
		return;
	}
	note_request(trigger);
	again_soon(number);
}

static void serve_noted(int number, const void *context)
{
	static const enum snapshot_trigger triggers[] = {TRIGGER_REQUEST, TRIGGER_SIGNAL, TRIGGER_INTERVAL};
	for (size_t i = 0; i < sizeof triggers / sizeof triggers[0]; i++)
		if (atomic_fetch_and(&control_pending, ~(1u << triggers[i])) & 1u << triggers[i])
			serve(triggers[i], number, context);
}

static void on_signal(int number, siginfo_t *info, void *context)
{
	int saved = errno;
	if (!control_owns_process())
		return;
	if (info->si_code == SI_TIMER) {
		serve_noted(number, context);
		if (number == control.timer_signal && interval_due(totals_elapsed_ns()))
			serve(TRIGGER_INTERVAL, number, context);
		if (number == control.timer_signal && control.timer_wanted)
			timer_arm();
	} else if (info->si_code == SI_QUEUE && info->si_value.sival_ptr) {
		atomic_store(&control.token, (uint64_t)(uintptr_t)info->si_value.sival_ptr);
		serve(TRIGGER_REQUEST, number, context);
	} else {
		serve(TRIGGER_SIGNAL, number, context);
	}
	broken_wait_resume(context);
	errno = saved;
}

static bool set_handler(int number, void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction action;
	memset(&action, 0, sizeof action);
	action.sa_sigaction = handler;
	action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
	sigfillset(&action.sa_mask);
	return sigaction(number, &action, NULL) == 0;
}

/* Takes a signal that nobody has. False: the program has it, or there is none with that number. */
static bool take_signal(int number, void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction old;
	if (sigaction(number, NULL, &old) || old.sa_flags & SA_SIGINFO || old.sa_handler != SIG_DFL)
		return false;
	return set_handler(number, handler);
}

/*
 * Go's runtime, as it starts, takes all signals there are, by system calls of its own, and drops those that the program
 * has not asked for: no request would be heard. So the one for snapshots is taken back, once. Whether it is still to be
 * watched.
 */
static bool watch_signal(void)
{
	struct sigaction now;
	int number = control.options->signal;
	if (sigaction(number, NULL, &now))
		return false;
	if (now.sa_sigaction == on_signal)
		return atomic_fetch_add(&control.watches, 1) < WATCHES_MAX;
	if (modules_is_go((uintptr_t)now.sa_sigaction) && set_handler(number, on_signal) && control.timer_wanted)
		timer_arm();
	return false;
}

static void timer_begin(void)
{
	if (!control.options->every_ns)
		return;
	atomic_store(&control.next_due, totals_elapsed_ns() + control.options->every_ns);
	if (!control.timer_wanted)
		return; /* the allocation path's looks at the clock have to do */
	struct sigevent event;
	memset(&event, 0, sizeof event);
	event.sigev_notify = SIGEV_SIGNAL;
	event.sigev_signo = control.timer_signal;
	if (timer_create(CLOCK_MONOTONIC, &event, &control.timer) == 0)
		timer_arm();
}

void control_init(const struct options *options, pid_t pid)
{
	control.options = options;
	atomic_store(&control.pid, pid);
	if (options->signal && !take_signal(options->signal, on_signal))
		notes_add("the signal for snapshots is taken: choose another one with signal=");
	/* Go uses the other one itself, to interrupt goroutines. */
	(void)modules_find(getauxval(AT_ENTRY));
	bool go = modules_is_go(getauxval(AT_ENTRY));
	control.timer_signal = go ? options->signal : TIMER_SIGNAL;
	control.timer_wanted = options->every_ns && options->signal && (go || take_signal(TIMER_SIGNAL, on_signal));
	if (go && options->signal)
		atomic_fetch_or(&control_pending, 1u << WATCH_SIGNAL);
	/*
	 * Not in the first process of a namespace, for which the default action of signals is none. Go would hand them
	 * to us where it finds that nobody catches them, and end otherwise.
	 */
	if (options->fatal && pid != 1 && !go)
		dispositions_init();
	timer_begin();
}

void control_fork_child(pid_t pid)
{
	atomic_store(&control.pid, pid);
	atomic_store(&control_pending, 0);
	atomic_store(&control.token, 0);
	atomic_store(&control.again_state, AGAIN_NONE); /* timers stay with the parent */
	atomic_store(&control.exit_done, false);
	atomic_store(&control.ending, false);
	atomic_store(&control.judged, false);
	atomic_store(&control.search_failed, false);
	lsan_fork_child();
	fatal_fork_child();
	if (pid == 1)
		dispositions_give_back();
	if (!control.options)
		return;
	if (control.options->children) {
		timer_begin();
		return;
	}
	dispositions_give_back();
	atomic_store(&control.left_out, true);
	roster_set_end(ROSTER_LEFT_OUT, ROSTER_NOT_SEARCHED, 0);
	atomic_store(&recording_active, false);
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

static bool is_child_left_out(void)
{
	return atomic_load(&control.left_out) && !atomic_load(&recording_active);
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
		note_request(TRIGGER_EXIT);
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
		note_end(judge_at_exit(), sandboxed() ? -EPERM : -OUTPUT_MAY_KILL);
	if (!own) {
		roster_cloned();
		return;
	}
	finish_census(OUTSIDE_EXIT);
	wait_for_copy();
	if (is_child_left_out())
		return;
	if (!control.options->at_exit) {
		roster_set_end(ROSTER_DECLINED, ROSTER_NOT_SEARCHED, 0);
		return;
	}
	if (atomic_exchange(&control.exit_done, true))
		return;
	bool leaks = judge_at_exit();
	atomic_store(&control.ending, true);
	note_end(leaks, take_now(TRIGGER_EXIT, NULL, true, leaks));
}

void control_at_signal(int number, const char *name, bool wait)
{
	if (is_child_left_out())
		return;
	control.end_signal = number;
	int error = control_snapshot(TRIGGER_FATAL, name, wait);
	roster_set_killed(number, -error);
}

enum roster_verdict control_before_exec(int *error)
{
	*error = 0;
	if (!control.options->at_exit || is_child_left_out() || atomic_load(&control.exit_done) || !judge_at_exit())
		return control.options->leaks ? verdict_of(false, 0) : ROSTER_NOT_SEARCHED;
	struct heap *heap = heap_enter();
	control.only_lost = true;
	/* Arguments of the new program may be nowhere but in our frames. */
	int result =
		lock_depth ? -EBUSY : take_inside(TRIGGER_EXIT, NULL, true, true, OUTSIDE_NOTHING, 0, no_gil, NULL);
	control.only_lost = false;
	heap_leave(heap);
	*error = -result;
	return verdict_of(true, result);
}

void control_exec_failed(void)
{
	atomic_store(&control.judged, false);
}

int control_exit_status(int status)
{
	/* First what needs no system call. */
	if (status != 0 || !atomic_load(&control.judged) || !control.options->judge)
		return status;
	if (!is_locked_in() && !control_owns_process())
		return status;
	int code = lsan_status();
	enum leak_verdict verdict = atomic_load(&control.search_failed) ? LEAKS_UNCERTAIN : snapshot_verdict();
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
