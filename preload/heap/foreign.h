/*
 * Blocks that are not ours: libc's from before us or from an RTLD_DEEPBIND plugin, or another allocator's. They are
 * passed to the next allocator in scope, which is right for its own blocks and gives its own diagnosis for garbage.
 *
 * libc's own diagnosis is an abort, or silence: it accepts a pointer whose neighbouring words look like a header. So if
 * libc is the next allocator, host/stray.c first finds pointers that cannot be blocks of libc's.
 */
#ifndef MUDLARK_FOREIGN_H
#define MUDLARK_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>

/* Resolves the next free and malloc_usable_size. From the constructor: dlsym may allocate. */
void foreign_init(void);

void foreign_free(void *p);
/* 0 when it cannot be told. */
size_t foreign_usable_size(void *p);

/* Whether the next allocator is libc's. */
bool foreign_is_libc(void);

/* Whether the words before p may be the header of a block of libc's that is in use. Async-signal-safe. */
bool foreign_may_be_chunk(const void *p);

#endif
