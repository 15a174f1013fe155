/*
 * Facts about CPython in the program of a snapshot: its version, and whether its frames and objects were recorded.
 */
#ifndef MUDLARK_PYTHON_FACTS_H
#define MUDLARK_PYTHON_FACTS_H

#include "report/base/buffer.h"
#include "report/snapshot/read.h"
#include "report/text/json_write.h"

/* "3.11.2", "3.13.0rc1". */
void python_version(struct buffer *out, const struct snapshot *snapshot);
/* Returns whether lines of Python code are in the stacks, and objects among the blocks. */
bool python_is_whole(const struct snapshot *snapshot);
/* "3.11.2, objects recorded", or what is missing and why. Nothing when there is no CPython. */
void python_facts_text(struct buffer *out, const struct snapshot *snapshot);
/* The member "python" of the open object: an object, or null. */
void python_facts_json(const struct snapshot *snapshot, struct json *json);

#endif
