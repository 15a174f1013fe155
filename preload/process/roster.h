/*
 * The process's own slots in the roster of its run; roster_format.h has the picture.
 *
 * Nothing here takes a lock or allocates, and all of it is async-signal-safe and preserves errno. Without a run
 * (the variable is not set, or its file cannot be opened) nothing happens.
 */
#ifndef MUDLARK_ROSTER_H
#define MUDLARK_ROSTER_H

#include "preload/interface/roster_format.h"

#include <stdbool.h>
#include <sys/types.h>

/*
 * Takes a slot for this image. value: of ROSTER_VARIABLE; NULL: there is no run. started_ns: META_START_TIME_NS.
 * From the constructor.
 */
void roster_init(const char *value, pid_t pid, const char *program, uint64_t started_ns);

/* The run's token, for the snapshot's META; "": there is no run. */
const char *roster_token(void);

/* Takes a slot for a fork child. */
void roster_fork_child(pid_t pid, uint64_t started_ns);

void roster_set_end(enum roster_end end, enum roster_verdict verdict, int error);

/* A signal is about to end the process; error: of the snapshot before. */
void roster_set_killed(int number, int error);
/* The process ends, and no snapshot was wanted. Without a system call, for which a filter unseen might kill it. */
void roster_decline(void);

/*
 * An exec of `path` is about to be tried in this environment: by the process itself (own), which ends so, or by a
 * child that has its memory, or is a raw copy of it. Returns the slot for roster_exec_failed(); NULL: none.
 */
struct roster_slot *roster_exec(bool own, const char *path, char *const *environment, enum roster_verdict verdict,
				int error);
void roster_exec_failed(struct roster_slot *slot);

/* The process has made a child by posix_spawn(), and is about to make one by a system call of its own. */
void roster_spawned(pid_t pid, const char *path, char *const *environment);
void roster_clones(void);
/* It is going to execute a shell by system() or popen(), which the run must know of if the environment hides it. */
void roster_shell(void);

/* For a process that finds itself not to be the one that began: whether it is a raw copy; takes a slot for it. */
bool roster_is_raw_copy(void);
void roster_cloned(void);

#endif
