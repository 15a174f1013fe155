/* The characters of a Python str. */
#ifndef MUDLARK_PYTHON_TEXT_H
#define MUDLARK_PYTHON_TEXT_H

#include <stddef.h>
#include <stdint.h>

/*
 * Writes the str as UTF-8, without a NUL, as many whole characters as surely fit, and "..." behind them when those are
 * not all; the number of bytes. A surrogate stands as three bytes like any other character.
 */
size_t python_text(uintptr_t str, char *out, size_t room);

#endif
