/*
 * A growing array of bytes: writers of snapshots and lines fill it, and write it out in one piece.
 * Zero-initialise it; buffer_free() releases the bytes.
 */
#ifndef MUDLARK_BUFFER_H
#define MUDLARK_BUFFER_H

#include <stddef.h>
#include <stdint.h>

struct buffer {
	char *data; /* `length` bytes used of `capacity`; owned */
	size_t length;
	size_t capacity;
};

void buffer_append(struct buffer *buffer, const void *bytes, size_t length);
void buffer_text(struct buffer *buffer, const char *text);
void buffer_byte(struct buffer *buffer, char byte);
void buffer_format(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buffer_decimal(struct buffer *buffer, uint64_t value);
/* Unsigned LEB128. */
void buffer_varint(struct buffer *buffer, uint64_t value);
/* Adds a NUL behind the last byte (not counted) and returns the bytes as a string that stays the buffer's. */
const char *buffer_string(struct buffer *buffer);
void buffer_free(struct buffer *buffer);

#endif
