/*
 * The signals whose default action ends a program, and at which `fatal` writes a snapshot first. KILL cannot be caught,
 * and real-time signals are left to the program. The command gives its advice from the same list.
 */
#ifndef MUDLARK_FATAL_SIGNALS_H
#define MUDLARK_FATAL_SIGNALS_H

#include <signal.h>

#define FATAL_SIGNALS                                                                                                  \
	SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS, SIGTRAP, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGXCPU, SIGXFSZ, \
		SIGPIPE, SIGALRM, SIGVTALRM, SIGPROF, SIGUSR1, SIGUSR2, SIGIO, SIGPWR, SIGSTKFLT

#endif
