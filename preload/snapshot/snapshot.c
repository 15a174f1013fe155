/*
 * One snapshot from beginning to end, inline or forked; snapshot.h describes who does what.
 *
 * What the process must learn of its copy's work is stored in memory that both share: how it went, and which cohorts
 * are live. A cohort of a past epoch, with no allocation in progress, gets no new blocks: a cohort that was dead in the
 * copy's survey stays dead, and may be reused whenever the process checks. Peaks stay the process's own: a copy that
 * finds itself at the high-water mark shows its composition and forgets it.
 *
 * The copy holds the locks that its work takes, so nobody else held them when it was made.
 */
#include "preload/snapshot/snapshot.h"

#include "preload/base/notes.h"
#include "preload/base/output.h"
#include "preload/base/space.h"
#include "preload/base/sys.h"
#include "preload/census/growth.h"
#include "preload/heap/damage.h"
#include "preload/leaks/lsan_options.h"
#include "preload/process/forked.h"
#include "preload/process/modules.h"
#include "preload/process/not_copied.h"
#include "preload/sites/patrol.h"
#include "preload/sites/peak.h"
#include "preload/sites/recording.h"
#include "preload/sites/stacks.h"
#include "preload/sites/survey.h"
#include "preload/sites/threads.h"
#include "preload/sites/totals.h"
#include "preload/snapshot/picture.h"

#include <errno.h>
#include <string.h>

enum {
	/* What `auto` reckons with, measured by tools/bench/snapshot_pause. */
	BLOCK_NS = 2,
	ROW_NS = 50,
	PAGE_COPY_NS = 32,
	FORK_NS = 300000,
	HELD_NS_TOLERATED = 5000000, /* an inline snapshot below this is not worth a process */
	FORK_GAIN = 2,               /* nor one that is not that much shorter forked */
	COHORTS_PER_WORD = 64,
};

/* Shared with the copy. */
struct outcome {
	_Atomic uint64_t held_ns;    /* by the process, 0 until it knows */
	_Atomic uint64_t stopped_ns; /* for how long its other threads stood, likewise */
	uint64_t stop_begun_ns;      /* before the copy was made */
	_Atomic bool done;           /* the rest is valid */
	int error;
	uint32_t number; /* of the file */
	uint32_t cohorts;
	char path[PATH_MAX];
	uint64_t lives[]; /* a bit for each cohort */
};

/* Protected by survey_lock. */
static struct {
	enum snapshot_mode mode;
	char path[PATH_MAX];
	/* The copy at work. */
	_Atomic pid_t copy; /* 0: none */
	struct outcome *outcome;
	size_t outcome_bytes;
	uint64_t token;
	const struct snapshot_listener *listener;
	uint32_t settled;    /* epochs before this one had no allocation under way when it was made */
	bool distrusted;     /* one died: no more of them */
	bool ended;          /* the last one of the process was written */
	_Atomic int verdict; /* enum leak_verdict */
} snapshot;

void snapshot_init(const struct options *options, const char *options_text, pid_t pid)
{
	snapshot.mode = options->snapshot;
	picture_init(options_text, pid);
	output_init(options->output);
	output_set_command(options->command);
}

static void copy_forget(void)
{
	sys_unmap(snapshot.outcome, snapshot.outcome_bytes);
	snapshot.outcome = NULL;
	atomic_store_explicit(&snapshot.copy, 0, memory_order_relaxed);
}

void snapshot_fork_child(pid_t pid)
{
	if (snapshot.outcome)
		copy_forget();
	snapshot.ended = false;
	picture_fork_child(pid);
	output_fork_child();
}

/* Epochs before this one have no allocation under way. */
static uint32_t epochs_settled(uint32_t ending)
{
	uint32_t epoch = ending;
	if (!sys_barrier())
		return 0; /* one may be under way whose epoch is not seen yet */
	for (struct heap *heap = heap_first(); heap; heap = heap->next_heap) {
		/* Before the survey looks: what was recorded up to a 0 that is read here is seen there. */
		uint32_t in_use = atomic_load_explicit(&heap->x_epoch_in_use, memory_order_acquire);
		if (in_use && in_use < epoch)
			epoch = in_use;
	}
	return epoch;
}

/* The contents of a file. */
struct writing {
	const struct picture *picture;
	struct encoder *encoder;
	uint64_t begun_ns;
	const struct outcome *outcome; /* NULL: inline */
	bool has_gil;
};

static uint64_t held_ns(const struct writing *writing)
{
	uint64_t held = writing->outcome ? atomic_load(&writing->outcome->held_ns) : 0;
	return held ? held : sys_monotonic_ns() - writing->begun_ns;
}

/* When the copy is quicker than the release of the threads, they stand until now. */
static uint64_t stopped_ns(const struct writing *writing)
{
	if (!writing->outcome)
		return writing->picture->reach.stopped_ns;
	uint64_t stopped = atomic_load(&writing->outcome->stopped_ns);
	return stopped ? stopped : sys_monotonic_ns() - writing->outcome->stop_begun_ns;
}

/* All but META, then META, which tells how long that took, and the header, which makes it a snapshot. */
static int fill(int fd, void *context)
{
	const struct writing *writing = context;
	struct encoder *encoder = writing->encoder;
	uint64_t begun = sys_monotonic_ns();
	size_t first = encoder->length;
	int error = sys_write_all(fd, encoder->data, first);
	if (error)
		return error;
	struct picture_times times = {
		.held_ns = held_ns(writing),
		.stopped_ns = stopped_ns(writing),
		.write_ns = sys_monotonic_ns() - begun,
		.forked = writing->outcome != NULL,
	};
	if (writing->has_gil)
		times.gil_ns = times.held_ns;
	picture_encode_meta(encoder, writing->picture, &times);
	encode_finish(encoder);
	if (encoder->failed)
		return -ENOMEM;
	error = sys_write_all(fd, encoder->data + first, encoder->length - first);
	return error ? error : sys_write_all_at(fd, encoder->data, sizeof(struct snapshot_header), 0);
}

/* Surveys, encodes and writes. The picture's counts stay for the caller. */
static int picture_write(struct picture *picture, uint64_t begun_ns, const struct outcome *outcome)
{
	struct encoder encoder;
	struct writing writing = {picture, &encoder, begun_ns, outcome, picture->interp != 0};
	int error = -ENOMEM;
	if (!picture_count(picture))
		return error;
	if (totals_peak_is_now())
		peak_take_from(&picture->survey);
	if (picture->interp)
		census_take(&picture->census, picture->interp, picture->sites);
	encode_begin(&encoder, picture_bytes_expected(picture));
	picture_encode(&encoder, picture);
	if (!encoder.failed)
		error = output_write(fill, &writing, picture_pid(), snapshot.path);
	encode_free(&encoder);
	return error;
}

static bool survey_has(uint32_t id, const void *context)
{
	const struct survey *survey = context;
	return id >= survey->cohorts || survey->cohort[id].blocks;
}

/* The locks that the copy's work takes, and those that keep the tables whole that it reads. */
static struct lock *const table_locks[] = {&pool_lock, &threads_lock, &modules_lock, &timeline_lock};
enum { TABLE_LOCKS = sizeof table_locks / sizeof table_locks[0] };

static void tables_lock(void)
{
	for (int i = 0; i < TABLE_LOCKS; i++)
		lock_acquire(table_locks[i]);
}

static void tables_unlock(void)
{
	for (int i = TABLE_LOCKS; i-- > 0;)
		lock_release(table_locks[i]);
}

static void search(struct picture *picture, const struct stopped *stopped, const struct reach_self *self)
{
	reach_take(&picture->reach, stopped, self, picture->sites, picture->cohorts, picture_inherited_epoch());
	picture->searched = true;
	if (self->retained && !picture->reach.paths.retained)
		notes_add("there was no memory to find out why blocks are reachable");
}

enum leak_verdict snapshot_verdict(void)
{
	return (enum leak_verdict)atomic_load(&snapshot.verdict);
}

/* While the others stand. They hold none of the locks that the search takes: those were ours when they stopped. */
static void search_inline(struct picture *picture, const struct reach_self *self)
{
	struct stopped stopped;
	tables_lock();
	stop_world(&stopped, self->process_ends);
	tables_unlock();
	picture_bound(picture);
	search(picture, &stopped, self);
	_Atomic uint64_t stood_ns;
	stop_release(&stopped, &stood_ns, self->process_ends);
	picture->reach.stopped_ns = atomic_load(&stood_ns);
	const struct reach *reach = &picture->reach;
	/* With or without a stack to name. */
	uint64_t lost = reach->total[REACH_DEFINITE].blocks + reach->unrecorded.blocks;
	atomic_store(&snapshot.verdict, reach->incomplete ? LEAKS_UNCERTAIN : lost ? LEAKS_FOUND : LEAKS_NONE);
}

static int take_inline(struct picture *picture, uint64_t begun_ns, uint32_t settled, const struct reach_self *self,
		       bool only_lost)
{
	if (self)
		search_inline(picture, self);
	if (self && only_lost && snapshot_verdict() == LEAKS_NONE)
		return 0;
	int error = picture_write(picture, begun_ns, NULL);
	if (picture->survey.cohort)
		cohorts_recycle(settled, survey_has, &picture->survey);
	return error;
}

/* --- forked --- */

static bool outcome_has(uint32_t id, const void *context)
{
	const struct outcome *outcome = context;
	return id >= outcome->cohorts || outcome->lives[id / COHORTS_PER_WORD] >> id % COHORTS_PER_WORD & 1;
}

static void note_lives(struct outcome *outcome, const struct survey *survey)
{
	if (!survey->cohort)
		outcome->cohorts = 0; /* nothing is known: all live */
	for (uint32_t id = 0; id < outcome->cohorts; id++)
		if (survey->cohort[id].blocks)
			outcome->lives[id / COHORTS_PER_WORD] |= (uint64_t)1 << id % COHORTS_PER_WORD;
}

struct copy_work {
	struct picture *picture;
	uint64_t begun_ns;
	const struct reach_self *self; /* where a search for leaks begins; NULL: there is none */
	struct not_copied *lists;      /* with self */
	struct stopped stopped;        /* the threads as they stood when the copy was made */
};

/* In the copy, which has the locks that the process held when it was made. */
static void copy_work(void *argument)
{
	const struct copy_work *work = argument;
	struct outcome *outcome = snapshot.outcome;
	tables_unlock();
	if (work->self) {
		struct reach_self self = *work->self;
		self.not_copied = not_copied_bytes(work->lists);
		search(work->picture, &work->stopped, &self);
	}
	forked_hide();
	outcome->error = picture_write(work->picture, work->begun_ns, outcome);
	note_lives(outcome, &work->picture->survey);
	outcome->number = output_next_number() - 1;
	memcpy(outcome->path, snapshot.path, sizeof outcome->path);
	atomic_store(&outcome->done, true);
	if (snapshot.token)
		snapshot.listener->answer(snapshot.token, outcome->error, snapshot.path);
}

/* Returns whether there is a copy at work now; if not, it can be taken inline as if nothing had been tried. */
static bool take_forked(struct picture *picture, uint64_t begun_ns, uint32_t settled, const struct reach_self *self)
{
	size_t words = picture->cohorts / COHORTS_PER_WORD + 1;
	snapshot.outcome_bytes = sizeof *snapshot.outcome + words * sizeof snapshot.outcome->lives[0];
	snapshot.outcome = sys_map_shared(snapshot.outcome_bytes);
	if (!snapshot.outcome)
		return false;
	snapshot.outcome->cohorts = picture->cohorts;
	snapshot.settled = settled;
	struct not_copied lists;
	struct copy_work work = {.picture = picture, .begun_ns = begun_ns, .self = self, .lists = &lists};
	if (self)
		not_copied_begin(&lists);
	tables_lock();
	if (self) {
		stop_world(&work.stopped, false);
		snapshot.outcome->stop_begun_ns = work.stopped.begun_ns;
		picture_bound(picture);
		snapshot.outcome->cohorts =
			picture->cohorts < snapshot.outcome->cohorts ? picture->cohorts : snapshot.outcome->cohorts;
	}
	pid_t pid = forked_start(copy_work, &work, picture->threads_fd);
	if (self)
		stop_release(&work.stopped, &snapshot.outcome->stopped_ns, false);
	tables_unlock();
	if (self)
		not_copied_end(&lists);
	if (pid < 0) {
		copy_forget();
		notes_add("a forked copy for a snapshot was refused: it was taken inline");
		return false;
	}
	atomic_store(&snapshot.outcome->held_ns, sys_monotonic_ns() - begun_ns);
	atomic_store_explicit(&snapshot.copy, pid, memory_order_relaxed);
	return true;
}

/* Takes in the result of a copy that has ended. */
static void copy_ended(enum forked_state state)
{
	const struct outcome *outcome = snapshot.outcome;
	bool done = atomic_load(&outcome->done);
	int error = done ? outcome->error : -ECANCELED;
	if (done) {
		memcpy(snapshot.path, outcome->path, sizeof snapshot.path);
		output_set_number(outcome->number);
		cohorts_recycle(snapshot.settled, outcome_has, outcome);
	} else {
		output_discard();
		if (snapshot.token)
			snapshot.listener->answer(snapshot.token, error, snapshot.path);
	}
	if (state == FORKED_DIED || !done) {
		snapshot.distrusted = true;
		notes_add("the forked copy for a snapshot died: snapshots were taken inline from then on");
	}
	snapshot.listener->tell(error, snapshot.path);
	copy_forget();
}

/* Returns whether no copy is at work. Caller holds survey_lock. */
static bool settle(bool wait)
{
	pid_t pid = atomic_load_explicit(&snapshot.copy, memory_order_relaxed);
	if (!pid)
		return true;
	enum forked_state state = forked_poll(pid, wait);
	if (state != FORKED_RUNS)
		copy_ended(state);
	return state != FORKED_RUNS;
}

static bool take_lock(bool wait)
{
	if (!wait)
		return lock_try(&survey_lock);
	lock_acquire(&survey_lock);
	return true;
}

bool snapshot_has_copy(void)
{
	return atomic_load_explicit(&snapshot.copy, memory_order_relaxed) != 0;
}

void snapshot_settle(bool wait)
{
	if (!snapshot_has_copy() || lock_depth)
		return;
	/* A vfork child has its parent's memory, but not its children. */
	if (sys_getpid() != picture_pid())
		return;
	struct sys_quiet quiet;
	sys_quiet_begin(&quiet);
	if (take_lock(wait)) {
		settle(wait);
		lock_release(&survey_lock);
	}
	sys_quiet_end(&quiet);
}

/* Returns whether the process is about to end, or to be confined: what is not done now is never done. */
static bool is_last(enum snapshot_trigger trigger)
{
	return trigger == TRIGGER_EXIT || trigger == TRIGGER_FATAL || trigger == TRIGGER_SANDBOX;
}

static uint64_t inline_ns_expected(const struct picture *picture)
{
	uint64_t rows = (uint64_t)picture->frames + picture->sites + picture->cohorts;
	int64_t blocks = totals_live_blocks();
	return (blocks > 0 ? (uint64_t)blocks * BLOCK_NS : 0) + rows * ROW_NS;
}

static bool wants_fork(enum snapshot_trigger trigger, const struct picture *picture, bool leaks)
{
	if (is_last(trigger) || snapshot.distrusted || snapshot.mode == SNAPSHOT_INLINE)
		return false;
	if (snapshot.mode == SNAPSHOT_FORK || (picture->interp && !sys_is_filtered()))
		return true;
	/* Who calls the function expects the file to be there when it returns. */
	if (trigger == TRIGGER_API || trigger == TRIGGER_MARK)
		return false;
	/* A search reads the whole heap. */
	if (leaks)
		return !sys_is_filtered();
	uint64_t inline_ns = inline_ns_expected(picture);
	uint64_t fork_ns = FORK_NS + picture->rss_bytes / SYS_PAGE_BYTES * PAGE_COPY_NS;
	/* A filter may kill a caller of fork(). The user requested it, and knows. */
	return inline_ns > HELD_NS_TOLERATED && inline_ns > FORK_GAIN * fork_ns && !sys_is_filtered();
}

/* Caller holds survey_lock; no copy is at work. */
static int snapshot_locked(const struct snapshot_request *request, const struct snapshot_listener *listener)
{
	/* A signal handler that ends or executes may run on a stack of few pages: keep large objects off it. */
	static struct picture picture;
	static struct reach_self here;
	uint64_t begun_ns = sys_monotonic_ns();
	output_set_last(picture_pid(), request->ends);
	int error = output_begin(picture_pid(), snapshot.path);
	if (!error) {
		picture_begin(&picture, request->trigger, request->label);
		picture.census.request = request->census;
		picture.interp = request->interp;
		if (picture.interp)
			census_growth_prepare();
		picture.malloc_stats = request->malloc_stats;
		timeline_add(picture.rss_bytes);
		patrol();
		picture.epoch = atomic_fetch_add_explicit(&recording_epoch, 1, memory_order_relaxed);
		picture.census.epoch = picture.epoch;
		/* Before the survey: what is under way now may not be in it, but publishes its epoch until it is. */
		uint32_t settled = epochs_settled(picture.epoch);
		picture_bound(&picture);
		snapshot.token = request->token;
		snapshot.listener = listener;
		struct frame now;
		frame_now(&now);
		here = (struct reach_self){
			.retained = request->retained, .process_ends = request->exits, .choice = lsan_choice()};
		const struct reach_self *self = request->leaks ? &here : NULL;
		if (self)
			outside_find(&here.outside, &now, request->from);
		bool forked = wants_fork(request->trigger, &picture, request->leaks) &&
			      take_forked(&picture, begun_ns, settled, self);
		if (!forked)
			error = take_inline(&picture, begun_ns, settled, self, request->only_lost);
		picture_end(&picture);
		if (forked)
			return 0;
	}
	if (request->token)
		listener->answer(request->token, error, snapshot.path);
	listener->tell(error, snapshot.path);
	return error;
}

int snapshot_take(const struct snapshot_request *request, const struct snapshot_listener *listener)
{
	if (lock_mine(&survey_lock))
		return -EBUSY;
	/* A handler of the host's that ran on top of this and jumped out would leave our locks behind. */
	int saved = errno, error = -EBUSY;
	struct sys_quiet quiet;
	sys_quiet_begin(&quiet);
	if (request->let_in)
		sys_unblock(request->let_in);
	if (take_lock(request->wait)) {
		space_snapshot_begin();
		/* Under the lock: a timer's signal that waited for the end of sys_quiet runs before control.c goes on.
		 */
		if (snapshot.ended && (request->trigger == TRIGGER_INTERVAL || request->trigger == TRIGGER_FATAL))
			error = 0;
		else if (settle(request->wait || is_last(request->trigger)))
			error = snapshot_locked(request, listener);
		snapshot.ended |= request->ends && !error;
		space_snapshot_end();
		lock_release(&survey_lock);
	}
	sys_quiet_end(&quiet);
	/* A process that ends by a signal ends by that one. */
	if (error != -EBUSY)
		damage_say(request->trigger != TRIGGER_FATAL);
	errno = saved;
	return error;
}
