/*
 * pymalloc's own statistics: its pools by size class, its arenas, and the free lists of types, as
 * sys._debugmallocstats() prints them. They are all that is known about small objects that are not recorded.
 *
 * The interpreter prints them to a FILE. Ours is one without a descriptor (fopencookie), whose text goes to our own
 * memory, so that nothing of the host's is written to.
 */
#ifndef MUDLARK_PYTHON_STATS_H
#define MUDLARK_PYTHON_STATS_H

#include <stddef.h>

struct python_stats {
	char *text; /* NUL-terminated; NULL: there are none */
	size_t length;
};

/*
 * Asks the interpreter, where objects are pymalloc's. The calling thread has the GIL, is in no signal handler, outside
 * of the allocator, and holds no lock of ours: the FILE is a block of the program's for a moment.
 */
void python_stats_take(struct python_stats *stats);
void python_stats_end(struct python_stats *stats);

#endif
