/*
 * The signals that end a program and at which `fatal` writes a snapshot first. KILL cannot be caught by anyone, and the
 * others are the program's own affair. The command gives advice by the same list.
 */
#ifndef MUDLARK_FATAL_SIGNALS_H
#define MUDLARK_FATAL_SIGNALS_H

#include <signal.h>

#define FATAL_SIGNALS                                                                                                  \
	SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS, SIGTRAP, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGXCPU

#endif
