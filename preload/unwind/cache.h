/*
 * The frames that libunwind remembers, and must forget when modules are unloaded.
 *
 * It keeps, for each thread, the layouts of all frames that it met, by address, forever and without a check. After
 * dlclose and dlopen it walks another library's frames with the old one's layouts, and reads through what it takes for
 * a frame pointer. It has no function that forgets them (unw_flush_cache is for its other cache). They are found by the
 * key of its thread-specific data, which its first walk creates through a call that is ours (import.h):
 *
 *   value of the key  { frames, log2 of their number, how many are used, ... }     libunwind 1.1 to 1.8
 *   a frame           { address, or 0 when it is free; 8 bytes of layout }
 */
#ifndef MUDLARK_UNWIND_CACHE_H
#define MUDLARK_UNWIND_CACHE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* In place of pthread_key_create, when libunwind calls it. */
int unwind_cache_create_key(pthread_key_t *key, void (*destructor)(void *));

/* After libunwind's first walk: looks whether the calling thread has a cache, and whether it is laid out like that. */
void unwind_cache_find(void);

/*
 * Makes the calling thread's cache forget when *generation, for which it is good, is not that of the modules any more.
 * False: it would have to, but was not found; then libunwind must not be asked. Async-signal-safe.
 */
bool unwind_cache_renew(uint32_t *generation);

#endif
