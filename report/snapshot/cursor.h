/*
 * A reader of one section of an untrusted file, which cannot read outside the section.
 */
#ifndef MUDLARK_SNAPSHOT_CURSOR_H
#define MUDLARK_SNAPSHOT_CURSOR_H

#include "report/snapshot/read.h"

/* The unread rest of one section. After the first failure every read returns 0, so that callers may check late. */
struct cursor {
	const unsigned char *next, *end;
	const char *failed; /* why; NULL: not failed */
};

static inline size_t cursor_left(const struct cursor *cursor)
{
	return (size_t)(cursor->end - cursor->next);
}

/* Remembers the first reason; 0. */
uint64_t cursor_fail(struct cursor *cursor, const char *why);
uint64_t read_varint(struct cursor *cursor);
uint32_t read_limited(struct cursor *cursor, uint64_t limit, const char *why);
/* A count of elements that take at least least_bytes each. */
uint32_t read_count(struct cursor *cursor, size_t least_bytes);
struct text read_text(struct cursor *cursor, struct arena *arena);

/* META; texts are of the snapshot's arena. */
void decode_meta(struct snapshot *snapshot, struct cursor *cursor);
void decode_totals(struct snapshot *snapshot, struct cursor *cursor);
/*
 * Checks the header of a file of size bytes, of which the first sizeof *header, or all of a shorter one, are at start.
 * Returns false and fills error (EXIT_INPUT) if this mudlark cannot read such a file.
 */
bool snapshot_check_header(const unsigned char *start, size_t size, const char *name, struct snapshot_header *header,
			   struct error *error);

/* The sections of a census: census_read.c. */
void decode_types(struct snapshot *snapshot, struct cursor *cursor);
void decode_type_sites(struct snapshot *snapshot, struct cursor *cursor);
void decode_gc(struct snapshot *snapshot, struct cursor *cursor);
void decode_refs(struct snapshot *snapshot, struct cursor *cursor);
void decode_shares(struct snapshot *snapshot, struct cursor *cursor);
/* As link_sections(): the type of a section with a dangling id, or SECTION_END. */
uint32_t link_census(const struct snapshot *snapshot, const char **why);

/* LEAKS, INDIRECT, OBJECTS, SEARCHED and SUPPRESSIONS: leaks_read.c. */
void decode_leaks(struct snapshot *snapshot, struct cursor *cursor);
void decode_indirect(struct snapshot *snapshot, struct cursor *cursor);
void decode_objects(struct snapshot *snapshot, struct cursor *cursor);
void decode_searched(struct snapshot *snapshot, struct cursor *cursor);
void decode_suppressions(struct snapshot *snapshot, struct cursor *cursor);
uint32_t link_leaks(const struct snapshot *snapshot, const char **why);

/* DAMAGE: damage_read.c. */
void decode_damage(struct snapshot *snapshot, struct cursor *cursor);
uint32_t link_damage(const struct snapshot *snapshot, const char **why);

/* GENERATED, and its names for the frames: generated_read.c. */
void decode_generated(struct snapshot *snapshot, struct cursor *cursor);
void link_generated(struct snapshot *snapshot);

/* PATHS, RETAINED and PLACES, in this order: paths_read.c. */
void decode_paths(struct snapshot *snapshot, struct cursor *cursor);
void decode_retained(struct snapshot *snapshot, struct cursor *cursor);
void decode_places(struct snapshot *snapshot, struct cursor *cursor);
uint32_t link_retained(const struct snapshot *snapshot, const char **why);

#endif
