/*
 * UTF-8 from untrusted bytes: one decoder for JSON escapes and for the widths of table cells.
 */
#ifndef MUDLARK_UTF8_H
#define MUDLARK_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { UTF8_REPLACEMENT = 0xfffd };

/*
 * Decodes the character at text (length >= 1 bytes are there) into *code and returns how many bytes it takes.
 * A byte that starts no valid character (overlong, surrogate, beyond U+10FFFF, cut) counts as one byte and
 * UTF8_REPLACEMENT.
 */
size_t utf8_decode(const char *text, size_t length, uint32_t *code);

/*
 * Returns whether the character, printed as it is, would steer a terminal or change the place of others: controls of
 * both sets, marks of direction, separators of lines, tags, and what stands for no character (UTF8_REPLACEMENT too).
 */
bool utf8_is_unsafe(uint32_t code);

/* Columns that the character takes on a terminal: 0, 1 or 2. An unsafe one, which is printed as "?", takes 1. */
unsigned utf8_width(uint32_t code);

#endif
