/*
 * Snapshot files: their names, and writing them whole or not at all.
 *
 * A file is written without a name, or under a temporary one in its directory, and is named when it is whole. No
 * descriptor stays open between snapshots: a host that closes or reuses "our" number loses nothing. If the pattern has
 * %n, an existing file is never replaced: the number is advanced, so that a container in which every run has pid 1
 * keeps its snapshots.
 *
 * A pattern without %n names one file, or a link to it (output_target.h). In a run, this is the snapshot at the
 * command's own end, or with %p at the end of each process. Any other snapshot gets ".PID.NUMBER" in front of the
 * name's last '.', so that none replaces another one.
 */
#ifndef MUDLARK_OUTPUT_H
#define MUDLARK_OUTPUT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Notes the pattern, program, host and working directory. From the constructor. */
void output_init(const char *pattern);
/* The process is one of a run whose command has this pid; 0: of none. */
void output_set_command(pid_t command);

/* Before output_init(): what the program was started as, argv[0]; NULL: not known. */
void output_set_program(const char *name);
const char *output_program(void);
const char *output_host(void);
const char *output_directory(void); /* working directory at start */

/* fork child: numbers begin anew. */
void output_fork_child(void);

/* The number that the next file will have, unless one with that name exists. */
uint32_t output_next_number(void);
/* The last file written had this number: one that a forked copy of the process wrote. */
void output_set_number(uint32_t number);

/*
 * Names a file: the temporary one, and in `path` what it is going to be called. 0, -ENAMETOOLONG, or as
 * output_target(). One file at a time, from here to output_write() or output_discard() (the snapshot lock).
 */
int output_begin(pid_t pid, char path[PATH_MAX]);
/* Before it: whether the file is the snapshot at the end of the process, which has the name of a pattern without %n. */
void output_set_last(pid_t pid, bool last);

/*
 * Creates the file, has it filled (0 or -errno), and puts it in its place. 0 and the path, or -errno.
 * Async-signal-safe. The caller has signals blocked (sys_quiet_begin), so that the host sees neither SIGXFSZ nor
 * SIGPIPE and the file is whole.
 */
int output_write(int (*fill)(int fd, void *context), void *context, pid_t pid, char path[PATH_MAX]);

/* Removes what is left of a file whose writer has died. */
void output_discard(void);

#endif
