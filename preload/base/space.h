/*
 * The limit of the process's address space, and what Mudlark may take of it.
 *
 * A program under `ulimit -v` or `ulimit -d` must get what it would get without Mudlark. Mudlark maps memory when it
 * needs it: chunks of the pools one by one, tables by segments, records by slab. There are two exceptions:
 *
 *   jemalloc   rounds sizes up by as much as a quarter and maps ahead. Under a limit it gets a part of it, and large
 *              blocks beyond that are separate mappings, exact to the page (large.h)
 *   snapshots  need memory when there may be none left: under a limit, some is reserved for them from the start
 *
 * The limit is read once, by the constructor; later changes are seen where the program makes them, in setrlimit and
 * prlimit (host/limits.c). It cannot be read again and again, because a seccomp filter may kill the caller. A limit
 * that another process sets is not seen: then what matters is only that mappings fail.
 */
#ifndef MUDLARK_SPACE_H
#define MUDLARK_SPACE_H

#include <stdint.h>

/* The lower of RLIMIT_AS and RLIMIT_DATA; UINT64_MAX: none, 0: not known yet. */
uint64_t space_limit(void);

/* Returns non-zero if there is a limit, or if none is known yet. */
static inline int space_is_limited(void)
{
	return space_limit() != UINT64_MAX;
}

/* From the constructor. */
void space_init(void);

/* The process has this soft limit now, RLIM_INFINITY for none. resource: any; those that matter are noted. */
void space_note_limit(int resource, uint64_t soft);

/* Gives what is kept for a snapshot to it, and keeps it again. Caller holds the snapshot lock. */
void space_snapshot_begin(void);
void space_snapshot_end(void);

#endif
