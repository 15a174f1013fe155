/*
 * The findings of mudlark doctor: what was looked at, how it stands, why, and the mend.
 */
#ifndef MUDLARK_DOCTOR_H
#define MUDLARK_DOCTOR_H

#include "report/base/error.h"

#include <stddef.h>

enum verdict { VERDICT_OK, VERDICT_WARN, VERDICT_FAIL };

struct finding {
	const char *check; /* short name, stable: also in JSON */
	enum verdict verdict;
	char *reason; /* owned */
	char *mend;   /* owned; NULL: nothing to do */
};

struct examination {
	struct finding *findings;
	size_t count, capacity;
};

/* mend may be NULL. reason is a format. */
void find(struct examination *examination, const char *check, enum verdict verdict, const char *mend,
	  const char *reason, ...) __attribute__((format(printf, 5, 6)));
void examination_free(struct examination *examination);

/* This machine: architecture, glibc, libunwind, a trial run, the output directory, debuginfod. */
void examine_machine(struct examination *examination);
/* A program, as `mudlark run` would find it, or a library file. */
void examine_program(struct examination *examination, const char *command);
/* A snapshot: whether it can be read, and what it says about CPython. */
void examine_snapshot(struct examination *examination, const char *path);
/* A running process. */
void examine_process(struct examination *examination, unsigned long pid);

#endif
