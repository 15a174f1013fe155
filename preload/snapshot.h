/*
 * Taking a snapshot: survey the heap, put the file together in memory, write it.
 *
 * The calling thread does all of it; other threads wait only if they need a new slab during the survey. The epoch
 * advances, so that blocks born from now on belong to new cohorts.
 */
#ifndef MUDLARK_SNAPSHOT_H
#define MUDLARK_SNAPSHOT_H

#include "preload/heap.h"
#include "preload/options.h"
#include "preload/snapshot_format.h"

#include <stdbool.h>

struct snapshot_request {
	enum snapshot_trigger trigger;
	const char *label; /* NULL: none */
	bool wait;         /* for a snapshot that another thread is taking; otherwise this one is skipped */
};

/* From the constructor. */
void snapshot_init(const struct options *options, const char *options_text, pid_t pid);
/* In a fork child: what lives now is the parent's. */
void snapshot_fork_child(pid_t pid);

/* Told how a snapshot went, before another one may begin: 0 or -errno, and the file's name. */
typedef void snapshot_report(enum snapshot_trigger trigger, int error, const char *path);

/*
 * Writes a snapshot and reports. 0, or -errno: -EBUSY, without a report, when one is under way. Called between
 * heap_enter() and heap_leave() without a lock of ours; preserves errno.
 */
int snapshot_take(const struct snapshot_request *request, snapshot_report *report);

#endif
