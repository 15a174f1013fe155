/*
 * Snapshot files: their names, and writing them whole or not at all.
 *
 * A file is written under a temporary name in its directory and then renamed. No descriptor stays open between
 * snapshots: a host that closes or reuses "our" number loses nothing. When the pattern has %n, a file that exists is
 * never replaced: the number is advanced, so that a container in which every run has pid 1 keeps its snapshots.
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

/* Before output_init(): what the program was started as, argv[0]; NULL: not known. */
void output_set_program(const char *name);
const char *output_program(void);
const char *output_host(void);
const char *output_directory(void); /* working directory at start */

/* fork child: numbers begin anew. */
void output_fork_child(void);

/* The number that the next file will have, unless one with that name exists. */
uint32_t output_next_number(void);

/*
 * Writes the data under the next name. 0 and the path, or -errno. One call at a time (the snapshot lock).
 * Async-signal-safe. The caller has signals blocked (sys_quiet_begin), so that the host sees neither SIGXFSZ nor
 * SIGPIPE and the file is whole.
 */
int output_write(const void *data, size_t bytes, pid_t pid, char path[PATH_MAX]);

#endif
