/*
 * The roster of a run: a file in which `mudlark run` and its processes record which process started and how it ended.
 *
 *   header   a page: what the file is, the run's token, how many slots were handed out
 *   slot[]   ROSTER_SLOT_BYTES each, from the second page on, in chunks of ROSTER_CHUNK_BYTES
 *
 * Each process maps the header and one chunk, MAP_SHARED, and closes the file. From then on a few stores suffice to
 * record how it ended: after chroot(2), setuid(2), with no descriptor left, under any limit. A process that is killed
 * leaves a slot that says "began" and has no end. That is the point: silence is never taken for a good end.
 *
 * A program may overwrite one of its own mappings by mistake. A slot is valid only with its seal, so that an
 * overwritten slot counts as a process of which nothing is known.
 *
 * Slots of one process: a new image (exec) takes another slot with the same pid and start. Notes are slots that another
 * process takes for a process: its parent for a child by posix_spawn(3), a vfork(2) child for what it is about to
 * execute.
 */
#ifndef MUDLARK_ROSTER_FORMAT_H
#define MUDLARK_ROSTER_FORMAT_H

#include "preload/interface/mix.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* The variable: token, ':', absolute path of the roster. */
#define ROSTER_VARIABLE "MUDLARK_RUN"

enum {
	ROSTER_VERSION = 1,
	ROSTER_HEADER_BYTES = 4096,
	ROSTER_SLOT_BYTES = 256,
	ROSTER_CHUNK_SLOTS = 256,
	ROSTER_CHUNK_BYTES = ROSTER_SLOT_BYTES * ROSTER_CHUNK_SLOTS,
	ROSTER_SLOTS_MOST = 1 << 18, /* 64 MiB of file */
	ROSTER_TOKEN_DIGITS = 32,    /* hexadecimal */
	ROSTER_NAME_BYTES = 64,
	ROSTER_PATH_BYTES = 128,
};
#define ROSTER_MAGIC UINT64_C(0x7473726b6c64756d) /* "mudlkrst" */

struct roster_header {
	uint64_t magic;
	uint32_t version;
	_Atomic uint32_t next; /* slots handed out */
	_Atomic uint32_t lost; /* processes that could not have a slot */
	uint32_t unused;
	char token[ROSTER_TOKEN_DIGITS];
};
_Static_assert(sizeof(struct roster_header) <= ROSTER_HEADER_BYTES, "the header is a page");

enum roster_kind {
	ROSTER_IMAGE = 1,  /* a program that was executed, with the library in it */
	ROSTER_FORK = 2,   /* a child by fork(3) */
	ROSTER_SPAWN = 3,  /* note: a child by posix_spawn(3); by system(3) or popen(3): pid is not known */
	ROSTER_VFORK = 4,  /* note: a child that has its parent's memory is about to execute something */
	ROSTER_CLONE = 5,  /* note: the process makes a child by a system call of its own; pid is not known */
	ROSTER_CLONED = 6, /* such a child, known when it executes something or ends */
	ROSTER_NESTED = 7, /* note by a `mudlark run` within this run: its own processes; verdict tells */
};

enum roster_end {
	ROSTER_RUNS = 0,     /* or ended without a word */
	ROSTER_EXITED = 1,   /* the snapshot at the end was written, or `error` says why not */
	ROSTER_EXECUTED = 2, /* `path` took its place */
	ROSTER_DECLINED = 3, /* ended; no snapshot was wanted (at_exit=0) */
	ROSTER_LEFT_OUT = 4, /* a child with children=0: not part of the run */
	ROSTER_KILLED = 5,   /* a signal's default action, `flags` its number, after a snapshot, or `error` */
};

enum roster_verdict {
	ROSTER_NOT_SEARCHED = 0, /* for leaks */
	ROSTER_NONE_LOST = 1,
	ROSTER_LOST = 2,
	ROSTER_UNCERTAIN = 3,
	ROSTER_UNWANTED = 4, /* the program disabled the search */
};

enum roster_flag {
	ROSTER_NO_PRELOAD = 1, /* with ROSTER_EXECUTED and notes: the new environment has no LD_PRELOAD of ours */
	ROSTER_NO_RUN = 2,     /* ... does not name the run */
	ROSTER_OTHER_RUN = 4,  /* ... names another run */
};

struct roster_slot {
	_Atomic uint32_t taken;
	uint32_t pid, parent; /* 0: not known */
	uint8_t kind, end, verdict, flags;
	int32_t error;     /* errno of the snapshot at the end; 0: it was written */
	uint32_t number;   /* the reader's: of the slot */
	uint64_t start;    /* of the process in clock ticks since boot, proc(5); 0: not known */
	uint64_t begun_ns; /* real time at which the image or the fork child began: META_START_TIME_NS of its files */
	char name[ROSTER_NAME_BYTES]; /* as it was started */
	char path[ROSTER_PATH_BYTES]; /* what is executed; if it begins with "...", the end of it */
	uint64_t seal;
	char padding[16];
};
_Static_assert(sizeof(struct roster_slot) == ROSTER_SLOT_BYTES, "slots fill a chunk");
_Static_assert(offsetof(struct roster_slot, seal) % sizeof(uint64_t) == 0, "sealed in words");

/* The seal that the slot must have. key: of the run's token, roster_key(). */
static inline uint64_t roster_seal(const struct roster_slot *slot, uint64_t key)
{
	const char *bytes = (const char *)slot;
	uint64_t seal = key;
	for (size_t at = 0; at < offsetof(struct roster_slot, seal); at += sizeof seal) {
		uint64_t word;
		__builtin_memcpy(&word, bytes + at, sizeof word);
		seal = mix64(seal ^ word) + MIX_MULTIPLIER;
	}
	return seal;
}

static inline uint64_t roster_key(const char token[ROSTER_TOKEN_DIGITS])
{
	uint64_t key = 0;
	for (size_t at = 0; at < ROSTER_TOKEN_DIGITS; at++)
		key = mix64(key ^ (uint8_t)token[at]) + MIX_MULTIPLIER;
	return key;
}

#endif
