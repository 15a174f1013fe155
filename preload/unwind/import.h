/*
 * The functions that libunwind calls to find a module's unwind tables: ours instead of dl_iterate_phdr. It also gets no
 * pipe, which it would leave open: a thread that closes it could meet another's. The key of its threads' caches is
 * noted.
 *
 * libc's function takes a lock of ld.so's. A thread that holds it, in its own dl_iterate_phdr callback or inside
 * dlopen, may wait for a thread that is in malloc; so malloc must never wait for that lock. _dl_find_object needs none.
 */
#ifndef MUDLARK_UNWIND_IMPORT_H
#define MUDLARK_UNWIND_IMPORT_H

#include <stdbool.h>

/* Points the loaded library's imports at ours, before its first use. handle is dlopen's. False when dl_iterate_phdr's
 * was not found. */
bool unwind_import_replace(void *handle);

#endif
