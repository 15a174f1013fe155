/*
 * Builds the snapshot file in memory: varints, texts, tagged values, sections with their checksums.
 * snapshot_format.h defines the format. Memory comes from mmap. Nothing here allocates or fails half-way: if memory is
 * short, `failed` is set and all further calls do nothing.
 */
#ifndef MUDLARK_ENCODE_H
#define MUDLARK_ENCODE_H

#include "preload/interface/snapshot_format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct encoder {
	char *data;
	size_t length, capacity;
	size_t section; /* offset of the open section's header; 0: none */
	uint32_t sections;
	uint16_t minor; /* version that a reader needs to know for all of the file */
	bool failed;
};

/* Begins a file of about so many bytes. encode_finish() closes it with the END section and the header's checksum;
 * encode_free() unmaps. */
void encode_begin(struct encoder *encoder, size_t bytes_expected);
void encode_finish(struct encoder *encoder);
void encode_free(struct encoder *encoder);

void encode_section_begin(struct encoder *encoder, enum snapshot_section_type type);
void encode_section_end(struct encoder *encoder);

void encode_number(struct encoder *encoder, uint64_t value);
/* The same for several at once: room is looked for once a row. At most ENCODE_ROW_MAX. */
enum { ENCODE_ROW_MAX = 10 };
void encode_row(struct encoder *encoder, const uint64_t *values, unsigned count);
void encode_bytes(struct encoder *encoder, const void *data, size_t bytes); /* as a text: length first */
void encode_text(struct encoder *encoder, const char *text);

/* Tagged values: key even for numbers, odd for texts. */
void encode_tag_number(struct encoder *encoder, unsigned key, uint64_t value);
void encode_tag_text(struct encoder *encoder, unsigned key, const char *text);

#endif
