/*
 * The run's side of its roster (preload/interface/roster_format.h): a private directory, the file in it, the run's
 * token.
 *
 *   mudlark run ----creates----> DIRECTORY/roster <----slots---- the run's processes
 *        |                       (0700, ours)                          ^
 *        +----- MUDLARK_RUN=TOKEN:DIRECTORY/roster in the environment -+
 *
 * The token is also stored in each snapshot of the run (META_RUN): by it, and by nothing else, a file is the run's.
 */
#ifndef MUDLARK_RUN_ROSTER_H
#define MUDLARK_RUN_ROSTER_H

#include "preload/interface/roster_format.h"
#include "report/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct run_roster {
	char *directory, *path; /* owned; NULL: there is none */
	char token[ROSTER_TOKEN_DIGITS + 1];
	char *variable; /* value of ROSTER_VARIABLE for the run's processes; owned */
	int fd;
};

/*
 * Makes the directory and the file, below TMPDIR, /tmp, /dev/shm or XDG_RUNTIME_DIR: in the first where a file can be
 * given its memory at once (fallocate), else in the first where it can be written. Returns EXIT_FINE, or fills error
 * (EXIT_INPUT). Finish with run_roster_remove().
 */
int run_roster_create(struct run_roster *roster, struct error *error);
void run_roster_remove(struct run_roster *roster);

/* Processes of which the roster says nothing. */
struct roster_missing {
	unsigned unknown; /* that could not have a slot */
	unsigned gone; /* whose slots were handed out and are not in the file: it was truncated, or they died at once */
};

/*
 * Copies the slots that were taken, in their order; *count of them. Returns NULL when the file is the run's roster no
 * longer: it cannot be read, was truncated or written over. The caller frees.
 */
struct roster_slot *run_roster_slots(const struct run_roster *roster, size_t *count, struct roster_missing *missing);
/* Returns whether the slot is as its process left it. */
bool run_roster_is_whole(const struct run_roster *roster, const struct roster_slot *slot);

/*
 * For a run within another one, which the environment names: leaves a note there of what this one's processes lost
 * (NOT_SEARCHED: nobody knows). Without an outer run nothing happens.
 */
void run_roster_report(enum roster_verdict verdict);

#endif
