/*
 * Derives from referrer paths why objects are held, and suggests the usual fix in one sentence.
 *
 * A path shows how one object is held; its share (shares.h) shows of how many objects this is true. A cause is given
 * only for a path that explains at least half of them. Otherwise the largest shares are named, without a cause.
 */
#ifndef MUDLARK_CAUSES_H
#define MUDLARK_CAUSES_H

#include "report/base/buffer.h"
#include "report/snapshot/read.h"

enum cause {
	CAUSE_UNKNOWN,
	CAUSE_CONTAINER,     /* a variable of a module, or what it holds */
	CAUSE_LRU_CACHE,     /* a functools.lru_cache */
	CAUSE_CLOSURE,       /* a cell */
	CAUSE_CYCLE,         /* waits for the collector */
	CAUSE_UNCOLLECTABLE, /* gc.garbage */
	CAUSE_TRACEBACK,     /* a kept traceback */
	CAUSE_FRAME,         /* a kept frame */
	CAUSE_LOCAL,         /* a variable of a function that runs */
	CAUSE_THREAD_LOCAL,
	CAUSE_UNCLOSED,  /* a file, socket or subprocess */
	CAUSE_LOST,      /* a reference that no object and no memory has: C code did not give it back */
	CAUSE_GENERATOR, /* a generator or coroutine that has not ended */
	CAUSE_DEFAULT,   /* a default value of an argument */
	CAUSE_CONTEXT,   /* a context variable */
};

enum cause cause_of(const struct snapshot *snapshot, const struct snapshot_path *path);
/* "module-variable", ... for JSON. */
const char *cause_name(enum cause cause);
/* "app.cache['key']", from the path's root to what it holds. */
void path_text(struct buffer *out, const struct snapshot *snapshot, const struct snapshot_path *path);
/* The same up to the holder: "app.cache". */
void holder_text(struct buffer *out, const struct snapshot *snapshot, const struct snapshot_path *path);
/* Number of the first step before the last one whose object is of the type; UINT32_MAX: none. */
uint32_t find_step(const struct snapshot *snapshot, const struct snapshot_path *path, const char *type);
/* One sentence on what it is, one on the fix. what: what is held, "them" or a number of objects. */
void cause_sentence(struct buffer *out, const struct snapshot *snapshot, const struct snapshot_path *path,
		    const char *what);

/*
 * The sentences for the holder of most objects of this type, or the largest shares where none has half. before: an
 * earlier snapshot; then of those that are new since. False: nothing is known.
 */
bool cause_text(struct buffer *out, const struct snapshot *snapshot, const char *type, const struct snapshot *before);

#endif
