/*
 * Identities of code objects: what the report needs to name a Python frame, copied while the code is certainly alive.
 *
 *   text   a file name or a qualified name, each once
 *   code   (file, name, first line, line table): codes with the same four are one. A function that is defined anew in
 *          a loop, a lambda, a module that is loaded again: the same lines, so the same code, and the table stays small
 *
 * Lines are not looked up here: the line table is copied, and the report decodes it. In front of it is a small table by
 * the code's address, whose entries are valid until code dies near there (frames.h).
 */
#ifndef MUDLARK_PYTHON_CODES_H
#define MUDLARK_PYTHON_CODES_H

#include <stdint.h>

/*
 * Id of the code at this address, which executes in the calling thread; 0: a table is full, or the call comes from a
 * signal handler that interrupted another one. Called between enter and leave.
 */
uint32_t python_code_id(uintptr_t code);

/* How far the tables reach: all below is whole. Takes the lock of codes. */
struct python_codes_bound {
	uint32_t texts, codes;
};
struct python_codes_bound python_codes_bound(void);

struct encoder;
/* SECTION_CODES. */
void python_codes_encode(struct encoder *encoder, const struct python_codes_bound *bound);

/* This file's locks, in rank order: for fork. */
struct lock;
void python_codes_locks(void (*add)(struct lock *lock));

#endif
