/*
 * The descendants of this process, from /proc: processes that a command left running, and processes that ended.
 */
#ifndef MUDLARK_DESCENDANTS_H
#define MUDLARK_DESCENDANTS_H

#include <stddef.h>
#include <sys/types.h>

enum { PROCESS_NAME_BYTES = 16 }; /* with its NUL: the kernel's TASK_COMM_LEN */

struct living {
	pid_t pid, parent;
	char name[PROCESS_NAME_BYTES];
};

/* Zombies and this process are not among them. *count of them, malloced; NULL: there is none, or no /proc. */
struct living *descendants_living(size_t *count);

/* Of a child that has ended and was not waited for: fills name ("": not known), and returns its pid in the innermost
 * PID namespace that it was in; 0: not known. */
pid_t process_name_of_ended(pid_t pid, char name[PROCESS_NAME_BYTES]);

#endif
