/*
 * The reaction to a host that misuses its heap: the `on_error` option.
 *
 *   abort   one line on stderr, then abort(), as glibc does (default)
 *   report  one line on stderr, the call has no effect, the program continues
 *   ignore  the call has no effect
 *
 * All are counted, and each later snapshot has the first DAMAGES_MAX with what is known of the block, including the
 * stacks of its allocation and its free. The table needs no lock: places are taken by counting, and a place is read
 * once it is whole.
 */
#ifndef MUDLARK_DAMAGE_H
#define MUDLARK_DAMAGE_H

#include "preload/base/options.h"
#include "preload/interface/snapshot_format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DAMAGES_MAX = 64 };

extern enum damage_policy damage_policy;

/* Called before a report aborts, not holding a lock of ours; NULL: nothing is. */
extern void (*damage_before_abort)(void);

struct damage {
	enum snapshot_misuse misuse;
	enum snapshot_found_by found_by;
	const void *p;  /* the block, or what was given for one */
	uint64_t bytes; /* requested; of a wrong size: see `given` */
	bool bytes_known;
	uint64_t given;     /* size that free_sized() was given */
	ptrdiff_t first;    /* of a write: offset of the first changed byte, may be negative */
	ptrdiff_t end;      /* and behind the last one */
	uint32_t allocated; /* sites; 0: not known */
	uint32_t freed;
	uint32_t found; /* the call that found it */
};

/* Counts it, keeps it, and does what the policy says. All: async-signal-safe, preserve errno. */
void damage_report(const struct damage *damage);

/* The same for what only is known by its address. */
void damage_found(enum snapshot_misuse misuse, enum snapshot_found_by found_by, const void *p);

/*
 * Counts it and keeps it, where nothing may be said: damage_say() does that later, with `may_abort` as the policy wants
 * it. A write that was found at the same block before, and that nobody has closed since, is not another one.
 */
void damage_note(const struct damage *damage);
void damage_say(bool may_abort);

/* The block at p ends, or has a new canary: what is found there from now on is another damage. */
void damage_close(const void *p);

/* In a fork child: what was found is the parent's. */
void damage_fork_child(void);

/* Those kept, from 0 on; NULL: none there, or not whole yet. */
const struct damage *damage_at(uint32_t index);
/* All, kept or not. */
uint64_t damage_count(void);

#endif
