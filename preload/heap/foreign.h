/*
 * Blocks that are not ours: libc's from before us or from an RTLD_DEEPBIND plugin, another allocator's. They go on
 * to the next allocator in scope, which is right for its own and gives its own diagnosis for garbage.
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

#endif
