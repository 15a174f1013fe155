/*
 * From sections to a snapshot file: `mudlark symbolize` adds names, and tests build files that no program ever wrote.
 */
#ifndef MUDLARK_SNAPSHOT_WRITE_H
#define MUDLARK_SNAPSHOT_WRITE_H

#include "report/base/buffer.h"
#include "report/snapshot/read.h"

/* A file in the making: sections one after the other, then finish. Zero-initialise it with a header first. */
void snapshot_begin(struct buffer *file);
void snapshot_section_add(struct buffer *file, uint32_t type, const struct buffer *data);
/* Adds END and completes the header. */
void snapshot_finish(struct buffer *file);

/* Encodes every section of the snapshot, also those that the decoder needs not; SYMBOLS is left out. */
void snapshot_encode(const struct snapshot *snapshot, struct buffer *file);

/*
 * Copies a file that snapshot_decode() accepted, unknown sections too, with its SYMBOLS replaced by (or lacking them:
 * followed by) `symbols`.
 */
void snapshot_add_symbols(const void *bytes, size_t size, const struct buffer *symbols, struct buffer *file);

#endif
