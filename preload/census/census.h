/*
 * The census: every Python object, by type and by where it was allocated; what the collector knows and would free; and
 * who holds the objects of a chosen type (paths.h).
 *
 * The bytes of an object are those of its block and of the buffers that it owns (a list's items, a dict's keys and
 * values, a set's table), as the program requested them. If objects are pymalloc's, they are what the type reports as
 * its size.
 *
 * No Python code runs, no object is written to, nothing is collected. The caller holds the GIL, or is a copy of a
 * process whose thread had it (gil.h), so that every object is whole.
 */
#ifndef MUDLARK_CENSUS_H
#define MUDLARK_CENSUS_H

#include "preload/census/objects.h"

#include <stdbool.h>
#include <stdint.h>

struct encoder;

/* What a snapshot must contain besides the heap. */
struct census_request {
	bool census;
	bool refs;           /* referrer paths, too */
	uint32_t refs_hash;  /* of the type's name; 0: of the types that the program has most of */
	const char *why_not; /* a sentence: there can be none; NULL: there can */
};

/* FNV-1a of a type's name: a request has no room for more. Never 0. */
uint32_t census_hash(const char *name);

/* A type, and a site of its objects. */
struct census_row {
	uint32_t type, site;
	uint64_t objects, bytes;
};

enum { CENSUS_BIGGEST = 16 };

struct census_big {
	uint32_t object;
	uint64_t bytes;
};

struct census_counts {
	uint64_t objects, bytes;
};

struct census {
	struct census_request request;
	uint32_t epoch; /* that ends with it */
	bool taken;     /* what follows is valid */
	struct census_objects objects;
	struct census_row *row; /* open addressing by (type, site); objects 0: free */
	uint32_t row_bits, rows;
	struct census_counts all, interned, immortal, unreached;
	uint64_t unreachable;                      /* tracked objects in cycles that nothing outside holds */
	struct census_big biggest[CENSUS_BIGGEST]; /* the largest first; bytes 0: none */
	struct census_paths *paths;                /* NULL: not asked for */
};

/* Sites below this one have a place in the snapshot. interp: PyInterpreterState. */
void census_take(struct census *census, uintptr_t interp, uint32_t sites);
void census_encode(struct encoder *encoder, const struct census *census);
void census_end(struct census *census);

#endif
