/*
 * The living descendants of this process, from /proc: what a command has left running when it has ended.
 */
#ifndef MUDLARK_DESCENDANTS_H
#define MUDLARK_DESCENDANTS_H

#include <stddef.h>
#include <sys/types.h>

enum { LIVING_NAME_BYTES = 16 }; /* with its NUL: the kernel's TASK_COMM_LEN */

struct living {
	pid_t pid, parent;
	char name[LIVING_NAME_BYTES];
};

/* Zombies and this process are not among them. *count of them, malloced; NULL: there is none, or no /proc. */
struct living *descendants_living(size_t *count);

#endif
