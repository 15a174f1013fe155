/*
 * The Python frames of a stack in a snapshot, with their lines, read by code that shares nothing with report/.
 */
#ifndef TESTS_E2E_PYTHON_LINES_H
#define TESTS_E2E_PYTHON_LINES_H

#include "tests/e2e/lib/runner.h"

struct python_frame {
	const char *file, *name;
	uint64_t line;      /* 0: the instruction has none */
	uint64_t native;    /* how many native frames lie between this frame and the Python frame inside of it */
	uint64_t outermost; /* id of the outermost of these; 0: there are none */
};

/* Fills out, innermost first; returns how many Python frames the stack has, which may be more than max. */
size_t python_frames(const struct brief *brief, uint64_t stack, struct python_frame *out, size_t max);

/* Whether a native frame of a module with this in its path lies further in than the frame, up to the next Python one.
 */
bool python_frame_follows(const struct brief *brief, uint64_t stack, size_t frame, const char *module);

/* Returns whether each native frame behind a run of Python frames is the interpreter's: its evaluation loop. */
bool python_frames_are_placed(const struct brief *brief, uint64_t stack);

#endif
