/*
 * What `mudlark snap` requests besides a snapshot, in the token that comes with the signal. Any other channel would
 * need a descriptor or a file in the process.
 *
 *   63 .. 36            35 .. 4                               3 .. 0
 *   | random, not 0     | hash of the type's name; 0: any     | enum request_flag |
 */
#ifndef MUDLARK_REQUEST_H
#define MUDLARK_REQUEST_H

#include <stdint.h>

enum request_flag { REQUEST_CENSUS = 1, REQUEST_REFS = 2, REQUEST_LEAKS = 4, REQUEST_RETAINED = 8 };
enum { REQUEST_FLAG_BITS = 4, REQUEST_RANDOM_SHIFT = 36 };

/* FNV-1a of a type's name. Never 0. */
static inline uint32_t request_hash(const char *name)
{
	uint32_t hash = 0x811c9dc5;
	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 0x01000193;
	return hash ? hash : 1;
}

static inline uint64_t request_token(uint64_t random, unsigned flags, uint32_t hash)
{
	return (random >> REQUEST_RANDOM_SHIFT | 1) << REQUEST_RANDOM_SHIFT | (uint64_t)hash << REQUEST_FLAG_BITS |
	       flags;
}

static inline unsigned request_flags(uint64_t token)
{
	return token & ((1u << REQUEST_FLAG_BITS) - 1);
}

static inline uint32_t request_type(uint64_t token)
{
	return (uint32_t)(token >> REQUEST_FLAG_BITS);
}

#endif
