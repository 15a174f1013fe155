/*
 * The declarations that the parts of control share. Nobody else includes this file.
 *
 *   control.c   requests: noted, handed over, served
 *   answers.c   what is said of a snapshot, to people and to `mudlark snap`
 *   signals.c   the signal, the timer
 *   ending.c    the snapshot at the end, its search for leaks, the status
 */
#ifndef MUDLARK_CONTROL_PARTS_H
#define MUDLARK_CONTROL_PARTS_H

#include "preload/host/control.h"

#include <sys/types.h>

/* In control_pending, where no trigger is: the signal is to be looked after. */
enum { WATCH_SIGNAL = 0 };

struct control {
	const struct options *options; /* NULL: the process is not recorded */
	_Atomic pid_t pid;
	_Atomic uint64_t token;    /* of a `mudlark snap` that waits for an answer; 0: none */
	_Atomic uint64_t next_due; /* elapsed time of the next snapshot by interval */
};
extern struct control control;

/* --- control.c --- */

/* A snapshot as it is to be taken. */
struct taking {
	enum snapshot_trigger trigger;
	const char *label;
	bool wait, leaks;
	enum outside_of from;
	uintptr_t interp; /* the thread has the GIL, for a census; else 0, and */
	const char *why_not;
	const char *malloc_stats;
};

/* Called between enter and leave, without a lock of ours. */
int control_take_inside(const struct taking *taking);
/* Wherever the caller is: now, by a thread that gets the GIL, or later. */
int control_take_now(enum snapshot_trigger trigger, const char *label, bool wait, bool leaks);
/* Served where a thread leaves the allocator next. */
void control_note(enum snapshot_trigger trigger);
/* A snapshot that still waits for the GIL is taken by the thread that ends the process, which may well have it. */
void control_finish_census(enum outside_of from);
/* Whether a thread of its own is to take the snapshot, since it needs the GIL; else *why_not may be set. */
bool control_needs_helper(enum snapshot_trigger trigger, const char **why_not);
/* Whether a snapshot by interval is due; the one caller that gets true sets the next time. */
bool control_interval_due(uint64_t elapsed_ns);

extern const char control_no_gil[];

/* --- answers.c --- */

extern const struct snapshot_listener answers_listener;
/* To the request with this token: another snapshot is being written. */
void answers_busy(uint64_t token);

/* --- signals.c --- */

void signals_init(pid_t pid);
/* In a fork child; signals_resume() if it is recorded, too. */
void signals_fork_child(pid_t pid);
void signals_resume(void);
/* Looks whether Go has taken the signal, and takes it back, once. Returns whether it is still to be watched. */
bool signals_watch(void);

/* --- ending.c --- */

/* Whether the snapshot at the end is to say whether there are leaks. Not inside the allocator: the program is asked. */
bool ending_judges(void);
/* The snapshot at the end was tried. error: 0 or -errno. */
void ending_note(bool searched, int error);
/* The snapshot at the end was the last one. */
void ending_done(void);
/* What a snapshot with TRIGGER_EXIT is: by the thread that ends the process; a search before an exec. */
bool ending_is_exit(void);
bool ending_is_only_lost(void);
/* The signal that is about to end the process. */
int ending_signal(void);
void ending_fork_child(void);
/* A fork's child that is not recorded. */
void ending_leave_out(void);

#endif
