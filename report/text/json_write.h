/*
 * Streaming JSON: no tree is built, so 100,000 rows cost no memory.
 *
 * Output is always valid JSON in UTF-8. Names are bytes from compilers and file systems, so control characters are
 * escaped and bytes that are not UTF-8 become U+FFFD. The writer takes care of commas, indentation and nesting.
 */
#ifndef MUDLARK_JSON_WRITE_H
#define MUDLARK_JSON_WRITE_H

#include "report/base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { JSON_DEEPEST = 32 };

struct json {
	FILE *stream;
	struct buffer text; /* not written yet */
	unsigned depth;
	bool has_elements[JSON_DEEPEST]; /* by depth: a comma is due */
	bool flat[JSON_DEEPEST];         /* by depth: on one line */
};

/* key is NULL inside arrays and for the outermost value. A flat object or array is written on one line. */
void json_put_object(struct json *json, const char *key, bool flat);
void json_put_array(struct json *json, const char *key, bool flat);
void json_end_object(struct json *json);
void json_end_array(struct json *json);
/* NULL gives null. */
void json_put_text(struct json *json, const char *key, const char *text);
void json_put_bytes(struct json *json, const char *key, const char *bytes, size_t length);
void json_put_number(struct json *json, const char *key, uint64_t number);
void json_put_signed(struct json *json, const char *key, int64_t number);
/* Six digits; what is no number gives null. */
void json_put_real(struct json *json, const char *key, double number);
void json_put_boolean(struct json *json, const char *key, bool value);
void json_put_null(struct json *json, const char *key);
/* Ends the outermost value's line and hands the rest of the text to the stream. */
void json_finish(struct json *json);

#endif
