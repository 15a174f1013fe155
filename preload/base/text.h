/*
 * Text built without stdio, locale or allocation: file names, the one line on stderr.
 * A text that does not fit is cut, and this is recorded; it always ends in NUL.
 */
#ifndef MUDLARK_TEXT_H
#define MUDLARK_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	char *data;
	size_t length;   /* without the NUL */
	size_t capacity; /* with it, at least 1 */
	bool cut;
};

static inline struct text text_in(char *buffer, size_t capacity)
{
	buffer[0] = '\0';
	return (struct text){buffer, 0, capacity, false};
}

static inline void text_add_char(struct text *text, char c)
{
	if (text->length + 1 >= text->capacity) {
		text->cut = true;
		return;
	}
	text->data[text->length++] = c;
	text->data[text->length] = '\0';
}

static inline void text_add(struct text *text, const char *more)
{
	for (; *more; more++)
		text_add_char(text, *more);
}

/* Lets a text that was cut say so, by its last characters. */
static inline void text_mark_cut(struct text *text)
{
	for (size_t i = 1; text->cut && i <= 3 && i <= text->length; i++)
		text->data[text->length - i] = '.';
}

/* Base 10 or 16, at least `digits` digits. */
static inline void text_add_digits(struct text *text, uint64_t value, unsigned base, int digits)
{
	char reversed[24];
	int n = 0;
	do {
		reversed[n++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value || n < digits);
	while (n)
		text_add_char(text, reversed[--n]);
}

static inline void text_add_number(struct text *text, uint64_t value)
{
	text_add_digits(text, value, 10, 1);
}

static inline void text_add_hex(struct text *text, uint64_t value, int digits)
{
	text_add_digits(text, value, 16, digits);
}

#endif
