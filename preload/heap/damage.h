/*
 * What is done about a host that misuses its heap: the `on_error` option.
 *
 *   abort   one line on stderr, then abort(), as glibc does (default)
 *   report  one line on stderr, the call has no effect, the program goes on
 *   ignore  the call has no effect
 */
#ifndef MUDLARK_DAMAGE_H
#define MUDLARK_DAMAGE_H

#include "preload/base/options.h"

extern enum damage_policy damage_policy;

/* Says what happened to the block at p, in `what`, for example "double free". Counted. Preserves errno. */
void damage_found(const char *what, const void *p);

#endif
