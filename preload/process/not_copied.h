/*
 * Memory that a copy of the process lacks because the program excludes it from copies (MADV_DONTFORK). A search in the
 * copy knows nothing of it.
 *
 *   in the process, before its threads stand   the list of its mappings; it takes as long as the list is
 *   in the copy, before it maps anything       its own list; what is in the first one only, and in a third, which the
 *                                              process has by then: what was unmapped in between is not missed
 *
 * The third costs nothing where nothing is missing, as almost everywhere.
 */
#ifndef MUDLARK_NOT_COPIED_H
#define MUDLARK_NOT_COPIED_H

#include "preload/process/maps.h"

struct not_copied {
	struct maps before, now, still;
	bool known; /* memory and the file were there */
};

/* In the process. not_copied_end() unmaps. */
void not_copied_begin(struct not_copied *lists);
/* In the copy: the bytes, 0 also where it is not known. */
uint64_t not_copied_bytes(struct not_copied *lists);
void not_copied_end(struct not_copied *lists);

#endif
