/*
 * Sets and asks for what signals do by all the functions that libc has for it, in the program, in a fork child, after a
 * vfork child has done the same and after exec, and prints what it is told.
 * Pitfall 41: the tool catches the signals whose default action ends the program, and the program sees that.
 * Expected: the same lines plain and preloaded with signal=none.
 */
#define _GNU_SOURCE
#include "expect.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NUMBERS = 64 };

typedef void handler(int);
extern handler *bsd_signal(int number, handler *wanted);
extern handler *ssignal(int number, handler *wanted);
extern handler *__sysv_signal(int number, handler *wanted);

static void mine(int number)
{
	(void)number;
}

static const char *name(handler *of)
{
	return of == SIG_DFL    ? "default"
	       : of == SIG_IGN  ? "ignored"
	       : of == SIG_ERR  ? "error"
	       : of == SIG_HOLD ? "hold"
	       : of == mine     ? "mine"
				: "somebody's";
}

static void ask(const char *when, int number)
{
	struct sigaction action;
	if (sigaction(number, NULL, &action)) {
		printf("%s: %d: error\n", when, number);
		return;
	}
	printf("%s: %d: %s, flags %x, restorer %d, mask", when, number, name(action.sa_handler),
	       (unsigned)action.sa_flags, action.sa_restorer != NULL);
	for (int masked = 1; masked <= NUMBERS; masked++)
		if (sigismember(&action.sa_mask, masked) == 1)
			printf(" %d", masked);
	printf("\n");
}

static void ask_all(const char *when)
{
	for (int number = 1; number <= NUMBERS; number++)
		ask(when, number);
	fflush(stdout);
}

static void say(const char *what, handler *old, int number)
{
	printf("%s: was %s\n", what, name(old));
	ask(what, number);
}

static void set_in_all_ways(int number, int flags, int masked)
{
	struct sigaction action = {.sa_flags = flags}, old;
	sigaddset(&action.sa_mask, masked);
	action.sa_handler = SIG_DFL;
	printf("sigaction: %d\n", sigaction(number, &action, &old));
	say("sigaction", old.sa_handler, number);
	action.sa_handler = mine;
	printf("sigaction mine: %d\n", sigaction(number, &action, &old));
	say("sigaction mine", old.sa_handler, number);
	printf("sigaction again: %d\n", sigaction(number, &old, &action));
	say("sigaction again", action.sa_handler, number);
	siginterrupt(number, masked & 1);
	ask("siginterrupt", number);
	say("signal", signal(number, SIG_DFL), number);
	say("signal", signal(number, mine), number);
	say("bsd_signal", bsd_signal(number, SIG_DFL), number);
	say("ssignal", ssignal(number, SIG_IGN), number);
	say("sysv_signal", sysv_signal(number, SIG_DFL), number);
	say("__sysv_signal", __sysv_signal(number, mine), number);
	say("sigset", sigset(number, SIG_DFL), number);
	say("sigset hold", sigset(number, SIG_HOLD), number);
	say("sigset", sigset(number, SIG_DFL), number);
	say("sigset", sigset(number, mine), number);
	printf("sigignore: %d\n", sigignore(number));
	say("sigset", sigset(number, SIG_DFL), number);
}

static void in_children(void)
{
	pid_t child = fork();
	if (child == 0) {
		ask_all("forked");
		_exit(0);
	}
	waitpid(child, NULL, 0);
	child = vfork();
	if (child == 0) {
		struct sigaction action = {.sa_flags = (int)SA_RESETHAND};
		action.sa_handler = SIG_DFL;
		sigaction(SIGTERM, &action, NULL);
		signal(SIGINT, SIG_IGN);
		signal(SIGHUP, mine);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	ask_all("after vfork");
}

int main(int argc, char **argv)
{
	static const int numbers[] = {SIGTERM, SIGSEGV, SIGUSR1, SIGINT, SIGCHLD, SIGSYS};
	static const int flags[] = {0,
				    SA_SIGINFO,
				    SA_ONSTACK,
				    SA_NODEFER,
				    (int)SA_RESETHAND,
				    SA_RESTART,
				    SA_NOCLDSTOP,
				    SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER | (int)SA_RESETHAND};
	(void)argv;
	free(malloc(100));
	ask_all(argc > 1 ? "executed" : "at first");
	if (argc > 1)
		return EXPECT_STATUS;
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		for (size_t j = 0; j < sizeof flags / sizeof flags[0]; j++)
			set_in_all_ways(numbers[i], flags[j], SIGHUP + (int)j);
	printf("bad numbers: %s, %d, %s\n", name(signal(0, SIG_DFL)), sigaction(NUMBERS + 1, NULL, NULL),
	       name(signal(SIGKILL, SIG_DFL)));
	in_children();
	signal(SIGQUIT, SIG_IGN);
	signal(SIGALRM, mine);
	fflush(stdout);
	execl("/proc/self/exe", "signal_actions", "again", NULL);
	return 1;
}
