/*
 * See buffer.h. Capacity doubles, so that the total cost of appending is linear.
 */
#include "report/base/buffer.h"

#include "report/base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *reserve(struct buffer *buffer, size_t more)
{
	if (buffer->capacity - buffer->length < more) {
		size_t capacity = buffer->capacity * 2 + 64;
		if (capacity - buffer->length < more)
			capacity = buffer->length + more;
		buffer->data = must_resize(buffer->data, capacity, 1);
		buffer->capacity = capacity;
	}
	return buffer->data + buffer->length;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t length)
{
	if (!length)
		return;
	memcpy(reserve(buffer, length), bytes, length);
	buffer->length += length;
}

void buffer_text(struct buffer *buffer, const char *text)
{
	buffer_append(buffer, text, strlen(text));
}

void buffer_byte(struct buffer *buffer, char byte)
{
	*reserve(buffer, 1) = byte;
	buffer->length++;
}

void buffer_format(struct buffer *buffer, const char *format, ...)
{
	va_list arguments, again;
	va_start(arguments, format);
	va_copy(again, arguments);
	int length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (length > 0) {
		vsnprintf(reserve(buffer, (size_t)length + 1), (size_t)length + 1, format, again);
		buffer->length += (size_t)length;
	}
	va_end(again);
}

void buffer_decimal(struct buffer *buffer, uint64_t value)
{
	char digits[20];
	size_t first = sizeof digits;
	do
		digits[--first] = (char)('0' + value % 10);
	while (value /= 10);
	buffer_append(buffer, digits + first, sizeof digits - first);
}

void buffer_varint(struct buffer *buffer, uint64_t value)
{
	do {
		unsigned char byte = value & 0x7f;
		value >>= 7;
		if (value)
			byte |= 0x80;
		buffer_byte(buffer, (char)byte);
	} while (value);
}

const char *buffer_string(struct buffer *buffer)
{
	*reserve(buffer, 1) = '\0';
	return buffer->data;
}

void buffer_free(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer){0};
}
