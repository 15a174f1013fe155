/*
 * Takes a snapshot: surveys the heap, builds the file in memory, writes it.
 *
 * The epoch advances with each snapshot, so that blocks allocated from then on belong to new cohorts. Who does the
 * work:
 *
 *                                   inline                 forked
 *   modules, epoch, resident size   the calling thread     the calling thread
 *   survey, encoding, writing       the calling thread     a copy of the process (forked.h)
 *   dead cohorts used again         the calling thread     the first to check the clock after the copy's end
 *
 * Inline costs the caller about 2 ns a live block, 40 ns a row of the tables and 2 ns a byte that is written; other
 * threads wait only if they need a new slab during the survey. Forked, the caller is held while the page tables are
 * copied, 8 ms a GiB, and all threads pay for the first write to each page while the copy lives. So a small heap is
 * better off inline, and a heap of few large blocks always is: `auto` compares the two.
 *
 * No part of the inline way can be postponed: there is no thread of ours that could encode and write while the caller
 * continues, and the caller's next moment is as valuable as this one. Other threads, which can continue, do.
 *
 * There is one snapshot at a time. The last ones, at exit, on a fatal signal and before a sandbox, wait for a running
 * copy and are taken inline.
 */
#ifndef MUDLARK_SNAPSHOT_H
#define MUDLARK_SNAPSHOT_H

#include "preload/base/options.h"
#include "preload/census/census.h"
#include "preload/heap/heap.h"
#include "preload/interface/snapshot_format.h"
#include "preload/unwind/outside.h"

#include <stdbool.h>

struct snapshot_request {
	enum snapshot_trigger trigger;
	const char *label;    /* NULL: none */
	bool wait;            /* for a snapshot that is being taken; otherwise this one is skipped */
	bool leaks;           /* search for leaks, too */
	bool retained;        /* and find out why blocks are reachable */
	bool ends;            /* the process ends: no snapshot by interval comes after this one */
	bool only_lost;       /* with leaks: no file when it is certain that nothing was lost */
	bool exits;           /* and the calling thread returns to none of its calls */
	enum outside_of from; /* whose frames the search passes over */
	int let_in;           /* a signal that is not blocked meanwhile; 0: none */
	uint64_t token;       /* of whom answer() tells; 0: nobody */
	struct census_request census;
	uintptr_t interp;         /* PyInterpreterState, when the calling thread has the GIL for the census; else 0 */
	const char *malloc_stats; /* python/stats.h; NULL: none */
};

/* Told how a snapshot went, before another one may begin: 0 or -errno, and the file's name. */
struct snapshot_listener {
	void (*answer)(uint64_t token, int error, const char *path); /* at once; in the copy, if there is one */
	void (*tell)(int error, const char *path);                   /* in the process */
};

/* From the constructor. */
void snapshot_init(const struct options *options, const char *options_text, pid_t pid);
/* In a fork child: what lives now is the parent's, and so is a copy at work. */
void snapshot_fork_child(pid_t pid);

/*
 * Writes a snapshot, or has a copy write it. Returns 0, or -errno: -EBUSY, without a report, when one is under way.
 * Called between heap_enter() and heap_leave() without a lock of ours; preserves errno.
 */
int snapshot_take(const struct snapshot_request *request, const struct snapshot_listener *listener);

/* The result of the last leak search in this process itself. */
enum leak_verdict { LEAKS_NOT_SEARCHED, LEAKS_NONE, LEAKS_FOUND, LEAKS_UNCERTAIN };
enum leak_verdict snapshot_verdict(void);

/* Returns whether a copy of the process writes, or has written since the last look. */
bool snapshot_has_copy(void);

/* Takes note of a copy that has ended; with `wait` of one that is at work, too. Called like snapshot_take(). */
void snapshot_settle(bool wait);

#endif
