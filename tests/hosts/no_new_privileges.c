/*
 * Gives up new privileges, as a program does that is about to install a seccomp filter or, with "landlock", to refuse
 * itself files; then ends, or by a signal (second argument).
 * Pitfall 18: the tool asks the kernel at the end and is killed for it, or writes nothing where it could.
 * Expected: a snapshot only where it is known what the privileges were given up for.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { SYS_LANDLOCK_RESTRICT_SELF = 446 };

int main(int argc, char **argv)
{
	NEED(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	/* That there is no such descriptor, nor perhaps such a call, is no matter. */
	if (argc > 1 && strcmp(argv[1], "landlock") == 0)
		syscall(SYS_LANDLOCK_RESTRICT_SELF, -1, 0);
	if (argc > 2)
		raise(atoi(argv[2]));
	return EXPECT_STATUS;
}
