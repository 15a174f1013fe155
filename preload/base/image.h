/*
 * The addresses of this library itself: the linker's names for its first and last byte.
 */
#ifndef MUDLARK_IMAGE_H
#define MUDLARK_IMAGE_H

#include <link.h>

extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));
extern const char _end[] __attribute__((visibility("hidden")));

#endif
