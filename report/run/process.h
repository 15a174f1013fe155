/*
 * The facts from /proc about a process that is to write a snapshot.
 */
#ifndef MUDLARK_PROCESS_H
#define MUDLARK_PROCESS_H

#include "report/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct process {
	unsigned long pid;
	char state;                         /* 'R', 'S', 'T', 'Z', ... */
	char *library;                      /* path of libmudlark.so in its maps; owned; NULL: not loaded */
	char *pattern;                      /* output pattern, absolute in its root; owned; NULL: not known */
	int signal;                         /* that asks for a snapshot; 0: none */
	uint64_t caught;                    /* SigCgt: bit n - 1 for signal n */
	unsigned threads, threads_blocking; /* all, and those that have the signal blocked */
	bool elsewhere;                     /* its network or user namespace is not ours: no socket reaches over that */
	uint32_t users[3];                  /* real, effective, saved */
	unsigned long inner_pid;            /* as the process sees it itself, in its pid namespace */
};

/* Returns EXIT_FINE, or fills error (EXIT_INPUT) when there is no such process or it may not be looked at. */
int process_read(struct process *process, unsigned long pid, struct error *error);
void process_free(struct process *process);
/* Returns whether the process runs as this user. */
bool process_runs_as(const struct process *process, uint32_t user);
/* The parent of a process; 0: not known. */
unsigned long process_parent(unsigned long pid);

/* "USR1", "SIGUSR1", "RTMAX-5", "RTMIN+2" or a number; 0 for "none"; -1 when it is nothing of these. */
int signal_number(const char *text);
/* SIGRTMAX-5: what the library listens to unless `signal` says otherwise. */
int signal_default(void);

#endif
