/*
 * How a program misused its heap: what the library found, each with the stacks that it knows of.
 */
#ifndef MUDLARK_MISUSE_H
#define MUDLARK_MISUSE_H

#include "report/text/json_write.h"
#include "report/text/table.h"
#include "report/views/reading.h"

/* "write behind the end of a block of 24 bytes: 1 byte at offset 24, found when it was freed". */
void misuse_text(struct buffer *out, const struct snapshot_damage *damage);
/* A table of them with an empty line before it; nothing when there are none. */
void misuse_print(const struct reading *reading, FILE *stream, const struct terminal *terminal);
/* The member "misuses" of the open object. */
void misuse_json(const struct reading *reading, struct json *json);

#endif
