/* One snapshot from beginning to end; snapshot.h says what it costs the host. */
#include "preload/snapshot.h"

#include "preload/output.h"
#include "preload/peak.h"
#include "preload/picture.h"
#include "preload/record.h"
#include "preload/stacks.h"
#include "preload/survey.h"
#include "preload/sys.h"

#include <errno.h>

static char path[PATH_MAX]; /* protected by survey_lock */

void snapshot_init(const struct options *options, const char *options_text, pid_t pid)
{
	picture_init(options_text, pid);
	output_init(options->output);
}

void snapshot_fork_child(pid_t pid)
{
	picture_fork_child(pid);
	output_fork_child();
}

static bool cohort_lives(uint32_t id, const void *context)
{
	const struct survey *survey = context;
	return id >= survey->cohorts || survey->cohort[id].blocks;
}

/* Epochs before this one have no allocation under way. */
static uint32_t epochs_settled(uint32_t ending)
{
	uint32_t epoch = ending;
	for (struct heap *heap = heap_first(); heap; heap = heap->next_heap) {
		uint32_t in_use = atomic_load_explicit(&heap->x_epoch_in_use, memory_order_relaxed);
		if (in_use && in_use < epoch)
			epoch = in_use;
	}
	return epoch;
}

static int snapshot_locked(const struct snapshot_request *request, uint64_t begun_ns)
{
	struct picture picture;
	struct encoder encoder = {0};
	int error = -ENOMEM;
	picture_begin(&picture, request->trigger, request->label);
	picture.epoch = atomic_fetch_add_explicit(&record_epoch, 1, memory_order_relaxed);
	/* Before the survey: what is under way now may not be in it, but publishes its epoch until it is. */
	uint32_t settled = epochs_settled(picture.epoch);
	if (picture_count(&picture)) {
		if (totals_peak_is_now())
			peak_take_from(&picture.survey);
		timeline_add(picture.rss_bytes);
		encode_begin(&encoder);
		picture_encode(&encoder, &picture);
		picture_encode_meta(&encoder, &picture, sys_monotonic_ns() - begun_ns);
		encode_finish(&encoder);
		cohorts_recycle(settled, cohort_lives, &picture.survey);
		if (!encoder.failed)
			error = output_write(encoder.data, encoder.length, picture_pid(), path);
	}
	encode_free(&encoder);
	picture_end(&picture);
	return error;
}

int snapshot_take(const struct snapshot_request *request, snapshot_report *report)
{
	if (lock_mine(&survey_lock))
		return -EBUSY;
	/* A handler of the host's that ran on top of this and jumped out would leave our locks behind. */
	int saved = errno;
	struct sys_quiet quiet;
	sys_quiet_begin(&quiet);
	if (request->wait) {
		lock_acquire(&survey_lock);
	} else if (!lock_try(&survey_lock)) {
		sys_quiet_end(&quiet);
		return -EBUSY;
	}
	int error = snapshot_locked(request, sys_monotonic_ns());
	report(request->trigger, error, path);
	lock_release(&survey_lock);
	sys_quiet_end(&quiet);
	errno = saved;
	return error;
}
