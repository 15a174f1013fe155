/*
 * Why objects are held: read off their referrer paths, with the usual mend in one sentence.
 */
#ifndef MUDLARK_CAUSES_H
#define MUDLARK_CAUSES_H

#include "report/buffer.h"
#include "report/snapshot_read.h"

enum cause {
	CAUSE_UNKNOWN,
	CAUSE_CONTAINER,     /* a variable of a module, or what it holds */
	CAUSE_LRU_CACHE,     /* a functools.lru_cache without a bound */
	CAUSE_CLOSURE,       /* a cell */
	CAUSE_CYCLE,         /* waits for the collector */
	CAUSE_UNCOLLECTABLE, /* gc.garbage */
	CAUSE_TRACEBACK,     /* a kept traceback */
	CAUSE_FRAME,         /* a kept frame */
	CAUSE_LOCAL,         /* a variable of a function that runs */
	CAUSE_THREAD_LOCAL,
	CAUSE_UNCLOSED, /* a file, socket or subprocess */
	CAUSE_LOST,     /* a reference that no object has: C code did not give it back */
};

enum cause cause_of(const struct snapshot *snapshot, const struct snapshot_path *path);
/* "module-container", ... for JSON. */
const char *cause_name(enum cause cause);
/* "app.cache['key']", from the path's root to what it holds. */
void path_text(struct buffer *out, const struct snapshot *snapshot, const struct snapshot_path *path);
/* One sentence on what it is, one on the mend. */
void cause_sentence(struct buffer *out, const struct snapshot *snapshot, const struct snapshot_path *path);

/* The sentences for the path that most objects of this type take. False: nothing is known. */
bool cause_text(struct buffer *out, const struct snapshot *snapshot, const char *type);

#endif
