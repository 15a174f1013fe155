/*
 * Size classes of the pools: 1 to 16384 bytes in 36 classes, all multiples of 16.
 *
 *   16, 32 .. 128 in steps of 16, then four to each doubling: 160, 192, 224, 256, 320 .. 14336, 16384
 *
 * The mean loss to rounding is 7.9 % above 128 bytes. 16384 is the border to jemalloc because from 14337 bytes on each
 * of jemalloc's objects has separate pages, so that a page number identifies one object.
 */
#ifndef MUDLARK_SIZE_CLASS_H
#define MUDLARK_SIZE_CLASS_H

#include <stddef.h>
#include <stdint.h>

enum { SIZE_CLASSES = 36, SMALL_MAX_BYTES = 16384, SIZE_UNIT_BYTES = 16 };

extern const uint16_t size_class_bytes[SIZE_CLASSES];
extern const uint8_t size_class_of_units[SMALL_MAX_BYTES / SIZE_UNIT_BYTES + 1];

/* The smallest class that holds n <= SMALL_MAX_BYTES bytes; 0 bytes take the smallest. */
static inline unsigned size_class_of(size_t n)
{
	return size_class_of_units[(n + SIZE_UNIT_BYTES - 1) / SIZE_UNIT_BYTES];
}

#endif
