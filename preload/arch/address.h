/*
 * What an address of the processor looks like.
 *
 *   ADDRESS_BITS  addresses that mmap gives a program without being asked for more are below 2^ADDRESS_BITS
 *   PAGE_BYTES    the size of a page of memory
 */
#ifndef MUDLARK_ARCH_ADDRESS_H
#define MUDLARK_ARCH_ADDRESS_H

#if defined(__x86_64__)
#include "preload/arch/x86_64/address.h"
#else
#error "Mudlark does not know this processor's addresses."
#endif

#endif
