/*
 * Prints the disposition of every signal and the mask, as the host can see them.
 * Pitfalls 40 and 41: the tool ignores SIGPIPE or SIGXFSZ for itself, or blocks signals and forgets to unblock them.
 * Expected: the same lines plain and preloaded, but for the one signal that the tool documents (signal=none: all).
 */
#define _GNU_SOURCE
#include "expect.h"

#include <signal.h>
#include <string.h>

int main(void)
{
	sigset_t mask;
	free(malloc(100000));
	sigprocmask(SIG_SETMASK, NULL, &mask);
	for (int number = 1; number < NSIG; number++) {
		struct sigaction action;
		memset(&action, 0, sizeof(action));
		if (sigaction(number, NULL, &action) == 0)
			printf("%d %s%s\n", number,
			       action.sa_handler == SIG_DFL   ? "default"
			       : action.sa_handler == SIG_IGN ? "ignored"
							      : "handled",
			       sigismember(&mask, number) ? " blocked" : "");
	}
	return EXPECT_STATUS;
}
